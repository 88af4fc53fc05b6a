//! Runs that the host loses: nothing is charged, the hold is voided, the key is free again.

use std::sync::Arc;
use std::time::Duration;

use leyden::metering::Dataset;
use leyden::partners::receipts::Outcome;
use leyden::partners::runs::Error;
use leyden::runtime::run::RunError;
use tokio::sync::Notify;

use super::on_both_stores;
use crate::partners::{Bench, keyed, plain, read, report, run, script};

on_both_stores!(
    a_fault_of_the_host_is_never_charged,
    what_a_killed_host_held_is_voided,
    a_run_whose_hold_was_voided_gives_nothing_away,
    a_run_is_settled_without_whoever_asked_for_it,
);

async fn a_fault_of_the_host_is_never_charged(bench: Bench) {
    let fails = script(|_, tab| async move {
        read(&tab, Dataset::Production, 70).expect("credit");
        Err(RunError::HostFault(leyden::dispatch::Error::Busy))
    });
    bench.script("works-later", fails);
    let lost = bench.run("works-later", keyed("a")).await;
    let Err(Error::Lost { receipt, .. }) = lost else {
        panic!("{lost:?}");
    };
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts[0].outcome, receipts[0].total),
        (Outcome::HostFault, 0)
    );
    assert_eq!(receipts[0].reads[0].datapoints, 0, "seen, and not paid for");
    assert!(
        receipt.is_some_and(|receipt| String::from_utf8_lossy(&receipt).contains(&receipts[0].id))
    );
    assert_eq!(bench.balance("acme").await, 1_000);
    bench.script(
        "works-later",
        script(|_, tab| async move {
            read(&tab, Dataset::Production, 70).expect("credit");
            report("now")
        }),
    );
    let retried = bench.run("works-later", keyed("a")).await.expect("a run");
    assert_eq!(retried.outcome, Outcome::Report);
    assert_eq!(bench.balance("acme").await, 930);
    bench.assert_books_agree(&["acme"]).await;
}

/// A host whose run never ends, as if it had been killed in the middle: its task is never polled again.
async fn stuck(bench: &Bench, key: &str) -> leyden::partners::Runs {
    let reached = Arc::new(Notify::new());
    let told = reached.clone();
    bench.script(
        "stuck",
        script(move |_, tab| {
            let told = told.clone();
            async move {
                read(&tab, Dataset::Production, 70).expect("credit");
                told.notify_one();
                std::future::pending().await
            }
        }),
    );
    let dead = bench.host("dead").await;
    let asked = tokio::spawn({
        let (dead, request) = (dead.clone(), keyed(key));
        async move { run(&dead, "stuck", request).await }
    });
    reached.notified().await;
    asked.abort();
    bench.until_held("acme", 1_000).await;
    dead
}

async fn what_a_killed_host_held_is_voided(bench: Bench) {
    let _dead = stuck(&bench, "a").await;
    assert_eq!(bench.balance("acme").await, 0);
    bench.void_all().await;
    assert_eq!(
        (bench.balance("acme").await, bench.held("acme").await),
        (1_000, 0)
    );
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts.len(), receipts[0].outcome),
        (1, Outcome::HostFault)
    );
    bench.script("stuck", script(|_, _| async { report("runs now") }));
    let retried = bench
        .run("stuck", keyed("a"))
        .await
        .expect("the key is free");
    assert_eq!(retried.outcome, Outcome::Report);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_run_whose_hold_was_voided_gives_nothing_away(bench: Bench) {
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (reached.clone(), go_on.clone());
    bench.script(
        "slow",
        script(move |_, tab| {
            let (told, wait) = (told.clone(), wait.clone());
            async move {
                read(&tab, Dataset::Production, 70).expect("credit");
                told.notify_one();
                wait.notified().await;
                report("a secret")
            }
        }),
    );
    let slow = bench.host("slow").await;
    let asked = tokio::spawn({
        let slow = slow.clone();
        async move { run(&slow, "slow", plain()).await }
    });
    reached.notified().await;
    bench.until_held("acme", 1_000).await;
    bench.void_all().await;
    go_on.notify_one();
    let lost = asked.await.expect("no panic");
    assert!(
        matches!(lost, Err(Error::Lost { receipt: None, .. })),
        "{lost:?}"
    );
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts.len(), receipts[0].outcome),
        (1, Outcome::HostFault)
    );
    assert_eq!(bench.balance("acme").await, 1_000);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_run_is_settled_without_whoever_asked_for_it(bench: Bench) {
    let reached = Arc::new(Notify::new());
    let told = reached.clone();
    bench.script(
        "slow",
        script(move |_, tab| {
            let told = told.clone();
            async move {
                told.notify_one();
                tokio::time::sleep(Duration::from_millis(50)).await;
                read(&tab, Dataset::Production, 70).expect("credit");
                report("for a retry")
            }
        }),
    );
    let asked = {
        let (runs, request) = (bench.runs.clone(), keyed("a"));
        tokio::spawn(async move { run(&runs, "slow", request).await })
    };
    reached.notified().await;
    asked.abort();
    let retried = bench.run("slow", keyed("a")).await.expect("the answer");
    assert_eq!(retried.outcome, Outcome::Report);
    assert_eq!((bench.begun(), bench.balance("acme").await), (1, 930));
    bench.assert_books_agree(&["acme"]).await;
}

/// A start of a host that has its store to itself voids what the last one left.
#[tokio::test]
async fn a_restart_voids_what_the_last_start_left() {
    let (bench, _folder) = super::embedded().await;
    let _dead = stuck(&bench, "a").await;
    let _next = bench.host("next").await;
    assert_eq!(
        (bench.balance("acme").await, bench.held("acme").await),
        (1_000, 0)
    );
    bench.assert_books_agree(&["acme"]).await;
}
