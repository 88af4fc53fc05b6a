//! The time from publishing a reading until its row can be read, at half of the rate at which publishing
//! and handling keep up with each other at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leyden::store::Store;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::super::figure::{Figure, percentile};
use super::Bench;
use super::rows::{self, Slot};
use super::workload::{self, GROUP};

/// Between two publications.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);

/// Between two looks at the row.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What comes first is not measured: the host takes its partitions and makes its instances.
const WARM_UP: Duration = Duration::from_secs(2);

/// Longest wait for one effect.
const VISIBLE_WITHIN: Duration = Duration::from_secs(60);

/// Records published at a time where the greatest rate is looked for.
const AT_ONCE: usize = 1_000;

/// Records that may wait then: enough that the host always has some.
const BACKLOG_MAX: u64 = 20_000;

/// The greatest rate, and the latency at half of it.
pub(crate) async fn measure(houses: usize, quick: bool) -> Vec<Figure> {
    let seconds = Duration::from_secs(if quick { 5 } else { 20 });
    let greatest = greatest_rate(houses, seconds / 2).await;
    let mut figures = vec![Figure::plain(
        "redis: published and handled at once, at most",
        greatest,
        "readings/s",
    )];
    figures.extend(latency(houses, greatest / 2.0, seconds).await);
    figures
}

/// Readings/s that are handled while as many are published, on the same machine.
async fn greatest_rate(houses: usize, time: Duration) -> f64 {
    eprintln!("redis: the greatest rate over {} s", time.as_secs());
    let mut bench = Bench::start(houses).await;
    let (host, _folder) = bench.host().await;
    let subscriptions = workload::subscriptions(bench.store.as_ref()).await;
    let (began, mut published) = (Instant::now(), 0);
    let mut warm: Option<(Duration, u64)> = None;
    let rate = loop {
        let waiting = bench.store.backlog(&subscriptions).await.expect("a number");
        let (now, handled) = (began.elapsed(), published - waiting);
        match warm {
            None if now > WARM_UP => warm = Some((now, handled)),
            Some((since, before)) if now > since + time => {
                break (handled - before) as f64 / (now - since).as_secs_f64();
            }
            _ => {}
        }
        if waiting > BACKLOG_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        bench.workload.publish(bench.store.as_ref(), AT_ONCE).await;
        published += AT_ONCE as u64;
    };
    host.stop().await;
    rate
}

/// The latency of each publication's last reading, at a rate of readings/s.
async fn latency(houses: usize, rate: f64, time: Duration) -> Vec<Figure> {
    let seconds = time.as_secs();
    eprintln!("redis: latency at {rate:.0} readings/s for {seconds} s");
    let mut bench = Bench::start(houses).await;
    let (host, _folder) = bench.host().await;
    let at_once = (rate * PUBLISH_EVERY.as_secs_f64()).max(1.0) as usize;
    let mut looks = JoinSet::new();
    let mut every = tokio::time::interval(PUBLISH_EVERY);
    // Late publications are not made up for: the rate would not be this one then.
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    let mut published = 0;
    while began.elapsed() < WARM_UP + time {
        every.tick().await;
        let (store, is_warm) = (bench.store.clone(), began.elapsed() > WARM_UP);
        let publishing = Instant::now();
        let (slot, house) = bench.workload.publish(store.as_ref(), at_once).await;
        published += at_once;
        if is_warm {
            looks.spawn(async move { visible(store, slot, &house, publishing).await });
        }
    }
    let real_rate = published as f64 / began.elapsed().as_secs_f64();
    let mut times_ms = looks.join_all().await;
    host.stop().await;
    vec![
        Figure::plain(
            "redis: publish to effect, published at",
            real_rate,
            "readings/s",
        ),
        Figure::plain(
            "redis: publish to effect, median",
            percentile(&mut times_ms, 50),
            "ms",
        ),
        Figure::at_most(
            "redis: publish to effect, p99",
            percentile(&mut times_ms, 99),
            "ms",
            50.0,
        ),
    ]
}

/// How long after an instant a row can be read, ms.
async fn visible(store: Arc<dyn Store>, slot: Slot, house: &str, since: Instant) -> f64 {
    let (space, key) = (GROUP.into(), rows::row_key(slot, house));
    loop {
        let mut snapshot = store.snapshot().await.expect("a snapshot");
        if snapshot
            .read(&space, &key)
            .await
            .expect("an answer")
            .is_some()
        {
            return since.elapsed().as_secs_f64() * 1e3;
        }
        assert!(since.elapsed() < VISIBLE_WITHIN, "a reading has no effect");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
