//! A host: all parts put together, started in the order they need each other and stopped in reverse.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bundle;
use crate::clock::{Clock, Mode};
use crate::config::{self, Config};
use crate::dispatch::Dispatcher;
use crate::logs::Logs;
use crate::outbound::Outbound;
use crate::partners::{Policy, Runs, Triggers, Uploads, runs, triggers};
use crate::policies::{log, rollouts};
use crate::registry::{self, Registry};
use crate::replay::Sources;
use crate::runtime::{self, PartnerOptions, PartnerRuntime, Runtime};
use crate::secrets::{self, Vault};
use crate::store::embedded::{self, Embedded};
use crate::store::redis::{self, Redis};
use crate::store::{self, Holder, Store};
use crate::streams::{self, Link, Streams};

/// The parts of a running host, for its gateway. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// Runs invocations.
    pub dispatch: Dispatcher,
    /// Knows what is active.
    pub registry: Registry,
    /// Delivers streams and moves time.
    pub streams: Streams,
    /// Tells time.
    pub clock: Arc<Clock>,
    /// Keeps everything.
    pub store: Arc<dyn Store>,
    /// Loads and runs partners' components.
    pub partner_runtime: PartnerRuntime,
    /// Asks the active access policy for its terms.
    pub policy: Policy,
    /// Takes partners' uploads, and looks after what was uploaded.
    pub uploads: Uploads,
    /// Runs partners' plugins and settles what they cost.
    pub runs: Runs,
    /// Runs plugins by themselves.
    pub triggers: Triggers,
    /// What components log, on this host.
    pub logs: Logs,
    /// Where compiled components are kept.
    pub compiled: Option<PathBuf>,
    /// Where recordings have components from.
    pub sources: Sources,
    /// What a crash of the store's server can lose, in words; none where there is no server.
    pub durability: Option<String>,
    background: Background,
}

/// What runs beside the streams.
#[derive(Clone, Default)]
struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first-party plugins are not there.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] embedded::OpenError),
    /// The key of secrets cannot be had.
    #[error("the key of secrets in {0} cannot be used")]
    SecretsKey(PathBuf, #[source] std::io::Error),
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The engine does not start.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// A component cannot be activated.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Streams cannot be delivered.
    #[error(transparent)]
    Streams(#[from] streams::Error),
    /// Runs that an earlier start left half done cannot be voided.
    #[error(transparent)]
    Runs(#[from] runs::Error),
}

impl Host {
    /// Opens the store and starts every part but the gateway.
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let bundled = match config.bare {
            true => Vec::new(),
            false => bundle::find(config)?,
        };
        let (store, durability) = open(config).await?;
        let options = runtime::Options {
            // The cache wants an absolute folder.
            cache_directory: std::path::absolute(config.compiled_folder()).ok(),
            privacy: config.privacy_profile,
            outbound: Outbound::new(config.outbound_allow.clone()),
            compiler: config.compiler.clone(),
            compiles_here: false,
            counts_fuel: false,
        };
        let runtime = Runtime::start(&options).map_err(|e| Error::Engine(format!("{e:#}")))?;
        let logs = runtime.logs.clone();
        let compiled = options.cache_directory.clone();
        let compiling = PartnerOptions {
            compiled: compiled.clone(),
            program: config.compiler.clone(),
            ..PartnerOptions::default()
        };
        let partner_runtime =
            PartnerRuntime::start(&compiling).map_err(|e| Error::Engine(format!("{e:#}")))?;
        let clock = Arc::new(clock(config, store.as_ref()).await?);
        let shared = config.store.is_shared();
        let vault = vault(config, store.clone())?;
        let registry = Registry::start(store.clone(), runtime, bundled, shared, vault).await?;
        let dispatch = Dispatcher::new(store.clone(), clock.clone());
        let membership = membership(config).await?;
        let runs = Runs::start(runs::Options {
            store: store.clone(),
            clock: clock.clone(),
            notary: dispatch.notary().clone(),
            runner: Arc::new(runs::Engine {
                store: store.clone(),
                registry: registry.clone(),
                runtime: partner_runtime.clone(),
            }),
            holder: membership.holder.clone(),
            shared,
            recorder: dispatch.recorder().clone(),
        })
        .await?;
        let streams = Streams::start(
            store.clone(),
            registry.clone(),
            dispatch.clone(),
            clock.clone(),
            membership,
        )
        .await?;
        let policy = Policy::new(store.clone(), clock.clone(), registry.clone());
        let runtime = partner_runtime.clone();
        let uploads = Uploads::new(store.clone(), clock.clone(), policy.clone(), runtime);
        let background = Background::default();
        background.tasks.spawn(runs.clone().watch(streams.clone()));
        let triggers = Triggers::new(triggers::Options {
            store: store.clone(),
            clock: clock.clone(),
            runs: runs.clone(),
            streams: streams.clone(),
        });
        let watching = triggers.clone().watch(background.stop.clone());
        background.tasks.spawn(watching);
        let driving = rollouts::run(registry.clone(), streams.clone(), background.stop.clone());
        background.tasks.spawn(driving);
        let (kept, stop) = (config.decisions, background.stop.clone());
        let keeping = log::keep(store.clone(), streams.clone(), kept, stop);
        background.tasks.spawn(keeping);
        if shared {
            let follow = registry.clone().follow(background.stop.clone());
            background.tasks.spawn(follow);
        }
        let sources = Sources {
            registry: registry.clone(),
            store: store.clone(),
            compiling,
        };
        Ok(Self {
            dispatch,
            registry,
            streams,
            clock,
            store,
            partner_runtime,
            policy,
            uploads,
            runs,
            triggers,
            logs,
            compiled,
            sources,
            durability,
            background,
        })
    }

    /// Lets what is being handled finish, gives up what this host holds, then stops.
    pub async fn stop(self) {
        self.background.stop.cancel();
        self.runs.stop().await;
        self.streams.stop().await;
        self.background.tasks.close();
        self.background.tasks.wait().await;
    }
}

/// Opens the store; and says what its server can lose, if there is one.
async fn open(config: &Config) -> Result<(Arc<dyn Store>, Option<String>), Error> {
    let options = match &config.store {
        config::Store::Embedded => {
            let store = Embedded::open(embedded::Options::new(&config.data))?;
            return Ok((Arc::new(store), None));
        }
        config::Store::Redis(options) => options,
    };
    let store = Redis::open(config::opened(options)).await?;
    let durability = store.durability().to_string();
    Ok((Arc::new(store), Some(durability)))
}

/// The secrets, under the key that the host was given, or that lies in its data folder.
fn vault(config: &Config, store: Arc<dyn Store>) -> Result<Vault, Error> {
    let Some(file) = config.secrets_key_file() else {
        return Ok(Vault::new(store, None));
    };
    let key = secrets::key_in(&file);
    let key = key.map_err(|source| Error::SecretsKey(file, source))?;
    Ok(Vault::new(store, Some(key)))
}

/// How this start of a host takes part among others.
async fn membership(config: &Config) -> Result<streams::Options, Error> {
    let advertised = config.advertise.clone();
    Ok(streams::Options {
        holder: Holder(uuid::Uuid::new_v4().simple().to_string().into()),
        url: advertised.unwrap_or_else(|| format!("http://{}", config.listen)),
        lease_ms: config.lease_ms,
        shared: config.store.is_shared(),
        links: links(config).await?,
    })
}

/// Opens the installations that streams are carried on to.
async fn links(config: &Config) -> Result<Vec<Link>, Error> {
    let config::Store::Redis(here) = &config.store else {
        return Ok(Vec::new());
    };
    let mut links = Vec::new();
    for config::Link { stream, to } in &config.links {
        let there = redis::Options {
            namespace: to.clone(),
            ..here.clone()
        };
        links.push(Link {
            stream: stream.clone(),
            source: here.namespace.as_str().into(),
            target: to.as_str().into(),
            store: Arc::new(Redis::open(there).await?),
        });
    }
    Ok(links)
}

async fn clock(config: &Config, store: &dyn Store) -> Result<Clock, store::Error> {
    match config.clock {
        Mode::System => Ok(Clock::system(config.tick_ms)),
        Mode::Simulated => {
            let shared = config.store.is_shared();
            streams::restore_clock(store, config.start(), config.tick_ms, shared).await
        }
    }
}
