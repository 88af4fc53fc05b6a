//! Plugins that run by themselves: on schedules, and on batches of streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leyden::ids::{ComponentName, Instant, StreamName};
use leyden::metering::Dataset;
use leyden::operators::audit::By;
use leyden::partners::triggers::{Cron, Key, Shown, Triggers, Wanted, WantedOn};
use leyden::partners::{Error, Started};
use leyden::runtime::run::{RunError, Trigger};
use leyden::store::{Append, Transaction};
use leyden::streams::Streams;

use super::on_both_stores;
use crate::partners::{Bench, partner, plain, read, report, script};

on_both_stores!(
    a_schedule_runs_once_at_each_of_its_instants,
    a_batch_of_a_stream_is_run_for_once_and_acknowledged_with_it,
    without_credit_a_batch_waits,
);

const TICK_MS: u64 = 60_000;

fn name(name: &str) -> ComponentName {
    ComponentName::parse(name).expect("a name")
}

fn acme() -> By {
    By::partner(&partner("acme"), "a key")
}

fn key(trigger: &str) -> Key {
    Key {
        partner: partner("acme"),
        plugin: name("plugin"),
        name: name(trigger),
    }
}

fn cron(text: &str) -> Wanted {
    Wanted {
        on: WantedOn::Schedule(Cron::parse(text).expect("a cron expression").into()),
        params: "{}".into(),
        max_spend: Some(100),
    }
}

fn stream(name: &str) -> Wanted {
    Wanted {
        on: WantedOn::Stream(StreamName::parse(name).expect("a name")),
        params: r#"{"of":"stream"}"#.into(),
        max_spend: None,
    }
}

/// A plugin that reads for 50 and tells what started it.
async fn telling(bench: &Bench) {
    bench.keep_plugin("acme", "plugin").await;
    let tells = script(|input, tab| async move {
        read(&tab, Dataset::GlobalConsumption, 50).expect("credit");
        match input.params.trigger {
            Trigger::Request => report("request"),
            Trigger::Schedule(due) => report(&due.to_string()),
            Trigger::Batch { records, .. } => report(&format!("{records} {}", input.params.json)),
        }
    });
    bench.script("plugin", tells);
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not in time: {what}");
}

async fn until_receipts(bench: &Bench, count: usize) {
    until("receipts", || async {
        bench.receipts("acme").await.len() >= count
    })
    .await;
}

/// Waits for so long as several looks at the clock take, for what is not to happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

async fn at(streams: &Streams, bench: &Bench, text: &str) {
    let now = Instant::parse(&format!("2026-11-{text}Z")).expect("an instant");
    streams.set_clock(now, TICK_MS).await.expect("set");
    assert_eq!(bench.clock.now(), now);
}

async fn reports(bench: &Bench) -> Vec<String> {
    let (acme, plugin) = (partner("acme"), name("plugin"));
    let shelved = bench.runs.reports(&acme, &plugin).await.expect("reports");
    let mut bodies = Vec::new();
    for report in shelved.iter().rev() {
        let (_, body) = bench
            .runs
            .report(&acme, &plugin, &report.run)
            .await
            .expect("a report");
        bodies.push(String::from_utf8(body).expect("text"));
    }
    bodies
}

async fn shown(triggers: &Triggers, trigger: &str) -> Shown {
    triggers.show(&key(trigger)).await.expect("a trigger")
}

#[expect(clippy::cognitive_complexity, reason = "one story, told in its order")]
async fn a_schedule_runs_once_at_each_of_its_instants(bench: Bench) {
    telling(&bench).await;
    let (streams, triggers, stop) = bench.triggers("first").await;
    at(&streams, &bench, "25T12:00:30").await;
    triggers
        .put(&acme(), &key("hourly"), cron("0 * * * *"))
        .await
        .expect("set");
    a_while().await;
    assert!(
        bench.receipts("acme").await.is_empty(),
        "what was due before is none of its business"
    );
    at(&streams, &bench, "25T13:00:05").await;
    until_receipts(&bench, 1).await;
    // Three at once, while the host looks on: each of them counts.
    at(&streams, &bench, "25T16:10:00").await;
    until_receipts(&bench, 4).await;
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        receipts[0].trigger,
        "schedule hourly 2026-11-25T13:00:00.000Z"
    );
    let hours = ["13", "14", "15", "16"].map(|hour| format!("2026-11-25T{hour}:00:00.000Z"));
    assert_eq!(reports(&bench).await, hours);
    // A host that starts again does not run them again; of what it missed it makes up for the last.
    stop.cancel();
    a_while().await;
    at(&streams, &bench, "26T09:30:00").await;
    a_while().await;
    assert_eq!(bench.receipts("acme").await.len(), 4);
    let again = triggers
        .clone()
        .watch(tokio_util::sync::CancellationToken::new());
    let again = tokio::spawn(again);
    until_receipts(&bench, 5).await;
    a_while().await;
    let receipts = bench.receipts("acme").await;
    assert_eq!(receipts.len(), 5);
    assert_eq!(
        receipts[4].trigger,
        "schedule hourly 2026-11-26T09:00:00.000Z"
    );
    again.abort();
    let state = shown(&triggers, "hourly").await.state;
    assert_eq!((state.failures, state.last.as_deref()), (0, Some("report")));
    assert_eq!(state.last_run.as_ref(), Some(&receipts[4].id));
    bench.assert_books_agree(&["acme"]).await;
}

/// Whoever fires the same instant again, after a crash or on another host, gets the first run's answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_instant_that_is_fired_twice_is_run_once() {
    let (bench, _folder) = super::embedded().await;
    telling(&bench).await;
    let due = Instant::parse("2026-11-25T13:00:00Z").expect("an instant");
    let fired = || leyden::partners::RunRequest {
        started: Started::BySchedule(name("hourly"), due),
        ..plain()
    };
    let other = bench.host("second").await;
    let (first, second) = tokio::join!(
        bench.run("plugin", fired()),
        crate::partners::run(&other, "plugin", fired()),
    );
    assert_eq!(first.expect("a run"), second.expect("the same"));
    assert_eq!((bench.begun(), bench.receipts("acme").await.len()), (1, 1));
    bench.assert_books_agree(&["acme"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_fails_waits_longer_and_is_shown() {
    let (bench, _folder) = super::embedded().await;
    bench.keep_plugin("acme", "plugin").await;
    let fails = Arc::new(AtomicBool::new(true));
    let failing = fails.clone();
    bench.script(
        "plugin",
        script(move |_, _| {
            let fails = failing.load(Ordering::Relaxed);
            async move {
                match fails {
                    true => Err(RunError::Trapped("unreachable".into())),
                    false => report("well again"),
                }
            }
        }),
    );
    let (streams, triggers, _stop) = bench.triggers("first").await;
    at(&streams, &bench, "25T12:00:30").await;
    triggers
        .put(&acme(), &key("minutely"), cron("* * * * *"))
        .await
        .expect("set");
    at(&streams, &bench, "25T12:01:00").await;
    until_receipts(&bench, 1).await;
    let state = shown(&triggers, "minutely").await.state;
    assert_eq!(
        (state.failures, state.last.as_deref()),
        (1, Some("trapped: it trapped: unreachable"))
    );
    assert_eq!(state.waits_until_ms, bench.clock.now().0 + 30_000);
    at(&streams, &bench, "25T12:02:00").await;
    until_receipts(&bench, 2).await;
    // Now it waits for a minute, past which the last instant is made up for.
    at(&streams, &bench, "25T12:02:59").await;
    a_while().await;
    assert_eq!(bench.receipts("acme").await.len(), 2);
    fails.store(false, Ordering::Relaxed);
    at(&streams, &bench, "25T12:03:10").await;
    until_receipts(&bench, 3).await;
    let state = shown(&triggers, "minutely").await.state;
    assert_eq!((state.failures, state.waits_until_ms), (0, 0));
    bench.assert_books_agree(&["acme"]).await;
}

async fn publish(bench: &Bench, count: usize) {
    let append = |number| Append {
        stream: StreamName::parse("consumption.peak").expect("a name"),
        key: "4".into(),
        payload: format!("{number}").into_bytes(),
    };
    bench
        .commit(Transaction {
            appends: (0..count).map(append).collect(),
            at: bench.clock.now().0,
            ..Transaction::default()
        })
        .await;
}

#[expect(clippy::cognitive_complexity, reason = "one story, told in its order")]
async fn a_batch_of_a_stream_is_run_for_once_and_acknowledged_with_it(bench: Bench) {
    telling(&bench).await;
    let (streams, triggers, _stop) = bench.triggers("first").await;
    at(&streams, &bench, "25T12:00:00").await;
    publish(&bench, 5).await;
    at(&streams, &bench, "25T12:00:30").await;
    triggers
        .put(&acme(), &key("peaks"), stream("consumption.peak"))
        .await
        .expect("set");
    a_while().await;
    assert!(
        bench.receipts("acme").await.is_empty(),
        "what was before is none of its business"
    );
    publish(&bench, 3).await;
    until_receipts(&bench, 1).await;
    publish(&bench, 1).await;
    until_receipts(&bench, 2).await;
    a_while().await;
    assert_eq!(
        reports(&bench).await,
        [r#"3 {"of":"stream"}"#, r#"1 {"of":"stream"}"#]
    );
    let receipts = bench.receipts("acme").await;
    assert_eq!(receipts.len(), 2);
    assert!(
        receipts[0]
            .trigger
            .starts_with("batch peaks consumption.peak/"),
        "{}",
        receipts[0].trigger
    );
    // Everything is acknowledged, and nothing waits for the trigger.
    let status = bench.store.streams().await.expect("streams");
    let groups = status.iter().flat_map(|partition| &partition.groups);
    let own: Vec<_> = groups
        .filter(|group| group.group.starts_with("partner."))
        .collect();
    assert!(
        !own.is_empty() && own.iter().all(|group| group.lag == 0),
        "{own:?}"
    );
    triggers
        .remove(&acme(), &key("peaks"))
        .await
        .expect("removed");
    a_while().await;
    publish(&bench, 1).await;
    tokio::time::timeout(Duration::from_secs(5), streams.settle())
        .await
        .expect("nobody waits")
        .expect("settled");
    assert_eq!(bench.receipts("acme").await.len(), 2);
    bench.assert_books_agree(&["acme"]).await;
}

async fn without_credit_a_batch_waits(bench: Bench) {
    telling(&bench).await;
    let drained = script(|_, tab| async move {
        read(&tab, Dataset::Production, 1_000).expect("credit");
        report("all of it")
    });
    bench.script("drains", drained);
    bench.run("drains", plain()).await.expect("a run");
    let (streams, triggers, _stop) = bench.triggers("first").await;
    at(&streams, &bench, "25T12:00:00").await;
    triggers
        .put(&acme(), &key("peaks"), stream("consumption.peak"))
        .await
        .expect("set");
    a_while().await;
    publish(&bench, 1).await;
    until("a reason", || async {
        shown(&triggers, "peaks").await.state.last.as_deref() == Some("paused: out of credit")
    })
    .await;
    assert_eq!(bench.receipts("acme").await.len(), 1);
    bench.credit("acme", 200).await;
    // The clock passes the wait; the batch is looked at again without it, too.
    at(&streams, &bench, "25T12:05:00").await;
    for _ in 0..2_000 {
        if bench.receipts("acme").await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(bench.balance("acme").await, 150);
    bench.assert_books_agree(&["acme"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_needs_a_plugin_a_stream_that_is_open_and_a_bound() {
    let (bench, _folder) = super::embedded().await;
    bench.add("little", 1, 100).await;
    bench.keep_plugin("little", "plugin").await;
    let (_streams, triggers, _stop) = bench.triggers("first").await;
    let of = |trigger: &str| Key {
        partner: partner("little"),
        ..key(trigger)
    };
    let refused = triggers
        .put(&acme(), &of("a"), stream("house.readings"))
        .await;
    assert!(
        matches!(refused, Err(Error::Forbidden { .. })),
        "{refused:?}"
    );
    let refused = triggers
        .put(&acme(), &of("a"), stream("dead.letters"))
        .await;
    assert!(
        matches!(
            refused,
            Err(Error::Invalid {
                field: "stream",
                ..
            })
        ),
        "{refused:?}"
    );
    let refused = triggers.put(&acme(), &key("a"), cron("* * * * *")).await;
    assert!(
        matches!(refused, Err(Error::UnknownPlugin(..))),
        "{refused:?}"
    );
    for number in 0..8 {
        let open = stream("community.balance");
        triggers
            .put(&acme(), &of(&format!("t{number}")), open)
            .await
            .expect("set");
    }
    let refused = triggers.put(&acme(), &of("t8"), cron("* * * * *")).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    triggers
        .put(&acme(), &of("t7"), cron("* * * * *"))
        .await
        .expect("in place of the former");
    triggers.remove(&acme(), &of("t0")).await.expect("removed");
    let refused = triggers.remove(&acme(), &of("t0")).await;
    assert!(
        matches!(
            refused,
            Err(Error::Unknown {
                field: "trigger",
                ..
            })
        ),
        "{refused:?}"
    );
    triggers
        .put(&acme(), &of("t8"), cron("* * * * *"))
        .await
        .expect("there is room again");
    let listed = triggers
        .list(&partner("little"), &name("plugin"))
        .await
        .expect("a list");
    assert_eq!(listed.len(), 8);
}
