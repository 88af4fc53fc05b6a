//! Idempotency keys of runs.

use leyden::metering::Dataset;
use leyden::partners::RunRequest;
use leyden::partners::runs::{End, Error};

use super::on_both_stores;
use crate::partners::{Bench, failures, keyed, plain, read, report, script};

on_both_stores!(
    a_retry_gets_the_first_answer_and_costs_nothing_more,
    another_request_under_the_same_key_is_refused,
    a_second_request_waits_for_the_run_that_is_under_way,
);

fn counting() -> crate::partners::Script {
    let count = std::sync::atomic::AtomicU64::new(0);
    script(move |_, tab| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            read(&tab, Dataset::Production, 70).expect("credit");
            report(&format!("run {number}"))
        }
    })
}

async fn a_retry_gets_the_first_answer_and_costs_nothing_more(bench: Bench) {
    bench.script("counts", counting());
    let first = bench.run("counts", keyed("a")).await.expect("a run");
    let again = bench.run("counts", keyed("a")).await.expect("the same");
    assert_eq!(first, again);
    let other_host = bench.host("second").await;
    let elsewhere = crate::partners::run(&other_host, "counts", keyed("a")).await;
    assert_eq!(elsewhere.expect("the same"), first);
    assert_ne!(bench.run("counts", keyed("b")).await.expect("a run"), first);
    assert_ne!(bench.run("counts", plain()).await.expect("a run"), first);
    assert_eq!((bench.begun(), bench.balance("acme").await), (3, 790));
    // A failure is an answer, too.
    let (error, outcome) = failures().remove(1);
    bench.script(
        "fails",
        script(move |_, tab| async move {
            read(&tab, Dataset::Production, 70).expect("credit");
            Err(error())
        }),
    );
    let failed = bench.run("fails", keyed("c")).await.expect("a run");
    assert_eq!(failed.outcome, outcome);
    assert_eq!(
        bench.run("fails", keyed("c")).await.expect("the same"),
        failed
    );
    assert_eq!(bench.balance("acme").await, 720);
    bench.assert_books_agree(&["acme"]).await;
}

async fn another_request_under_the_same_key_is_refused(bench: Bench) {
    bench.script("counts", counting());
    bench.script("other", counting());
    bench.run("counts", keyed("a")).await.expect("a run");
    let others = [
        RunRequest {
            params: "{ }".into(),
            ..keyed("a")
        },
        RunRequest {
            max_spend: Some(1_000),
            ..keyed("a")
        },
    ];
    for other in others {
        let refused = bench.run("counts", other).await;
        assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
    }
    let refused = bench.run("other", keyed("a")).await;
    assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
    assert_eq!(bench.begun(), 1);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_second_request_waits_for_the_run_that_is_under_way(bench: Bench) {
    let slow = script(|_, tab| async move {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        read(&tab, Dataset::Production, 70).expect("credit");
        report("slow")
    });
    bench.script("slow", slow);
    let other_host = bench.host("second").await;
    let (first, second, elsewhere) = tokio::join!(
        bench.run("slow", keyed("a")),
        bench.run("slow", keyed("a")),
        crate::partners::run(&other_host, "slow", keyed("a")),
    );
    let first = first.expect("a run");
    assert_eq!(first, second.expect("the same"));
    assert_eq!(first, elsewhere.expect("the same"));
    assert_eq!((bench.begun(), bench.balance("acme").await), (1, 930));
    bench.assert_books_agree(&["acme"]).await;
}

/// Keys of partners are their own.
#[tokio::test]
async fn partners_do_not_share_keys() {
    let (bench, _folder) = super::embedded().await;
    bench.add("other", 3, 100).await;
    bench.script("counts", counting());
    let own = bench.run("counts", keyed("a")).await.expect("a run");
    let plugin = leyden::ids::ComponentName::parse("counts").expect("a name");
    let other = crate::partners::partner("other");
    let others = bench
        .runs
        .run(&other, &plugin, keyed("a"))
        .await
        .expect("a run");
    assert_ne!(own.run, others.run);
    bench.assert_books_agree(&["acme", "other"]).await;
}

/// Of answers under keys the newest are kept whole; of older ones the receipt.
#[tokio::test]
async fn a_report_that_is_kept_no_longer_is_said_to_be_gone() {
    let (bench, _folder) = super::embedded().await;
    bench.script("free", script(|_, _| async { report("free") }));
    let first = bench.run("free", keyed("first")).await.expect("a run");
    for number in 0..leyden::partners::reports::SHELVED_MAX {
        let key = format!("key-{number}");
        bench.run("free", keyed(&key)).await.expect("a run");
    }
    let begun = bench.begun();
    let gone = bench.run("free", keyed("first")).await.expect("an answer");
    assert_eq!(gone.end, End::Gone);
    assert_eq!((&gone.run, &gone.receipt), (&first.run, &first.receipt));
    assert_eq!(bench.begun(), begun, "it is not run again");
    bench.assert_books_agree(&["acme"]).await;
}
