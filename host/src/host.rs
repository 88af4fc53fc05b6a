//! A host: all parts put together, started in the order they need each other and stopped in reverse.

use std::sync::Arc;

use crate::bundle;
use crate::clock::{Clock, Mode};
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::registry::{self, Registry};
use crate::runtime::{self, Runtime};
use crate::store::embedded::{self, Embedded};
use crate::store::{self, Store};
use crate::streams::{self, Streams};

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
}

impl Host {
    /// Opens the data folder and starts every part but the gateway.
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let bundled = bundle::find(config)?;
        let store = open(config)?;
        let options = runtime::Options {
            cache_directory: cache_directory(config),
        };
        let runtime = Runtime::start(&options).map_err(|e| Error::Engine(format!("{e:#}")))?;
        let clock = Arc::new(clock(config, store.as_ref()).await?);
        let registry = Registry::start(store.clone(), runtime, bundled).await?;
        let dispatch = Dispatcher::new(store.clone(), clock.clone());
        let streams = Streams::start(
            store.clone(),
            registry.clone(),
            dispatch.clone(),
            clock.clone(),
        )
        .await?;
        Ok(Self {
            dispatch,
            registry,
            streams,
            clock,
            store,
        })
    }

    /// Lets what is being handled finish, then stops.
    pub async fn stop(self) {
        self.streams.stop().await;
    }
}

fn open(config: &Config) -> Result<Arc<dyn Store>, embedded::OpenError> {
    let options = embedded::Options::new(&config.data);
    Ok(Arc::new(Embedded::open(options)?))
}

/// The cache wants an absolute folder.
fn cache_directory(config: &Config) -> Option<std::path::PathBuf> {
    let folder = config
        .compiled
        .clone()
        .unwrap_or_else(|| config.data.join("compiled"));
    std::path::absolute(folder).ok()
}

async fn clock(config: &Config, store: &dyn Store) -> Result<Clock, store::Error> {
    match config.clock {
        Mode::System => Ok(Clock::system(config.tick_ms)),
        Mode::Simulated => streams::restore_clock(store, config.start(), config.tick_ms).await,
    }
}
