//! Runs of plugins that are scripts: everything but the components is real, the store included, so that a test
//! says in a few lines what a plugin does and sees what the books make of it.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leyden::clock::Clock;
use leyden::dispatch::Dispatcher;
use leyden::dispatch::work::Work;
use leyden::ids::{ComponentName, Digest, Instant, PartnerId};
use leyden::metering::{Dataset, Decision, ReadEntry, Tab, Terms};
use leyden::operators::Operator;
use leyden::partners::archive::Month;
use leyden::partners::receipts::{Chain, Outcome, Receipt};
use leyden::partners::runs::{Ended, Error, Options, Ready, Runner};
use leyden::partners::signature::PluginVersion;
use leyden::partners::triggers::{self, Triggers};
use leyden::partners::{
    Accounts, REVENUE, RunRequest, Runs, Started, account, hold_account, plugins,
};
use leyden::registry::Registry;
use leyden::replay::Recorder;
use leyden::runtime::run::{GuestErrorKind, Limit, Ran, Report, RunError, RunInput};
use leyden::runtime::{self, Runtime};
use leyden::secrets::Vault;
use leyden::store::{Account, Holder, Store, Transaction, Write};
use leyden::streams::{self, Streams};
use tokio_util::sync::CancellationToken;

/// What a plugin does.
pub type Script = Arc<dyn Fn(RunInput) -> BoxFuture<'static, Ran> + Send + Sync>;

/// Plugins by name.
pub struct Scripts {
    registry: Registry,
    scripts: Mutex<HashMap<String, Script>>,
    compute_price: AtomicU64,
    /// Runs that have begun.
    pub begun: Arc<AtomicU64>,
}

impl Runner for Scripts {
    fn ready<'a>(
        &'a self,
        partner: &'a PartnerId,
        plugin: &'a ComponentName,
        _trust_level: u32,
        _work: Box<Work>,
    ) -> BoxFuture<'a, Result<Ready, Error>> {
        let script = self.scripts.lock().unwrap().get(plugin.as_str()).cloned();
        let unknown = leyden::partners::Error::UnknownPlugin(partner.clone(), plugin.clone());
        let begun = self.begun.clone();
        let ready = script.ok_or(unknown).map(|script| Ready {
            digest: Digest::of(plugin.as_str().as_bytes()),
            generation: self.registry.generation(),
            terms: Terms {
                policy: Digest::of(b"policy"),
                datasets: Dataset::ALL
                    .map(|dataset| (dataset, Decision::Granted(1)))
                    .to_vec(),
                compute_price: self.compute_price.load(Ordering::Relaxed),
                decisions: Vec::new(),
            },
            imports: Dataset::ALL.to_vec(),
            run: Arc::new(move |input| {
                begun.fetch_add(1, Ordering::Relaxed);
                script(input)
            }),
        });
        async move { Ok(ready?) }.boxed()
    }
}

/// A store, accounts and runs.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub clock: Arc<Clock>,
    pub accounts: Accounts,
    pub scripts: Arc<Scripts>,
    pub runs: Runs,
    shared: bool,
    /// What partners were given.
    given: Mutex<HashMap<String, u64>>,
}

pub const START: &str = "2026-11-25T12:00:00.000Z";

pub fn partner(id: &str) -> PartnerId {
    PartnerId::parse(id).expect("an id")
}

pub fn holder(name: &str) -> Holder {
    Holder(name.into())
}

impl Bench {
    /// Runs over a store, by a host of this name.
    pub async fn over(store: Arc<dyn Store>, shared: bool, host: &str) -> Self {
        let start = Instant::parse(START).expect("an instant");
        let clock = Arc::new(Clock::simulated(start, 60_000));
        let runtime = Runtime::start(&runtime::Options::default()).expect("an engine");
        let registry = {
            let vault = Vault::new(store.clone(), None);
            Registry::start(store.clone(), runtime, Vec::new(), shared, vault).await
        };
        let scripts = Arc::new(Scripts {
            registry: registry.expect("a registry"),
            scripts: Mutex::default(),
            compute_price: AtomicU64::new(0),
            begun: Arc::default(),
        });
        let accounts = Accounts::new(store.clone(), clock.clone());
        let runs = started(&store, &clock, &scripts, shared, host).await;
        Self {
            store,
            clock,
            accounts,
            scripts,
            runs,
            shared,
            given: Mutex::default(),
        }
    }

    /// The same store and plugins, with the runs of a host of another name: one more, or the next start.
    pub async fn host(&self, host: &str) -> Runs {
        started(&self.store, &self.clock, &self.scripts, self.shared, host).await
    }

    /// The same plugins over a store that fails.
    pub async fn over_faulty(&self, store: Arc<dyn Store>) -> Runs {
        started(&store, &self.clock, &self.scripts, true, "faulty").await
    }

    pub async fn add(&self, id: &str, trust_level: u32, credit: u64) {
        let added = self
            .accounts
            .add(&Operator::local(), &partner(id), trust_level, credit)
            .await;
        added.expect("a partner");
        self.given.lock().unwrap().insert(id.to_owned(), credit);
    }

    pub async fn credit(&self, id: &str, amount: u64) {
        let credited = self
            .accounts
            .credit(&Operator::local(), &partner(id), amount, "more")
            .await;
        credited.expect("credited");
        *self.given.lock().unwrap().entry(id.to_owned()).or_default() += amount;
    }

    pub fn script(&self, plugin: &str, script: Script) {
        let mut scripts = self.scripts.scripts.lock().unwrap();
        scripts.insert(plugin.to_owned(), script);
    }

    pub fn price_compute(&self, price: u64) {
        self.scripts.compute_price.store(price, Ordering::Relaxed);
    }

    pub fn begun(&self) -> u64 {
        self.scripts.begun.load(Ordering::Relaxed)
    }

    /// Keeps a plugin as if it had been uploaded, for what asks whether there is one.
    pub async fn keep_plugin(&self, id: &str, name: &str) {
        let digest = Digest::of(name.as_bytes());
        let version = plugins::Version {
            digest,
            version: PluginVersion::parse("1").expect("a version"),
            size_bytes: 1,
            datasets: Vec::new(),
            uploaded_at_ms: 0,
            signature: String::new(),
            signed_by: String::new(),
            activation: 1,
        };
        let plugin = plugins::Plugin {
            active: digest,
            versions: vec![version],
            led: vec![digest],
        };
        let write = Write {
            space: "leyden.plugins".into(),
            key: format!("{id}\0{name}").into_bytes(),
            value: Some(serde_json::to_vec(&plugin).expect("JSON")),
        };
        self.commit(Transaction {
            writes: vec![write],
            ..Transaction::default()
        })
        .await;
    }

    pub async fn commit(&self, transaction: Transaction) {
        self.store.commit(transaction).await.expect("committed");
    }

    /// Streams over the store, and triggers that run until the token is cancelled.
    pub async fn triggers(&self, host: &str) -> (Streams, Triggers, CancellationToken) {
        let streams = Streams::start(
            self.store.clone(),
            self.scripts.registry.clone(),
            Dispatcher::new(self.store.clone(), self.clock.clone()),
            self.clock.clone(),
            streams::Options {
                holder: holder(host),
                url: String::new(),
                lease_ms: 3_000,
                shared: self.shared,
                links: Vec::new(),
            },
        );
        let streams = streams.await.expect("streams");
        let triggers = Triggers::new(triggers::Options {
            store: self.store.clone(),
            clock: self.clock.clone(),
            runs: self.runs.clone(),
            streams: streams.clone(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(triggers.clone().watch(stop.clone()));
        (streams, triggers, stop)
    }

    pub async fn run(&self, plugin: &str, request: RunRequest) -> Result<Ended, Error> {
        run(&self.runs, plugin, request).await
    }

    pub async fn sums(&self, account: &str) -> Account {
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        snapshot.account(account).await.expect("an account")
    }

    pub async fn balance(&self, id: &str) -> u64 {
        self.sums(&account(id)).await.balance()
    }

    pub async fn held(&self, id: &str) -> u64 {
        self.sums(&hold_account(id)).await.balance()
    }

    /// Waits until a hold is durable: a run begins as soon as it counts.
    pub async fn until_held(&self, id: &str, amount: u64) {
        for _ in 0..1_000 {
            if self.held(id).await == amount {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("{} of {id} is held and not {amount}", self.held(id).await);
    }

    /// Voids what other hosts hold, as the host that leads does once they are dead.
    pub async fn void_all(&self) {
        let living = [holder("first")].into();
        let later = leyden::clock::system_now().0 + 3_600_000;
        self.runs
            .sweep_as_leader(living, later)
            .await
            .expect("swept");
    }

    /// All receipts of a partner, verified one by one and as a chain.
    pub async fn receipts(&self, id: &str) -> Vec<Receipt> {
        let key = self.runs.receipt_key().await.expect("a key");
        let (mut chain, mut after, mut receipts) = (Chain::new(&key), 0, Vec::new());
        loop {
            let page = self.runs.receipts(&partner(id), None, after, 7).await;
            let page = page.expect("a page");
            for bytes in &page.receipts {
                receipts.push(chain.next(bytes).expect("a sound receipt"));
            }
            match page.next {
                Some(next) => after = next,
                None => return receipts,
            }
        }
    }

    /// What must hold whatever happened: nothing is held, the ledger is sound, and what receipts and usage add up
    /// to is what was taken. The partners are those of the test; nobody else pays.
    pub async fn assert_books_agree(&self, partners: &[&str]) {
        let ledger = self.store.check_ledger(None).await.expect("a ledger");
        assert_eq!(ledger.debits, ledger.credits, "the ledger's sum is zero");
        assert!(
            ledger.wrong_accounts.is_empty(),
            "{:?}",
            ledger.wrong_accounts
        );
        let mut paid = 0;
        for id in partners {
            paid += self.assert_partner_agrees(id).await;
        }
        assert_eq!(self.sums(REVENUE).await.balance(), paid, "revenue");
    }

    async fn assert_partner_agrees(&self, id: &str) -> u64 {
        assert_eq!(self.held(id).await, 0, "nothing of {id} is held");
        let receipts = self.receipts(id).await;
        let told: u64 = receipts.iter().map(|receipt| receipt.total).sum();
        let given = self.given.lock().unwrap()[id];
        assert_eq!(
            self.balance(id).await,
            given - told,
            "receipts of {id} and what it has left"
        );
        let months = receipts.iter().map(|receipt| receipt.at[..7].to_owned());
        let mut used = 0;
        for month in months.collect::<std::collections::BTreeSet<_>>() {
            let month = Month::parse(&month).expect("a month");
            let report = self.runs.usage(&month, Some(&partner(id)), None).await;
            let rows = report.expect("a report").rows;
            used += rows.iter().map(|row| row.used.datapoints).sum::<u64>();
        }
        assert_eq!(told, used, "usage of {id}");
        told
    }
}

async fn started(
    store: &Arc<dyn Store>,
    clock: &Arc<Clock>,
    scripts: &Arc<Scripts>,
    shared: bool,
    host: &str,
) -> Runs {
    let notary = Dispatcher::new(store.clone(), clock.clone())
        .notary()
        .clone();
    let runs = Runs::start(Options {
        store: store.clone(),
        clock: clock.clone(),
        notary,
        runner: scripts.clone(),
        holder: holder(host),
        shared,
        recorder: Recorder::default(),
    });
    runs.await.expect("runs")
}

/// Runs a plugin of `acme`.
pub async fn run(runs: &Runs, plugin: &str, request: RunRequest) -> Result<Ended, Error> {
    let plugin = ComponentName::parse(plugin).expect("a name");
    runs.run(&partner("acme"), &plugin, request).await
}

/// A request without parameters, bound or key.
pub fn plain() -> RunRequest {
    RunRequest {
        params: "{}".into(),
        max_spend: None,
        key: None,
        started: Started::ByRequest,
    }
}

pub fn keyed(key: &str) -> RunRequest {
    RunRequest {
        key: Some(key.into()),
        ..plain()
    }
}

pub fn up_to(max_spend: u64) -> RunRequest {
    RunRequest {
        max_spend: Some(max_spend),
        ..plain()
    }
}

/// A script that goes on after its reads.
pub fn script<F>(then: impl Fn(RunInput, Tab) -> F + Send + Sync + 'static) -> Script
where
    F: Future<Output = Result<Report, RunError>> + Send + 'static,
{
    scripted(0, then)
}

/// The same, with fuel used.
pub fn scripted<F>(fuel: u64, then: impl Fn(RunInput, Tab) -> F + Send + Sync + 'static) -> Script
where
    F: Future<Output = Result<Report, RunError>> + Send + 'static,
{
    Arc::new(move |mut input: RunInput| {
        let tab = input.work.meter.as_ref().expect("a meter").tab.clone();
        let entry = input.entry.take();
        let then = then(input, tab);
        async move {
            let entered = match entry {
                Some(entry) => entry.await.map(Some),
                None => Ok(None),
            };
            Ran {
                outcome: match entered {
                    Ok(_place) => then.await,
                    Err(error) => Err(error),
                },
                fuel,
                log: Vec::new(),
                work: None,
                memory_high_bytes: 0,
            }
        }
        .boxed()
    })
}

/// Reads for so many datapoints, if they are left.
pub fn read(tab: &Tab, dataset: Dataset, datapoints: u64) -> Result<(), u64> {
    tab.charge(ReadEntry {
        dataset,
        from_ms: 1_700_000_000_000,
        to_ms: 1_700_000_060_000,
        rows: 3,
        datapoints,
    })
}

pub fn report(body: &str) -> Result<Report, RunError> {
    Ok(Report {
        media_type: "text/plain".into(),
        body: body.as_bytes().to_vec(),
    })
}

/// What each way to end without a report is called in receipts.
pub fn failures() -> Vec<(RunErrorMaker, Outcome)> {
    let guest = || RunError::Guest {
        kind: GuestErrorKind::Failed,
        text: "nothing to tell".into(),
    };
    vec![
        (guest, Outcome::GuestError),
        (|| RunError::Trapped("unreachable".into()), Outcome::Trapped),
        (|| RunError::Deadline(5_000), Outcome::Deadline),
        (|| RunError::Fuel(1_000), Outcome::Fuel),
        (|| RunError::Limit(Limit::HostCalls(7)), Outcome::Limit),
        (
            || RunError::InvalidReport("is empty".into()),
            Outcome::InvalidReport,
        ),
    ]
}

pub type RunErrorMaker = fn() -> RunError;
