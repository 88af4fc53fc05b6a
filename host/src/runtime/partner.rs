//! The engine that runs partners' code, apart from the one for the operator's own components: fuel and
//! epochs, fresh instances only, few of them, and a linker that has nothing but what was granted.
//!
//! A component comes in by [`PartnerRuntime::load`]: the pass over the binary, then the compiled artifact
//! from memory, from disk, or from a child process that compiles it within limits. This process never
//! compiles foreign code.
//!
//! **Invariants.** What is executed was compiled by this host's own child or carries the tag of this host's
//! key. It runs whatever it is asked to: how many runs there are at once, and so what memory they hold together, is up
//! to the queue before them.

mod engine;
mod recent;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Component;

use self::recent::Recent;
pub(super) use self::recent::Weighed;
use super::analytics::Analytics;
use super::artifacts::{Artifacts, Room};
use super::compile::{self, CompileLimits, Compiler};
use super::inspect::{self, Inspection, Reason, Refused};
use super::thread;
use crate::ids::Digest;

pub(super) use engine::{compiling, running};

/// What the engine for partners' code is made with.
#[derive(Debug, Clone, Default)]
pub struct PartnerOptions {
    /// Folder of compiled components; theirs lie in `partners/` inside it. None: compiled anew at every
    /// start.
    pub compiled: Option<PathBuf>,
    /// The program whose hidden verb `compile` compiles; none: the one that runs.
    pub program: Option<PathBuf>,
    /// What compiling one component may take.
    pub compile: CompileLimits,
    /// Whether it runs one component at a time, as replays do: a pool would be address space for nothing.
    pub one_at_a_time: bool,
}

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum PartnerLoadError {
    /// The component breaks a rule, or cannot be compiled within the limits.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Too many others wait to be compiled.
    #[error("too many components wait to be compiled: try again later")]
    Busy,
    /// The host is at fault.
    #[error("the component cannot be compiled: {0}")]
    Host(String),
}

/// Loads and runs partners' components. Cheap to clone.
#[derive(Clone)]
pub struct PartnerRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    compiler: Compiler,
    artifacts: Option<Artifacts>,
    recent: Mutex<Recent<Analytics>>,
}

impl PartnerRuntime {
    /// Starts the engine and the thread that moves its epoch on. Nothing is compiled.
    ///
    /// # Errors
    /// The engine does not work on this machine.
    pub fn start(options: &PartnerOptions) -> wasmtime::Result<Self> {
        let engine = Engine::new(&match options.one_at_a_time {
            true => compiling(),
            false => running(),
        })?;
        super::engine::spawn_ticker(&engine)?;
        let artifacts = options.compiled.as_ref().and_then(|folder| {
            let folder = folder.join("partners");
            Artifacts::open(&folder, Room::PARTNERS)
                .inspect_err(|error| {
                    tracing::warn!(folder = %folder.display(), %error, "partners' components are compiled anew at every start");
                })
                .ok()
        });
        let inner = Inner {
            engine,
            compiler: Compiler::new(
                options.program.clone(),
                options.compile,
                compile::Target::Partners,
            ),
            artifacts,
            recent: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The component of this digest, if it is loaded.
    #[must_use]
    pub fn loaded(&self, digest: &Digest) -> Option<Arc<Analytics>> {
        self.recent().get(digest)
    }

    /// Looks through an upload, behind the host's own work for processor time.
    ///
    /// # Errors
    /// It is refused, or the host is at fault.
    pub async fn inspect(&self, bytes: Arc<Vec<u8>>) -> Result<Inspection, PartnerLoadError> {
        let looked = thread::on_own(thread::UPLOAD, async move { inspect::inspect(&bytes) }).await;
        Ok(looked.map_err(|lost| PartnerLoadError::Host(format!("{lost:?}")))??)
    }

    /// Loads a component by the digest that it must have: from memory, else from disk, else compiled. Takes as long as the
    /// compiler needs; it goes on being compiled only as long as the caller waits.
    ///
    /// # Errors
    /// See [`PartnerLoadError`].
    pub async fn load(
        &self,
        digest: Digest,
        bytes: Arc<Vec<u8>>,
    ) -> Result<Arc<Analytics>, PartnerLoadError> {
        if let Some(loaded) = self.loaded(&digest) {
            return Ok(loaded);
        }
        let inspection = self.inspect(bytes.clone()).await?;
        if inspection.digest != digest {
            return Err(PartnerLoadError::Host(format!(
                "the bytes kept for {digest} are others"
            )));
        }
        self.load_inspected(inspection, bytes).await
    }

    /// Loads a component that has been looked through.
    ///
    /// # Errors
    /// See [`PartnerLoadError`].
    pub async fn load_inspected(
        &self,
        inspection: Inspection,
        bytes: Arc<Vec<u8>>,
    ) -> Result<Arc<Analytics>, PartnerLoadError> {
        let digest = inspection.digest;
        if let Some(loaded) = self.loaded(&digest) {
            return Ok(loaded);
        }
        if let Some(component) = self.kept_on_disk(digest).await? {
            return self.link(component, inspection);
        }
        let turn = self.inner.compiler.turn().await?;
        if let Some(loaded) = self.loaded(&digest) {
            return Ok(loaded);
        }
        let artifact = turn.compile(bytes).await?;
        let component = self.keep(digest, artifact).await?;
        self.link(component, inspection)
    }

    async fn kept_on_disk(&self, digest: Digest) -> Result<Option<Component>, PartnerLoadError> {
        let this = self.clone();
        off_path(move || {
            let artifacts = this.inner.artifacts.as_ref()?;
            artifacts.load(&this.inner.engine, &digest)
        })
        .await
    }

    /// Keeps an artifact on disk and makes it a component. One that was just compiled and does not load
    /// asks for more than a run has room for.
    async fn keep(
        &self,
        digest: Digest,
        artifact: compile::Artifact,
    ) -> Result<Component, PartnerLoadError> {
        let this = self.clone();
        let component = off_path(move || {
            let engine = &this.inner.engine;
            let artifacts = this.inner.artifacts.as_ref();
            let kept = artifacts.and_then(|all| all.keep(engine, &digest, &artifact));
            kept.map_or_else(|| artifact.into_component(engine), Ok)
        });
        let component = component.await?;
        component.map_err(|error| {
            let problem = format!(
                "does not fit a run: {}",
                inspect::printable(&format!("{error:#}"))
            );
            let remedy = "compose it of fewer modules, instances and memories";
            Refused::from(Reason::new(problem, remedy)).into()
        })
    }

    /// Links a component once with everything, so that types that differ are found when it is uploaded.
    fn link(
        &self,
        component: Component,
        inspection: Inspection,
    ) -> Result<Arc<Analytics>, PartnerLoadError> {
        let imports: Vec<_> = inspection.imports.iter().map(|i| i.name.clone()).collect();
        let linked = Analytics::link(component, inspection);
        let analytics = linked.map_err(|error| does_not_fit(&error, imports))?;
        let analytics = Arc::new(analytics);
        let digest = analytics.inspection().digest;
        Ok(self.recent().put(digest, analytics))
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent<Analytics>> {
        self.inner
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a component does not link with all there is: the import whose types differ, which the engine names in
/// its words only.
fn does_not_fit(error: &wasmtime::Error, imports: Vec<String>) -> Refused {
    let words = format!("{error:#}");
    let import = imports
        .into_iter()
        .find(|name| words.contains(&format!("`{name}`")));
    let problem = format!("does not fit what the host serves: {words}");
    let remedy = "take the WIT that `leyden plugin new` writes, unchanged";
    Refused::from(Reason {
        import,
        ..Reason::new(problem, remedy)
    })
}

/// Does what takes longer than a request may hold a worker.
async fn off_path<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PartnerLoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| PartnerLoadError::Host(error.to_string()))
}
