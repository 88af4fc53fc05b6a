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

/// Reads of one round of a latency figure.
const READS: usize = 500;

/// Rounds of a latency figure, both hosts in turns.
const ROUNDS: usize = 9;

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
    let (small, large) = (
        Community::start(SMALL).await,
        Community::start(if quick { LARGE / 10 } else { LARGE }).await,
    );
    let empty = Memory::now();
    small.register_all().await;
    large.register_all().await;
    let registered = Memory::now();
    let mut figures = Vec::new();
    let rates = readings(&small, &large, if quick { 2 } else { 5 }).await;
    if names.contains(&"readings") {
        figures.extend(rates);
    }
    if names.contains(&"aggregates") {
        figures.extend(aggregates(&small, &large).await);
    }
    if names.contains(&"memory") {
        let minutes = if quick { 5 } else { MINUTES };
        let lived = hour(&large, minutes).await;
        figures.extend(memory(large.houses, minutes, &[empty, registered, lived]));
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
        Self {
            host,
            houses,
            _data: data,
        }
    }

    async fn register_all(&self) {
        eprintln!("registering {} houses", self.houses);
        for first in (0..self.houses).step_by(BATCH) {
            self.register(first, BATCH.min(self.houses - first)).await;
        }
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
        let house = generation.components.get("house").expect("house");
        let dispatch = &self.host.dispatch;
        let taken = dispatch.rows(&generation, house, head, batch, None).await;
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
        for _ in 0..READS {
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
        let (mut smalls, mut larges, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let at_small = small.latency(&route, community).await;
            let at_large = large.latency(&route, community).await;
            smalls.push(at_small);
            larges.push(at_large);
            ratios.push(at_large / at_small);
        }
        let at = |houses: usize| format!("aggregates: {what}, {houses} houses, median");
        figures.push(Figure::plain(at(small.houses), median(&mut smalls), "µs"));
        figures.push(Figure::plain(at(large.houses), median(&mut larges), "µs"));
        let name = format!("aggregates: {what}, latency at many houses over few");
        figures.push(Figure::at_most(name, median(&mut ratios), "ratio", 1.5));
    }
    figures
}

/// Lets the large host live.
async fn hour(large: &Community, minutes: usize) -> Memory {
    for minute in 0..minutes {
        eprintln!("memory: minute {} of {minutes}", minute + 1);
        large.tick().await;
    }
    Memory::now()
}

/// Memory of this process, in which both hosts live (MiB).
struct Memory {
    resident: f64,
    anonymous: f64,
    files: f64,
}

impl Memory {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mib = |field: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
            kib.unwrap_or(f64::NAN) / 1024.0
        };
        Self {
            resident: mib("VmRSS"),
            anonymous: mib("RssAnon"),
            files: mib("RssFile"),
        }
    }
}

/// What memory is made of, seen in its growth: an empty host is compiled code and idle instances; then come
/// the window of recent writes that conflicts are found in (bounded), the database's page caches
/// (bounded), and guests' heaps as large as their largest batch (bounded by their manifests). Houses
/// and readings themselves lie on disk.
fn memory(houses: usize, minutes: usize, stages: &[Memory; 3]) -> Vec<Figure> {
    let names = [
        "started, empty",
        "houses registered",
        "after the simulated time",
    ];
    let mut figures = Vec::new();
    for (name, stage) in names.iter().zip(stages) {
        let of = |what: &str| format!("memory: {houses} houses, {minutes} minutes: {name}, {what}");
        figures.push(Figure::plain(of("resident"), stage.resident, "MiB"));
        figures.push(Figure::plain(of("anonymous"), stage.anonymous, "MiB"));
        figures.push(Figure::plain(
            of("files (code, database)"),
            stage.files,
            "MiB",
        ));
    }
    figures
}
