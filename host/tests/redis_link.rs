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

/// Options that give up so late that no test sees it.
fn patient(url: &str) -> Options {
    Options {
        reply_ms_max: 60_000,
        ..hasty(url)
    }
}

/// Opens a store that should open; a machine that is busy may answer too late.
async fn open_with(options: Options) -> Redis {
    let started = Instant::now();
    loop {
        match Redis::open(options.clone()).await {
            Ok(store) => return store,
            Err(error) => assert!(started.elapsed() < WAIT_MAX, "not opened: {error:?}"),
        }
    }
}

async fn open(url: &str) -> Redis {
    open_with(hasty(url)).await
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

/// Waits until writes are taken and the store is healthy.
async fn works(store: &Redis) {
    eventually("writes are taken", || async { write(store).await.is_ok() }).await;
    eventually("the store is healthy", || async {
        store.health().borrow().is_ok()
    })
    .await;
}

/// Waits until writes are refused for this reason.
async fn refuses(store: &Redis, wanted: &str) {
    eventually(wanted, || async {
        matches!(write(store).await, Err(Error::Unavailable(reason)) if reason == wanted)
    })
    .await;
}

/// Waits until the store says that it is not well, and why.
async fn unhealthy(store: &Redis, is_it: impl FnMut(&Health) -> bool) {
    let mut health = store.health();
    let told = tokio::time::timeout(WAIT_MAX, health.wait_for(is_it)).await;
    told.expect("in time").expect("kept current");
}

type Health = std::result::Result<(), &'static str>;
