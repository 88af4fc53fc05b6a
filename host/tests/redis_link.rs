//! The Redis store's connection against real servers that stop, hang, refuse and move; members and
//! tails on it. What transactions mean is in `store_conformance`.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait and read their own settings"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "redis_link/lost.rs"]
mod lost;
#[path = "redis_link/members.rs"]
mod members;
#[path = "redis_link/opening.rs"]
mod opening;
#[path = "redis_link/places.rs"]
mod places;
#[path = "support/redis.rs"]
mod redis;
#[path = "redis_link/refusals.rs"]
mod refusals;
#[path = "redis_link/tls.rs"]
mod tls;

use std::time::{Duration, Instant};

use leyden::store::redis::{OpenError, Options, Redis};
use leyden::store::{Error, Holder, HostInfo, Members, Result, Store};

/// Longest wait for something that must happen: far more than a busy machine needs.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < WAIT_MAX, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Options that give up soon.
fn hasty(url: &str) -> Options {
    Options {
        reply_ms_max: 300,
        partitions: 4,
        ..Options::new(url)
    }
}

async fn open(url: &str) -> Redis {
    Redis::open(hasty(url)).await.expect("a store")
}

async fn refused(options: Options) -> OpenError {
    match Redis::open(options).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

fn host(name: &str) -> HostInfo {
    HostInfo {
        holder: Holder(name.into()),
        url: format!("http://{name}:3000"),
        version: "0.1.0".to_owned(),
        started_at_ms: 1,
        generation: 1,
    }
}

/// Something that writes and may be done again.
async fn write(store: &Redis) -> Result<Members> {
    store.beat(&host("writer"), 60_000).await
}

async fn works_again(store: &Redis) {
    eventually("writes are taken again", || async {
        write(store).await.is_ok()
    })
    .await;
    eventually("the store is healthy again", || async {
        store.health().borrow().is_ok()
    })
    .await;
}

/// Writes until it is refused, and returns why.
async fn why_refused(store: &Redis) -> &'static str {
    let started = Instant::now();
    loop {
        match write(store).await {
            Err(Error::Unavailable(reason)) => return reason,
            outcome => assert!(started.elapsed() < WAIT_MAX, "not refused: {outcome:?}"),
        }
    }
}

async fn unhealthy(store: &Redis) -> &'static str {
    let mut health = store.health();
    let reason = tokio::time::timeout(WAIT_MAX, health.wait_for(std::result::Result::is_err)).await;
    let reason = reason.expect("in time").expect("kept current");
    reason.expect_err("a reason")
}
