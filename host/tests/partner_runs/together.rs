//! Runs of one partner that end at once: they are settled together, each with its own outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leyden::ids::ComponentName;
use leyden::metering::cohorts::Past;
use leyden::metering::{Dataset, Gathered, Interval, Member, Profile};
use leyden::partners::receipts::Outcome;
use leyden::partners::runs::{End, Ended, Error};
use leyden::store::{self, CommitError};
use tokio::sync::Barrier;

use super::on_both_stores;
use crate::faulty::{CommitFault, Fate, Faulty};
use crate::partners::{Bench, partner, read, report, run, script, up_to};

on_both_stores!(
    runs_that_wait_for_a_settlement_are_settled_in_one_commit,
    a_lost_answer_or_a_conflict_of_a_common_commit_changes_nothing,
    runs_whose_holds_were_voided_meanwhile_give_nothing_away,
    a_run_that_was_told_what_another_rules_out_is_made_again,
);

/// As many as one partner may have under way.
const RUNS: u64 = 8;

/// What each costs and may spend, datapoints: little enough that the account pays for all that a test runs.
const PRICE: u64 = 30;

fn reads() -> crate::partners::Script {
    script(|_, tab| async move {
        read(&tab, Dataset::Production, PRICE).expect("credit");
        report("done")
    })
}

type Ends = Vec<Result<Ended, Error>>;

/// Carries out runs at once, of which the first stands at the gate before its settlement and the others behind it;
/// what happens `meanwhile`, and how all of them ended.
async fn crowd<F: Future<Output = ()>>(
    bench: &Bench,
    faulty: &Arc<Faulty>,
    meanwhile: impl FnOnce() -> F,
) -> Ends {
    let (host, before) = (bench.over_faulty(faulty.clone()).await, bench.begun());
    let runs: Vec<_> = (0..RUNS)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { run(&host, "reads", up_to(PRICE)).await })
        })
        .collect();
    while bench.begun() < before + RUNS || faulty.came_to_gate() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The last has begun; its way to those who wait is short.
    tokio::time::sleep(Duration::from_millis(200)).await;
    meanwhile().await;
    faulty.open_gate();
    let mut ends = Vec::new();
    for run in runs {
        ends.push(run.await.expect("no panic"));
    }
    ends
}

fn gate(bench: &Bench, fates: impl IntoIterator<Item = Fate>) -> Arc<Faulty> {
    let faulty = Faulty::behind_gate(bench.store.clone(), "leyden.receipts", fates);
    Arc::new(faulty)
}

async fn nothing() {}

/// Each is answered with a receipt of its own, which is the one that is kept.
async fn assert_all_paid_once(bench: &Bench, ends: Ends) {
    let receipts = bench.receipts("acme").await;
    let kept: Vec<_> = receipts.iter().map(|receipt| receipt.id.clone()).collect();
    for ended in ends {
        let ended = ended.expect("a report");
        assert_eq!(ended.outcome, Outcome::Report);
        let told: serde_json::Value = serde_json::from_slice(&ended.receipt).expect("JSON");
        assert_eq!(told["id"], ended.run.as_str());
        assert_eq!(kept.iter().filter(|id| **id == ended.run).count(), 1);
    }
    bench.assert_books_agree(&["acme"]).await;
}

async fn runs_that_wait_for_a_settlement_are_settled_in_one_commit(bench: Bench) {
    bench.script("reads", reads());
    let faulty = gate(&bench, []);
    let ends = crowd(&bench, &faulty, nothing).await;
    assert_all_paid_once(&bench, ends).await;
    assert_eq!(bench.receipts("acme").await.len() as u64, RUNS);
    assert_eq!(bench.balance("acme").await, 1_000 - RUNS * PRICE);
    assert_eq!(faulty.came_to_gate(), 2, "the first, then all the others");
}

async fn a_lost_answer_or_a_conflict_of_a_common_commit_changes_nothing(bench: Bench) {
    let unresolved: CommitFault = || store::Error::Unresolved.into();
    let away: CommitFault = || store::Error::Unavailable("gone").into();
    bench.script("reads", reads());
    let mut runs = 0;
    for fate in [
        Fate::Unanswered(unresolved),
        Fate::Unanswered(away),
        Fate::Refused(unresolved),
        Fate::Refused(|| CommitError::Conflict),
    ] {
        let faulty = gate(&bench, [Fate::Sound, fate]);
        let ends = crowd(&bench, &faulty, nothing).await;
        assert_all_paid_once(&bench, ends).await;
        runs += RUNS;
        assert_eq!(bench.receipts("acme").await.len() as u64, runs);
        assert_eq!(bench.begun(), runs, "each plugin ran once");
    }
}

async fn runs_whose_holds_were_voided_meanwhile_give_nothing_away(bench: Bench) {
    bench.script("reads", reads());
    let ends = crowd(&bench, &gate(&bench, []), || bench.void_all()).await;
    for ended in ends {
        assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    }
    let receipts = bench.receipts("acme").await;
    assert_eq!(receipts.len() as u64, RUNS);
    assert!(receipts.iter().all(|one| one.outcome == Outcome::HostFault));
    assert_eq!(bench.balance("acme").await, 1_000);
    bench.assert_books_agree(&["acme"]).await;
}

/// Households from the `first` to the 30th in the same hour.
fn group(first: u64) -> Gathered {
    let member = |id| Member {
        id,
        power_mw: 1_000,
        hidden: true,
    };
    Gathered {
        interval: Interval {
            starts_at_ms: 0,
            ends_at_ms: 3_600_000,
        },
        members: (first..30).map(member).collect(),
        complete: true,
    }
}

/// Two runs are told sums whose difference is one household. Neither is settled when they are told.
async fn a_run_that_was_told_what_another_rules_out_is_made_again(bench: Bench) {
    bench.add("pair", 1, 1_000).await;
    let (both, count) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU64::new(0)));
    let asks = script(move |mut input, tab| {
        let (both, number) = (both.clone(), count.fetch_add(1, Ordering::Relaxed));
        async move {
            let groups = [group(input.params.json.parse().expect("a number"))];
            let (work, id) = (&mut input.work, partner("pair"));
            let past = Past::load(work, &id, Profile::Fr10, &groups).await;
            let mut past = past.expect("what was told");
            let verdict = past.judge(work, &groups[0]).await.expect("a verdict");
            if verdict.is_ok() {
                read(&tab, Dataset::GlobalConsumption, 50).expect("credit");
                tab.tell(past.into_told());
            }
            if number < 2 {
                both.wait().await;
            }
            report(if verdict.is_ok() { "told" } else { "refused" })
        }
    });
    bench.script("asks", asks);
    let (plugin, id) = (
        ComponentName::parse("asks").expect("a name"),
        partner("pair"),
    );
    let ask = |first: &str| {
        let params = first.to_owned();
        bench.runs.run(
            &id,
            &plugin,
            leyden::partners::RunRequest {
                params,
                ..up_to(100)
            },
        )
    };
    let (all, less) = tokio::join!(ask("0"), ask("1"));
    let mut reports = [all, less].map(|ended| match ended.expect("a report").end {
        End::Report { body, .. } => String::from_utf8(body).expect("text"),
        end => panic!("{end:?}"),
    });
    reports.sort();
    assert_eq!(reports, ["refused", "told"]);
    assert_eq!(bench.begun(), 3, "one of them ran again");
    assert_eq!(
        bench.balance("pair").await,
        950,
        "what was not told is not paid"
    );
    bench.assert_books_agree(&["acme", "pair"]).await;
}
