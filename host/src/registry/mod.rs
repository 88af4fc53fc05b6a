//! Components, their versions and which is active. No execution here.
//!
//! **Invariants.** A version is the SHA-256 of its bytes. A version is compiled before it is stored and
//! stored before it is active. What is active changes by swapping one pointer to a whole
//! [`Generation`]; an invocation holds the generation it began with, so the old version finishes
//! what it began. Hosts that share a store serve one generation or the next: what one activates the
//! others load within a moment, and a host that cannot load it keeps what it has.

mod catalog;
mod following;
mod generation;
pub mod manifest;
pub mod router;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

pub use catalog::{Built, Source, VersionInfo};
use catalog::{Catalog, Listed, Stored};
pub use generation::{Active, Generation};
use manifest::Manifest;

use crate::clock;
use crate::dispatch::Culprit;
use crate::ids::{ComponentName, Digest, Instant};
use crate::operators::Operator;
use crate::operators::audit::Change;
use crate::runtime::Runtime;
use crate::store::Store;

/// Most tries of an activation that others come before: each then stands on what they activated.
const ACTIVATIONS_MAX: usize = 5;

/// What kind of component it is, read from its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Exports handlers or interfaces for other components.
    Service,
    /// Exports one policy interface and imports nothing.
    Policy,
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
    /// It contradicts another active component (a route or interface is taken); in words.
    #[error("{0}")]
    Conflict(String),
    /// Another activation was stored at the same time.
    #[error("another activation came first")]
    Overtaken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
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

/// A version that is to be the active one, and for whom.
struct Activating<'a> {
    by: &'a Operator,
    change: Change,
    name: &'a ComponentName,
    digest: Digest,
    bytes: Arc<Vec<u8>>,
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
    runtime: Runtime,
    generation: ArcSwap<Generation>,
    changed: watch::Sender<u64>,
    /// Held by whoever activates: one activation at a time.
    activating: Mutex<()>,
}

impl Registry {
    /// Brings back what was active, and deploys bundled components that are new or newer, unless the
    /// operator has deployed a version of their own under the same name. `shared`: other hosts may do the
    /// same, see [`Registry::follow`].
    ///
    /// # Errors
    /// A component cannot be loaded, or the store did not answer.
    pub async fn start(
        store: Arc<dyn Store>,
        runtime: Runtime,
        bundled: Vec<Bundled>,
        shared: bool,
    ) -> Result<Self, Error> {
        let catalog = Catalog::new(store);
        catalog.admit_bundled(bundled, shared).await?;
        let (number, listed) = catalog.active().await?;
        let components = load_all(&catalog, &runtime, listed).await?;
        let generation = Generation::new(number, components, runtime.privacy)?;
        let (changed, _) = watch::channel(generation.number);
        let generation = ArcSwap::from_pointee(generation);
        let shared = Shared {
            catalog,
            runtime,
            generation,
            changed,
            activating: Mutex::new(()),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
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

    /// Compiles a version, stores it, and makes it the active one; the audit names who did that.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn deploy(
        &self,
        by: &Operator,
        name: &ComponentName,
        bytes: Vec<u8>,
    ) -> Result<Activation, Error> {
        let _alone = self.shared.activating.lock().await;
        let (digest, bytes) = (Digest::of(&bytes), Arc::new(bytes));
        for _ in 0..ACTIVATIONS_MAX {
            self.catch_up().await?;
            let activating = Activating {
                by,
                change: Change::Deploy,
                name,
                digest,
                bytes: bytes.clone(),
            };
            match self.activate(activating).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
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

    /// Makes an earlier version active again: `to`, or the one that was active before the present one.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn rollback(
        &self,
        by: &Operator,
        name: &ComponentName,
        to: Option<Digest>,
    ) -> Result<Activation, Error> {
        let _alone = self.shared.activating.lock().await;
        for _ in 0..ACTIVATIONS_MAX {
            self.catch_up().await?;
            let Some(present) = self.active_digest(name) else {
                return Err(Error::UnknownComponent(name.to_string()));
            };
            let target = match to {
                Some(digest) => digest,
                None => self.shared.catalog.before(name, present).await?,
            };
            let activating = Activating {
                by,
                change: Change::Rollback,
                name,
                digest: target,
                bytes: self.shared.catalog.version(name, target).await?,
            };
            match self.activate(activating).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overtaken)
    }

    /// Compile, store, swap: in this order, so that what fails changes nothing.
    async fn activate(&self, activating: Activating<'_>) -> Result<Activation, Error> {
        let Activating {
            by,
            change,
            name,
            digest,
            bytes,
        } = activating;
        let present = self.generation();
        let (manifest, manifest_of) = manifest_for(&present, name, &bytes)?;
        let stored = Stored {
            listed: Listed {
                name: name.clone(),
                digest,
                source: Source::Operator,
                activated_at: clock::system_now(),
                manifest_of,
                built: Built::default(),
            },
            bytes,
            manifest,
        };
        let mut active = load(&self.shared.runtime, stored.clone()).await?;
        if let Some(former) = present.components.get(name) {
            active.turns = active.turns.following(&former.turns);
        }
        let (kind, previous) = (active.kind, self.active_digest(name));
        let next = present.with(active)?;
        let catalog = &self.shared.catalog;
        let generation = catalog
            .record(by, change, &[&stored], present.number)
            .await?;
        self.swap(next);
        tracing::info!(component = %name, version = %digest.short(), generation, by = &*by.name, "activated");
        Ok(Activation {
            name: name.to_string(),
            kind,
            digest: digest.to_string(),
            previous: previous.map(|d| d.to_string()),
            generation,
        })
    }

    fn swap(&self, next: Generation) {
        let number = next.number;
        self.shared.generation.store(Arc::new(next));
        self.shared.changed.send_replace(number);
    }

    fn active_digest(&self, name: &ComponentName) -> Option<Digest> {
        self.generation()
            .components
            .get(name)
            .map(|active| active.digest)
    }
}

/// A component's own manifest; else that of the version it replaces, and which one that is from; else none
/// (the default).
fn manifest_for(
    present: &Generation,
    name: &ComponentName,
    bytes: &[u8],
) -> Result<(Option<Manifest>, Option<Digest>), Error> {
    let own = Manifest::from_component(bytes).map_err(|e| Error::Invalid(e.to_string()))?;
    let former = present.components.get(name);
    Ok(match (own, former) {
        (None, Some(former)) => {
            let from = former.manifest_of.unwrap_or(former.digest);
            (Some(former.manifest.clone()), Some(from))
        }
        (own, _) => (own, None),
    })
}

/// Loads all that is listed, several at once.
async fn load_all(
    catalog: &Catalog,
    runtime: &Runtime,
    listed: Vec<Listed>,
) -> Result<Vec<Arc<Active>>, Error> {
    let mut stored = Vec::new();
    for listed in listed {
        stored.push(catalog.load(listed).await?);
    }
    let loading = stored.into_iter().map(|stored| load(runtime, stored));
    let loaded = futures_util::future::try_join_all(loading).await?;
    Ok(loaded.into_iter().map(Arc::new).collect())
}

/// Compiles a version, on a thread for work that takes long.
async fn load(runtime: &Runtime, stored: Stored) -> Result<Active, Error> {
    let runtime = runtime.clone();
    let compiling = tokio::task::spawn_blocking(move || compile(&runtime, stored));
    let compiled = compiling.await;
    compiled.unwrap_or_else(|_| Err(Error::Invalid("the compiler failed on it".into())))
}

fn compile(runtime: &Runtime, stored: Stored) -> Result<Active, Error> {
    let listed = stored.listed;
    let culprit = Culprit {
        component: listed.name.clone(),
        version: listed.digest,
    };
    let loaded = runtime
        .load(culprit, &stored.bytes, stored.manifest)
        .map_err(|e| Error::Invalid(format!("{}: {e}", listed.name)))?;
    Ok(Active::new(loaded, &listed))
}

/// When something was recorded, for catalogues kept as JSON.
fn rfc3339(ms: u64) -> String {
    Instant(ms).to_string()
}
