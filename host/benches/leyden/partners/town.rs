//! A host with houses that were measured, and partners who read of them in different ways.

use std::sync::Arc;
use std::time::Duration;

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::dispatch::Dispatcher;
use leyden::dispatch::work::{Seed, Work};
use leyden::gateway::{self, Server};
use leyden::host::Host;
use leyden::ids::{ComponentName, PartnerId};
use leyden::metering::{Meter, Purse, Tab};
use leyden::partners::limits::RunLimits;
use leyden::partners::receipts::{Outcome, Receipt};
use leyden::partners::runs::{Ended, Engine, Options, Ready, Runner};
use leyden::partners::{self, Partner, RunRequest, Runs, Started};
use leyden::replay::Recorder;
use leyden::runtime::run::{Ran, RunInput, RunParams, Trigger};
use leyden::store::embedded::{self, Embedded};
use leyden::store::{Holder, Store};
use tokio_util::sync::CancellationToken;

use super::super::partner::ground::{self, PERIOD};
use super::super::partner::people::Operator;
use super::super::partner::plugin::{self, Import, Plugin};
use super::native::Native;

/// Partners that read.
pub(super) const PARTNERS: usize = 8;

/// Rows of a read: all there are.
pub(super) const ROWS: u32 = 1_000;

/// Houses, and minutes in which they were measured.
const HOUSES: usize = 50;
const MINUTES: u64 = 20;

/// How far partners are trusted: they read single households.
const TRUST: u32 = 3;

/// What each may spend.
const CREDIT: u64 = 100_000_000_000;

/// What one run may spend, datapoints: more than a read costs, so that something goes back.
const HELD: u64 = 150;

/// Tries to open the store of a host that is going, and the wait between two: its last tasks let go of it.
const OPEN_TRIES: usize = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// How a read is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a plugin, with hold, settlement and receipt.
    Metered,
    /// By the same plugin, with none of it.
    Unmetered,
    /// By native code, with hold, settlement and receipt.
    Native,
}

/// The host and its partners.
pub(super) struct Town {
    host: Host,
    server: Server,
    stop: CancellationToken,
    engine: Engine,
    native: Runs,
    partners: Vec<Arc<Partner>>,
    plugin: ComponentName,
    _data: [tempfile::TempDir; 2],
}

impl Town {
    pub(super) async fn start() -> Self {
        let (data, twin) = (folder(), folder());
        // Native code reads in a store of its own that was filled in the same way: a host voids holds in its
        // store that are not of its own runs.
        let filled = Populated::start(&twin).await;
        let store = filled.end(&twin).await;
        let Populated {
            host,
            server,
            stop,
            partners,
        } = Populated::start(&data).await;
        let engine = Engine {
            store: host.store.clone(),
            registry: host.registry.clone(),
            runtime: host.partner_runtime.clone(),
        };
        Self {
            native: native(&host, store).await,
            partners,
            plugin: ComponentName::parse("reader").expect("a name"),
            engine,
            host,
            server,
            stop,
            _data: [data, twin],
        }
    }

    pub(super) async fn stop(self) {
        self.native.stop().await;
        self.stop.cancel();
        self.server.stopped().await;
    }

    /// Has a partner read once.
    pub(super) async fn run(&self, way: Way, number: usize) {
        let partner = &self.partners[number];
        match way {
            Way::Metered => drop(self.settled(&self.host.runs, partner).await),
            Way::Native => drop(self.settled(&self.native, partner).await),
            Way::Unmetered => drop(self.unmetered(partner).await),
        }
    }

    /// That a way reads what it should and, if it does, charges for it.
    pub(super) async fn check(&self, way: Way) {
        let partner = &self.partners[0];
        let runs = match way {
            Way::Metered => &self.host.runs,
            Way::Native => &self.native,
            Way::Unmetered => {
                assert_eq!(self.unmetered(partner).await.reads().0[0].rows, ROWS);
                return;
            }
        };
        let ended = self.settled(runs, partner).await;
        let receipt: Receipt = serde_json::from_slice(&ended.receipt).expect("a receipt");
        let reads: Vec<_> = receipt
            .reads
            .iter()
            .map(|read| (read.rows, read.datapoints))
            .collect();
        assert_eq!(reads, [(ROWS, super::native::PRICE)]);
    }

    async fn settled(&self, runs: &Runs, partner: &Partner) -> Ended {
        let request = RunRequest {
            params: "{}".into(),
            max_spend: Some(HELD),
            key: None,
            started: Started::ByRequest,
        };
        let ended = runs
            .run(&partner.id, &self.plugin, request)
            .await
            .expect("a run");
        assert_eq!(ended.outcome, Outcome::Report);
        ended
    }

    /// Runs the plugin as its run would be, without what comes before and after it. What it read is on its tab.
    async fn unmetered(&self, partner: &Arc<Partner>) -> Tab {
        let (id, plugin) = (&partner.id, &self.plugin);
        let ready = self.engine.ready(id, plugin, TRUST, self.work()).await;
        let ready = ready.expect("ready");
        let tab = Tab::over(HELD).under(&ready.terms);
        let ran = self.ran(&ready, partner, tab.clone()).await;
        assert!(ran.outcome.is_ok());
        tab
    }

    async fn ran(&self, ready: &Ready, partner: &Arc<Partner>, tab: Tab) -> Ran {
        let limits = RunLimits::of(TRUST);
        let mut work = self.work();
        work.meter = Some(Box::new(Meter {
            partner: partner.clone(),
            purse: Purse::Hold,
            tab,
            rows_left: limits.rows,
            reads_left: limits.reads,
            bytes_left: limits.data_bytes as u64,
        }));
        let input = RunInput {
            entry: None,
            granted: ready.terms.granted().map(|(dataset, _)| dataset).collect(),
            limits,
            fuel_max: u64::MAX,
            params: RunParams {
                trigger: Trigger::Request,
                json: "{}".into(),
            },
            generation: ready.generation.clone(),
            work,
        };
        (ready.run)(input).await
    }

    fn work(&self) -> Box<Work> {
        work(&self.host)
    }
}

fn work(host: &Host) -> Box<Work> {
    let seed = Seed {
        secret: Arc::new([0; 32]),
        invocation: 0,
    };
    Work::new(host.store.clone(), host.clock.now(), seed)
}

/// A host with houses and partners.
struct Populated {
    host: Host,
    server: Server,
    stop: CancellationToken,
    partners: Vec<Arc<Partner>>,
}

impl Populated {
    async fn start(data: &tempfile::TempDir) -> Self {
        let host = Host::start(&config(data)).await.expect("a host");
        let stop = CancellationToken::new();
        let listen = gateway::Options::new(([127, 0, 0, 1], 0).into());
        let server = gateway::serve(host.clone(), listen, stop.clone()).await;
        let server = server.expect("served");
        let operator = Operator::of(&format!("http://{}", server.address()));
        ground::measure(&operator, HOUSES, MINUTES).await;
        Self {
            partners: partners(&operator, &host).await,
            host,
            server,
            stop,
        }
    }

    /// Stops the host and opens its store without one.
    async fn end(self, data: &tempfile::TempDir) -> Arc<dyn Store> {
        self.stop.cancel();
        self.server.stopped().await;
        self.host.stop().await;
        for _ in 0..OPEN_TRIES {
            match Embedded::open(embedded::Options::new(data.path())) {
                Ok(store) => return Arc::new(store),
                Err(_) => tokio::time::sleep(OPEN_PAUSE).await,
            }
        }
        panic!("the store of a host that was stopped cannot be opened");
    }
}

/// Where the benchmark's disk is, not where memory may pose as one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("leyden-bench")
        .tempdir_in(".");
    folder.expect("a folder")
}

fn config(data: &tempfile::TempDir) -> Config {
    Config {
        data: data.path().into(),
        compiled: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/compiled").into()),
        compiler: Some(env!("CARGO_BIN_EXE_leyden").into()),
        clock: Mode::Simulated,
        start: Some(leyden::ids::Instant(ground::START_MS)),
        ..Config::default()
    }
}

/// Runs that native code carries out on a store.
async fn native(host: &Host, store: Arc<dyn Store>) -> Runs {
    let dispatch = Dispatcher::new(store.clone(), host.clock.clone());
    let runs = Runs::start(Options {
        store,
        clock: host.clock.clone(),
        notary: dispatch.notary().clone(),
        runner: Arc::new(Native::new(host).await),
        holder: Holder("native".into()),
        shared: false,
        recorder: Recorder::default(),
    });
    runs.await.expect("runs")
}

/// The plugin. It reads in columns, as one that reads many should.
fn reader() -> Plugin {
    let read = plugin::read(Import::DetailedColumns, PERIOD, ROWS);
    plugin::say(Plugin::new(read)).with(&[Import::DetailedColumns])
}

/// Registers partners, each with the plugin.
async fn partners(operator: &Operator, host: &Host) -> Vec<Arc<Partner>> {
    let plugin = reader().build();
    let mut partners = Vec::new();
    for number in 0..PARTNERS {
        let id = format!("partner-{number}");
        let partner = operator.add(&id, TRUST, CREDIT).await;
        let uploaded = partner.upload("reader", plugin.clone()).await;
        uploaded.expect("an answer").expected("the plugin");
        let id = PartnerId::parse(&id).expect("an id");
        let found = partners::find(&mut work(host), &id).await;
        partners.push(Arc::new(
            found.expect("the store answers").expect("it is there"),
        ));
    }
    partners
}
