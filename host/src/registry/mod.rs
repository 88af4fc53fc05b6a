//! Components, their versions and which is active. No execution here.
//!
//! **Invariants.** A version is the SHA-256 of its bytes. A version is compiled before it is stored and
//! stored before it is active. What is active changes by swapping one pointer to a whole
//! [`Generation`]; an invocation holds the generation it began with, so the old version finishes
//! what it began.

mod catalog;
mod generation;
pub mod manifest;
pub mod router;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

use catalog::Catalog;
pub use catalog::{Source, VersionInfo};
pub use generation::{Active, Generation};
use manifest::Manifest;

use crate::clock;
use crate::dispatch::Culprit;
use crate::ids::{ComponentName, Digest, Instant};
use crate::runtime::Runtime;
use crate::store::Store;

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
    /// operator has deployed a version of their own under the same name.
    ///
    /// # Errors
    /// A component cannot be loaded, or the store did not answer.
    pub async fn start(
        store: Arc<dyn Store>,
        runtime: Runtime,
        bundled: Vec<Bundled>,
    ) -> Result<Self, Error> {
        let catalog = Catalog::new(store);
        let wanted = catalog.admit_bundled(bundled).await?;
        let loading: Vec<_> = wanted
            .into_iter()
            .map(|stored| {
                let runtime = runtime.clone();
                tokio::task::spawn_blocking(move || load(&runtime, stored))
            })
            .collect();
        let mut components = Vec::new();
        for task in loading {
            components.push(joined(task.await)?);
        }
        let generation = Generation::new(1, components)?;
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

    /// Compiles a version, stores it, and makes it the active one.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn deploy(&self, name: &ComponentName, bytes: Vec<u8>) -> Result<Activation, Error> {
        let _alone = self.shared.activating.lock().await;
        let manifest = self.manifest_for(name, &bytes)?;
        let stored = catalog::Stored {
            name: name.clone(),
            digest: Digest::of(&bytes),
            bytes: Arc::new(bytes),
            manifest,
            source: Source::Operator,
            activated_at: clock::system_now(),
        };
        self.activate(stored).await
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
        name: &ComponentName,
        to: Option<Digest>,
    ) -> Result<Activation, Error> {
        let _alone = self.shared.activating.lock().await;
        let Some(present) = self.active_digest(name) else {
            return Err(Error::UnknownComponent(name.to_string()));
        };
        let target = match to {
            Some(digest) => digest,
            None => self.shared.catalog.before(name, present).await?,
        };
        let mut stored = self.shared.catalog.version(name, target).await?;
        stored.manifest = self.manifest_for(name, &stored.bytes)?;
        stored.activated_at = clock::system_now();
        self.activate(stored).await
    }

    /// Compile, store, swap: in this order, so that what fails changes nothing.
    async fn activate(&self, stored: catalog::Stored) -> Result<Activation, Error> {
        let (runtime, copy) = (self.shared.runtime.clone(), stored.clone());
        let loading = tokio::task::spawn_blocking(move || load(&runtime, copy));
        let mut active = joined(loading.await)?;
        if let Some(former) = self.generation().components.get(&active.name) {
            active.turns = active.turns.following(&former.turns);
        }
        let (name, kind, digest) = (active.name.clone(), active.kind, active.digest);
        let previous = self.active_digest(&name);
        let next = self.generation().with(active)?;
        self.shared.catalog.record_activation(&stored).await?;
        let generation = next.number;
        self.shared.generation.store(Arc::new(next));
        self.shared.changed.send_replace(generation);
        tracing::info!(component = %name, version = %digest.short(), generation, "activated");
        Ok(Activation {
            name: name.to_string(),
            kind,
            digest: digest.to_string(),
            previous: previous.map(|d| d.to_string()),
            generation,
        })
    }

    /// The component's own manifest; else that of the version it replaces; else none (the default).
    fn manifest_for(&self, name: &ComponentName, bytes: &[u8]) -> Result<Option<Manifest>, Error> {
        let own = Manifest::from_component(bytes).map_err(|e| Error::Invalid(e.to_string()))?;
        let inherited = || {
            self.generation()
                .components
                .get(name)
                .map(|active| active.manifest.clone())
        };
        Ok(own.or_else(inherited))
    }

    fn active_digest(&self, name: &ComponentName) -> Option<Digest> {
        self.generation()
            .components
            .get(name)
            .map(|active| active.digest)
    }
}

fn load(runtime: &Runtime, stored: catalog::Stored) -> Result<Active, Error> {
    let culprit = Culprit {
        component: stored.name.clone(),
        version: stored.digest,
    };
    let loaded = runtime
        .load(culprit, &stored.bytes, stored.manifest)
        .map_err(|e| Error::Invalid(format!("{}: {e}", stored.name)))?;
    Ok(Active::new(loaded, stored.source, stored.activated_at))
}

fn joined(result: Result<Result<Active, Error>, tokio::task::JoinError>) -> Result<Active, Error> {
    result.unwrap_or_else(|_| Err(Error::Invalid("the compiler failed on it".into())))
}

/// When something was recorded, for catalogues kept as JSON.
fn rfc3339(ms: u64) -> String {
    Instant(ms).to_string()
}
