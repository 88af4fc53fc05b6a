//! A store that is away, or does not say what became of a commit: the books end as without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use leyden::metering::Dataset;
use leyden::partners::receipts::Outcome;
use leyden::partners::runs::Error;
use leyden::runtime::run::RunError;
use leyden::store::{self, CommitError};

use super::on_both_stores;
use crate::faulty::{CommitFault, Fate, Faulty};
use crate::partners::{Bench, keyed, plain, read, report, run, script};

on_both_stores!(
    commits_that_are_lost_or_not_answered_change_nothing_in_the_end,
    a_hold_that_the_store_takes_back_was_never_there,
    a_run_whose_hold_is_not_known_to_be_durable_tells_nothing,
    a_run_that_is_overtaken_is_made_again_and_charged_once,
    each_try_of_a_run_draws_the_same_and_each_run_something_else,
    a_run_that_is_overtaken_over_and_over_is_lost_and_not_charged,
);

fn reads() -> crate::partners::Script {
    script(|_, tab| async move {
        read(&tab, Dataset::Production, 70).expect("credit");
        report("done")
    })
}

async fn commits_that_are_lost_or_not_answered_change_nothing_in_the_end(bench: Bench) {
    let unresolved: CommitFault = || store::Error::Unresolved.into();
    let away: CommitFault = || store::Error::Unavailable("gone").into();
    let conflict: CommitFault = || CommitError::Conflict;
    bench.script("reads", reads());
    // The key of receipts is made first, so that each run has two commits.
    bench.run("reads", plain()).await.expect("a run");
    let fates: [fn(CommitFault) -> Fate; 2] = [Fate::Refused, Fate::Unanswered];
    let mut runs = 1;
    for (which, fault) in [unresolved, away, conflict].into_iter().enumerate() {
        for fate in fates {
            if which == 2 && matches!(fate(fault), Fate::Unanswered(_)) {
                continue;
            }
            for before in 0..2 {
                let sound = (0..before).map(|_| Fate::Sound);
                let fates = sound.chain([fate(fault), fate(fault)]);
                let faulty = Arc::new(Faulty::at_commits(bench.store.clone(), fates));
                let host = bench.over_faulty(faulty).await;
                let key = format!("{which} {before} {runs}");
                let ended = run(&host, "reads", keyed(&key.replace(' ', "-"))).await;
                assert_eq!(ended.expect("a run").outcome, Outcome::Report, "{key}");
                runs += 1;
                assert_eq!(bench.balance("acme").await, 1_000 - runs * 70, "{key}");
            }
        }
    }
    assert_eq!(bench.receipts("acme").await.len() as u64, runs);
    assert_eq!(bench.begun(), runs, "each plugin ran once");
    bench.assert_books_agree(&["acme"]).await;
}

/// Fails so often with a snapshot that can answer no more, then reports.
fn overtaken(times: u64) -> crate::partners::Script {
    let count = Arc::new(AtomicU64::new(0));
    script(move |_, tab| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            assert_eq!(tab.spent(), 0, "each run has a new tab");
            read(&tab, Dataset::Production, 70).expect("credit");
            let overtaken = leyden::dispatch::Error::Store(store::Error::Overtaken);
            match number < times {
                true => Err(RunError::HostFault(overtaken)),
                false => report("done"),
            }
        }
    })
}

async fn a_hold_that_the_store_takes_back_was_never_there(bench: Bench) {
    bench.script("reads", reads());
    bench.run("reads", plain()).await.expect("a run");
    let fates = [Fate::TakenBack(|| store::Error::Unresolved)];
    let faulty = Arc::new(Faulty::at_commits(bench.store.clone(), fates));
    let host = bench.over_faulty(faulty).await;
    let lost = run(&host, "reads", keyed("a")).await;
    assert!(matches!(lost, Err(Error::Partner(_))), "{lost:?}");
    assert_eq!((bench.begun(), bench.balance("acme").await), (2, 930));
    assert_eq!(bench.receipts("acme").await.len(), 1);
    let retried = bench.run("reads", keyed("a")).await.expect("a free key");
    assert_eq!(retried.outcome, Outcome::Report);
    assert_eq!(bench.balance("acme").await, 860);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_run_whose_hold_is_not_known_to_be_durable_tells_nothing(bench: Bench) {
    bench.script("reads", reads());
    bench.run("reads", plain()).await.expect("a run");
    let fates = [Fate::Untold(|| store::Error::Unresolved)];
    let faulty = Arc::new(Faulty::at_commits(bench.store.clone(), fates));
    let host = bench.over_faulty(faulty).await;
    let lost = run(&host, "reads", keyed("a")).await;
    assert!(matches!(lost, Err(Error::Partner(_))), "{lost:?}");
    assert_eq!(bench.begun(), 2, "it has run");
    assert_eq!(bench.receipts("acme").await.len(), 1);
    let sums = (bench.balance("acme").await, bench.held("acme").await);
    assert_eq!(sums, (0, 930), "nothing is settled");
    // What the store has taken all the same is voided, like what any host leaves half done.
    bench.void_all().await;
    assert_eq!(bench.balance("acme").await, 930);
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts.len(), receipts[1].outcome),
        (2, Outcome::HostFault)
    );
    let retried = bench.run("reads", keyed("a")).await.expect("a free key");
    assert_eq!(retried.outcome, Outcome::Report);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_run_that_is_overtaken_is_made_again_and_charged_once(bench: Bench) {
    bench.script("overtaken", overtaken(2));
    let ended = bench.run("overtaken", plain()).await.expect("a run");
    assert_eq!(ended.outcome, Outcome::Report);
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts.len(), receipts[0].total, receipts[0].reads.len()),
        (1, 70, 1)
    );
    assert_eq!(bench.begun(), 3);
    bench.assert_books_agree(&["acme"]).await;
}

async fn each_try_of_a_run_draws_the_same_and_each_run_something_else(bench: Bench) {
    let (drawn, count) = (Arc::new(Mutex::new(Vec::new())), AtomicU64::new(0));
    let draws = drawn.clone();
    let once_overtaken = script(move |mut input, _| {
        draws.lock().expect("no panic").push(input.work.random());
        let is_overtaken = count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let overtaken = leyden::dispatch::Error::Store(store::Error::Overtaken);
        async move {
            match is_overtaken {
                true => Err(RunError::HostFault(overtaken)),
                false => report("done"),
            }
        }
    });
    bench.script("draws", once_overtaken);
    for _ in 0..2 {
        bench.run("draws", plain()).await.expect("a run");
    }
    let drawn = drawn.lock().expect("no panic").clone();
    let &[first, again, second, once_more] = drawn.as_slice() else {
        panic!("two tries of two runs, not {drawn:?}");
    };
    assert_eq!((first, second), (again, once_more));
    assert_ne!(first, second);
}

async fn a_run_that_is_overtaken_over_and_over_is_lost_and_not_charged(bench: Bench) {
    bench.script("overtaken", overtaken(u64::MAX));
    let lost = bench.run("overtaken", plain()).await;
    assert!(
        matches!(
            lost,
            Err(Error::Lost {
                receipt: Some(_),
                ..
            })
        ),
        "{lost:?}"
    );
    assert!(
        (2..=10).contains(&bench.begun()),
        "bounded: {}",
        bench.begun()
    );
    assert_eq!(bench.balance("acme").await, 1_000);
    bench.assert_books_agree(&["acme"]).await;
}
