//! Components, their versions and which is active. No execution here.
//!
//! **Invariants.** A version is the SHA-256 of its bytes. A version is compiled before it is stored and
//! stored before it is active. What is active changes by swapping one pointer to a whole
//! [`Generation`]; an invocation holds the generation it began with, so the old version finishes
//! what it began. Hosts that share a store serve one generation or the next: what one activates the
//! others load within a moment, and a host that cannot load it keeps what it has.

mod catalog;
mod changing;
mod following;
mod generation;
mod interfaces;
pub mod manifest;
mod policy;
mod preparing;
mod promoting;
mod removing;
mod rollback;
pub mod rollout;
pub mod router;
mod variables;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

pub use catalog::{Built, Source, VersionInfo};
use catalog::{Catalog, Stored};
pub use changing::COMPONENTS_MAX;
pub use generation::{Active, Generation};
pub use interfaces::Interfaces;
pub use policy::Policy;
pub use removing::Removed;
pub use variables::Variables;

use crate::dispatch::Culprit;
use crate::ids::{ComponentName, Digest, Instant, VariableName};
use crate::runtime::{LoadError, Loaded, Runtime};
use crate::secrets::{self as vault, Vault};
use crate::store::Store;
use manifest::Manifest;

/// What kind of component it is, read from its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Exports handlers or interfaces for other components.
    Service,
    /// Exports one policy interface and imports nothing.
    Policy,
    /// Exports `wasi:http`: answers requests, from whatever language.
    Function,
}

/// What an activation changed.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    /// The component.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Active now.
    pub digest: String,
    /// Active before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The generation it is part of.
    pub generation: u64,
}

/// Why a version is not taken or activated. Nothing changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No component of this name.
    #[error("no component is named {0}")]
    UnknownComponent(String),
    /// No such version, or none to go back to.
    #[error("{0} has no such version: {1}")]
    UnknownVersion(String, String),
    /// The bytes are not a component that Leyden runs; in words.
    #[error("not accepted: {0}")]
    Invalid(String),
    /// Too many components wait to be compiled.
    #[error("too many components wait to be compiled: try again later")]
    Busy,
    /// The host cannot compile it.
    #[error("{0} cannot be compiled here")]
    Compiler(ComponentName, #[source] LoadError),
    /// It contradicts another active component (a route or interface is taken); in words.
    #[error("{0}")]
    Conflict(String),
    /// Another activation was stored at the same time.
    #[error("another activation came first")]
    Overtaken,
    /// A component has no secret of this name.
    #[error("{0} has no secret {1}")]
    UnknownSecret(ComponentName, VariableName),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::Store(error) => Self::Store(error),
            vault::Error::Unknown(component, name) => Self::UnknownSecret(component, name),
            other => Self::Conflict(other.to_string()),
        }
    }
}

impl From<crate::store::CommitError> for Error {
    fn from(error: crate::store::CommitError) -> Self {
        match error {
            crate::store::CommitError::Store(crate::store::Error::Overtaken) => Self::Overtaken,
            crate::store::CommitError::Store(error) => Self::Store(error),
            _ => Self::Overtaken,
        }
    }
}

/// A component that comes with the host.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// The name it is deployed under.
    pub name: ComponentName,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was built.
    pub built: Built,
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Catalog,
    vault: Vault,
    runtime: Runtime,
    generation: ArcSwap<Generation>,
    changed: watch::Sender<u64>,
    /// Held by whoever activates: one activation at a time.
    activating: Mutex<()>,
}

impl Registry {
    /// Brings back what was active, and deploys bundled components that are new or newer, unless the
    /// operator has deployed a version of their own under the same name. `shared`: other hosts may do the
    /// same, see [`Registry::follow`]. `vault` has the secrets of components.
    ///
    /// # Errors
    /// A component cannot be loaded, or the store did not answer.
    pub async fn start(
        store: Arc<dyn Store>,
        runtime: Runtime,
        bundled: Vec<Bundled>,
        shared: bool,
        vault: Vault,
    ) -> Result<Self, Error> {
        let catalog = Catalog::new(store);
        catalog.admit_bundled(bundled, shared).await?;
        let (number, listed) = catalog.active().await?;
        let generation = Generation::new(0, Vec::new(), Vec::new(), runtime.privacy)?;
        let (changed, _) = watch::channel(number);
        let registry = Self {
            shared: Arc::new(Shared {
                catalog,
                vault,
                runtime,
                generation: ArcSwap::from_pointee(generation),
                changed,
                activating: Mutex::new(()),
            }),
        };
        let none = registry.generation();
        registry.swap(registry.assemble(&none, number, listed, None).await?);
        Ok(registry)
    }

    /// What is active now.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.shared.generation.load_full()
    }

    /// Tells the generation's number whenever it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// The bytes of a component's version.
    ///
    /// # Errors
    /// There is none, or the store did not answer.
    pub(crate) async fn bytes(&self, active: &Active) -> Result<Arc<Vec<u8>>, Error> {
        self.shared
            .catalog
            .version(&active.name, active.digest)
            .await
    }

    /// Versions of a component, the last deployed first.
    ///
    /// # Errors
    /// No component has this name, or the store did not answer.
    pub async fn versions(&self, name: &ComponentName) -> Result<Vec<VersionInfo>, Error> {
        let active = self.active_digest(name);
        let versions = self.shared.catalog.versions(name, active).await?;
        if versions.is_empty() {
            Err(Error::UnknownComponent(name.to_string()))
        } else {
            Ok(versions)
        }
    }

    fn swap(&self, next: Generation) {
        let (number, next) = (next.number, Arc::new(next));
        let former = self.shared.generation.swap(next.clone());
        let gone = former.components.keys();
        gone.filter(|name| !next.components.contains_key(*name))
            .for_each(|name| self.shared.runtime.logs.forget(name));
        self.shared.changed.send_replace(number);
    }

    fn active_digest(&self, name: &ComponentName) -> Option<Digest> {
        self.generation()
            .components
            .get(name)
            .map(|active| active.digest)
    }
}

/// How bytes are made a component: [`Runtime::admit`] for what is brought just now, [`Runtime::load`] for what was taken
/// before. That is not looked at again: no bound that has come to be lower keeps a host from starting.
type Loading = fn(&Runtime, Culprit, &[u8], Option<Manifest>) -> Result<Loaded, LoadError>;

/// Loads a version, compiling it where that is needed.
async fn load(runtime: &Runtime, stored: Stored, how: Loading) -> Result<Active, Error> {
    let runtime = runtime.clone();
    off_the_workers(move || {
        let listed = stored.listed;
        let loaded = how(&runtime, culprit(&listed), &stored.bytes, stored.manifest);
        let loaded = loaded.map_err(|error| untaken(&listed.name, error))?;
        Ok(Active::new(loaded, &listed))
    })
    .await
}

/// A function that was taken before and whose code is kept on disk; none where there is something to load. Thousands of them
/// are handed over to no other thread, whose memory all of it would be left in.
fn recall(runtime: &Runtime, stored: &Stored) -> Result<Option<Active>, Error> {
    let Stored {
        listed,
        bytes,
        manifest,
    } = stored;
    let recalled = runtime.recall(culprit(listed), bytes, manifest.as_ref());
    let recalled = recalled.map_err(|error| untaken(&listed.name, error))?;
    Ok(recalled.map(|loaded| Active::new(loaded, listed)))
}

fn culprit(listed: &catalog::Listed) -> Culprit {
    Culprit {
        component: listed.name.clone(),
        version: listed.digest,
    }
}

/// Does what may take long on a thread of its own.
async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Invalid("the compiler failed on it".into())))
}

fn untaken(name: &ComponentName, error: LoadError) -> Error {
    match error {
        LoadError::Refused(rule) => Error::Invalid(format!("{name}: {rule}")),
        LoadError::Busy => Error::Busy,
        LoadError::Host(_) => Error::Compiler(name.clone(), error),
    }
}

/// When something was recorded, for catalogues kept as JSON.
fn rfc3339(ms: u64) -> String {
    Instant(ms).to_string()
}
