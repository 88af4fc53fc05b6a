//! The consumption processor on Redis: its rate against a native consumer that does the same, the time from
//! publishing a reading to its effect, and what a reading costs Redis.
//!
//! Every measurement has a server of its own (`appendfsync everysec`), and host and native consumer take
//! turns on the same readings, so that they see the same machine. The rows they leave are compared.

mod cost;
mod latency;
mod native;
pub(crate) mod rows;
pub(crate) mod workload;

use std::sync::Arc;
use std::time::Duration;

use leyden::config::{self, Config};
use leyden::host::Host;
use leyden::store::redis::{Options, Redis};
use leyden::store::{Entry, Order, Range, Store};

use super::figure::{Figure, median};
use super::redis_server::{Kept, Server};
use native::Native;
use workload::{GROUP, Workload};

/// Houses of the comparison.
const HOUSES: usize = 10_000;

/// Between two looks at the backlog: rates are taken between looks, so this does not blur them.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Rows compared at a time.
const PAGE: usize = 10_000;

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(quick))
}

async fn measure(quick: bool) -> Vec<Figure> {
    let (rounds, readings) = if quick { (3, 30_000) } else { (7, 100_000) };
    let mut figures = compare(rounds, readings).await;
    figures.extend(latency::measure(HOUSES, quick).await);
    figures.extend(cost::measure(quick).await);
    figures
}

/// A server, an installation in it, and the readings that go there.
struct Bench {
    server: Server,
    options: Options,
    store: Arc<dyn Store>,
    workload: Workload,
}

impl Bench {
    async fn start(houses: usize) -> Self {
        let server = Server::start(Kept::EverySecond);
        let options = Options::new(server.url());
        let store = Redis::open(options.clone()).await.expect("a store");
        Self {
            server,
            options,
            store: Arc::new(store),
            workload: Workload::new(houses),
        }
    }

    /// One whose readings wait to be consumed.
    async fn with_backlog(houses: usize, readings: usize) -> Self {
        let mut bench = Self::start(houses).await;
        bench.workload.publish(bench.store.as_ref(), readings).await;
        // So that all of it counts as waiting from the first look on.
        for subscription in workload::subscriptions(bench.store.as_ref()).await {
            bench.store.subscribe(&subscription).await.expect("a group");
        }
        bench
    }

    /// A host with nothing deployed but the processor.
    async fn host(&self) -> (Host, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
        let plugin = format!("{GROUP}.wasm");
        let from = format!("{built}/plugins/{plugin}");
        std::fs::copy(from, folder.path().join(plugin)).expect("cargo xtask build");
        let config = Config {
            data: folder.path().into(),
            plugins: Some(folder.path().into()),
            compiled: Some(format!("{built}/compiled").into()),
            store: config::Store::Redis(self.options.clone()),
            ..Config::default()
        };
        let host = Host::start(&config).await.expect("a host");
        (host, folder)
    }

    /// Everything in the processor's space.
    async fn rows(&self) -> Vec<Entry> {
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        let (space, mut rows) = (GROUP.into(), Vec::<Entry>::new());
        loop {
            let start = rows
                .last()
                .map_or(Vec::new(), |row| [&row.key[..], &[0]].concat());
            let range = Range { start, end: None };
            let page = snapshot.scan(&space, &range, Order::Ascending, PAGE).await;
            let page = page.expect("rows");
            let is_last = page.len() < PAGE;
            rows.extend(page);
            if is_last {
                return rows;
            }
        }
    }
}

/// The rates of both, and their ratio.
async fn compare(rounds: usize, readings: usize) -> Vec<Figure> {
    let (mut hosts, mut natives, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        eprintln!("redis: round {} of {rounds}", round + 1);
        let (native, native_rows) = native_round(readings).await;
        let (host, host_rows) = host_round(readings).await;
        assert!(!host_rows.is_empty());
        assert!(
            host_rows == native_rows,
            "the component and the native consumer leave different rows: {} and {}",
            host_rows.len(),
            native_rows.len()
        );
        eprintln!("redis: component {host:.0}/s, native {native:.0}/s");
        hosts.push(host);
        natives.push(native);
        ratios.push(host / native);
    }
    vec![
        Figure::plain("redis: native consumer", median(&mut natives), "readings/s"),
        Figure::plain(
            "redis: consumption component",
            median(&mut hosts),
            "readings/s",
        ),
        Figure::at_least(
            "redis: component over native consumer",
            median(&mut ratios),
            "ratio",
            0.8,
        ),
    ]
}

async fn host_round(readings: usize) -> (f64, Vec<Entry>) {
    let bench = Bench::with_backlog(HOUSES, readings).await;
    let (host, _folder) = bench.host().await;
    let rate = workload::drained(bench.store.as_ref(), readings, LOOK_EVERY).await;
    host.stop().await;
    (rate, bench.rows().await)
}

async fn native_round(readings: usize) -> (f64, Vec<Entry>) {
    let bench = Bench::with_backlog(HOUSES, readings).await;
    let native = Native::start(bench.store.clone(), batches_at_a_time()).await;
    let rate = workload::drained(bench.store.as_ref(), readings, LOOK_EVERY).await;
    native.stop().await;
    (rate, bench.rows().await)
}

/// As many as a host handles at a time: two for each core, and eight at least.
fn batches_at_a_time() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (2 * cores).max(8)
}
