//! Communities of 1,000 and of 100,000 houses on the embedded store: readings through the whole stream
//! path, the latency of aggregates, and memory after an hour of simulated time.
//!
//! Both hosts run in this process, one after the other's tick, so that they see the same machine.

use std::time::{Duration, Instant};

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::dispatch::types::{Request, RequestHead, RowBatch, RowFormat};
use leyden::host::Host;
use leyden::ids::{ComponentName, Instant as Date};

use super::figure::{Figure, median};

/// Houses of the small and of the large host.
const SMALL: usize = 1_000;
const LARGE: usize = 100_000;

/// Houses registered in one batch.
const BATCH: usize = 1_000;

/// Simulated minutes of the memory figure.
const MINUTES: usize = 60;

/// Runs those of the benchmarks `readings`, `aggregates` and `memory` that are named.
pub(crate) fn run(names: &[&str], quick: bool) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(names, quick))
}

async fn measure(names: &[&str], quick: bool) -> Vec<Figure> {
    let small = Community::start(SMALL).await;
    let large = Community::start(if quick { LARGE / 10 } else { LARGE }).await;
    let mut figures = Vec::new();
    let rates = readings(&small, &large, if quick { 2 } else { 5 }).await;
    if names.contains(&"readings") {
        figures.extend(rates);
    }
    if names.contains(&"aggregates") {
        figures.extend(aggregates(&small, &large).await);
    }
    if names.contains(&"memory") {
        figures.extend(memory(&large, if quick { 5 } else { MINUTES }).await);
    }
    small.host.stop().await;
    large.host.stop().await;
    figures
}

/// A host with houses, each with one object that draws power.
struct Community {
    host: Host,
    houses: usize,
    _data: tempfile::TempDir,
}

impl Community {
    async fn start(houses: usize) -> Self {
        eprintln!("registering {houses} houses");
        let data = tempfile::Builder::new()
            .prefix("leyden-bench")
            .tempdir_in(".")
            .expect("a folder");
        let config = Config {
            data: data.path().into(),
            compiled: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/compiled").into()),
            clock: Mode::Simulated,
            start: Some(Date::parse("2021-11-07T15:58:22.144Z").expect("a date")),
            ..Config::default()
        };
        let host = Host::start(&config).await.expect("a host");
        let community = Self {
            host,
            houses,
            _data: data,
        };
        for first in (0..houses).step_by(BATCH) {
            community.register(first, BATCH.min(houses - first)).await;
        }
        community
    }

    async fn register(&self, first: usize, count: usize) {
        let row = |number: usize| {
            let object =
                r#"{"object":{"name":"Mixer","maxConsumption":500,"enabled":true},"type":"BASIC"}"#;
            format!(r#"{{"client_name":"Client {number}","objects":[{object}]}}"#).into_bytes()
        };
        let batch = RowBatch {
            format: RowFormat::Ndjson,
            header: None,
            first_row: 1,
            rows: (first..first + count).map(row).collect(),
        };
        let head = head("POST", "/house/house-editor/houses", None);
        let generation = self.host.registry.generation();
        let taken = self
            .host
            .dispatch
            .rows(&generation, &name("house"), head, batch, None)
            .await;
        taken.expect("houses are registered");
    }

    /// Readings per second of one tick: from the tick's publication until every processor has
    /// committed.
    async fn tick(&self) -> f64 {
        let started = Instant::now();
        self.host.streams.tick().await.expect("a tick");
        self.houses as f64 / started.elapsed().as_secs_f64()
    }

    /// The median time (µs) of a read of the last minute.
    async fn latency(&self, route: &str, community: Option<u64>) -> f64 {
        let date = self.host.clock.now();
        let more = community.map_or(String::new(), |id| format!("&communityID={id}"));
        let query = Some(format!("date={date}{more}"));
        let generation = self.host.registry.generation();
        let mut times = Vec::new();
        for _ in 0..2_000 {
            let request = Request {
                head: head("GET", route, query.clone()),
                body: Vec::new(),
            };
            let started = Instant::now();
            let answer = self
                .host
                .dispatch
                .http(&generation, &name("consumption"), request, None)
                .await;
            times.push(micros(started.elapsed()));
            assert_ne!(answer.expect("an answer").body, b"null");
        }
        median(&mut times)
    }
}

fn head(method: &str, route: &str, query: Option<String>) -> RequestHead {
    RequestHead {
        method: method.into(),
        route: route.into(),
        path: route.into(),
        query,
        ..RequestHead::default()
    }
}

fn name(name: &str) -> ComponentName {
    ComponentName::parse(name).expect("a name")
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The small host ticks as often as the large one's houses, so that both handle the same number of
/// readings, in turns.
async fn readings(small: &Community, large: &Community, rounds: usize) -> Vec<Figure> {
    let (mut smalls, mut larges) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        eprintln!("readings: round {} of {rounds}", round + 1);
        let started = Instant::now();
        let ticks = large.houses / small.houses / 5;
        for _ in 0..ticks {
            small.tick().await;
        }
        smalls.push((ticks * small.houses) as f64 / started.elapsed().as_secs_f64());
        larges.push(large.tick().await);
    }
    let (at_small, at_large) = (median(&mut smalls), median(&mut larges));
    vec![
        Figure::at_least(
            format!("readings: whole stream path, {} houses", small.houses),
            at_small,
            "readings/s",
            20_000.0,
        ),
        Figure::at_least(
            format!("readings: whole stream path, {} houses", large.houses),
            at_large,
            "readings/s",
            20_000.0,
        ),
        Figure::at_least(
            "readings: rate at many houses over rate at few",
            at_large / at_small,
            "ratio",
            0.8,
        ),
    ]
}

async fn aggregates(small: &Community, large: &Community) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, community) in [
        ("community-consumption", Some(7)),
        ("total-consumption", None),
    ] {
        let route = format!("/consumption-api/{what}");
        let (at_small, at_large) = (
            small.latency(&route, community).await,
            large.latency(&route, community).await,
        );
        figures.push(Figure::plain(
            format!("aggregates: {what}, {} houses, median", small.houses),
            at_small,
            "µs",
        ));
        figures.push(Figure::plain(
            format!("aggregates: {what}, {} houses, median", large.houses),
            at_large,
            "µs",
        ));
        let name = format!("aggregates: {what}, latency at many houses over few");
        figures.push(Figure::at_most(name, at_large / at_small, "ratio", 1.5));
    }
    figures
}

/// Memory of this process after simulated time: both hosts, by what it is made of.
async fn memory(large: &Community, minutes: usize) -> Vec<Figure> {
    for minute in 0..minutes {
        eprintln!("memory: minute {} of {minutes}", minute + 1);
        large.tick().await;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mib = |field: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    };
    let of = |what: &str| format!("memory: {} houses, {minutes} minutes, {what}", large.houses);
    vec![
        Figure::plain(of("resident"), mib("VmRSS"), "MiB"),
        Figure::plain(
            of("anonymous (instances, caches, conflict window)"),
            mib("RssAnon"),
            "MiB",
        ),
        Figure::plain(
            of("mapped files (database pages, code)"),
            mib("RssFile"),
            "MiB",
        ),
        Figure::plain(of("shared (write-ahead log index)"), mib("RssShmem"), "MiB"),
        Figure::plain(of("highest resident"), mib("VmHWM"), "MiB"),
    ]
}
