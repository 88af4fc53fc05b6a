//! Records what this host runs: one recording at a time, told to whoever asked for it line by line, and kept nowhere
//! else.
//!
//! **Invariants.** An invocation never waits for the recorder: what it cannot take in is counted and left out. While
//! nothing is recorded, an invocation costs one look at a pointer. A recording ends by itself: with its number, its bytes
//! or its time, and when nobody reads it any more.

mod session;
mod writing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::run::Run;
use super::scribe;
use super::tape::Tape;
use super::{Name, Taken};
use crate::dispatch::work::Work;
use crate::dispatch::{self, types};
use crate::ids::{ComponentName, PartnerId};
use crate::metering::Tab;
use crate::partners::plugins;
use crate::registry::{Active, Generation, Registry};
use crate::runtime::{BEHIND_ALL, PartnerOptions, Ran, on_own};
use crate::store::{self, Store};
use session::Session;
pub(crate) use writing::export;

/// Pieces that wait to be sent.
const PIECES_MAX: usize = 16;

/// Most invocations of one recording.
pub const LIMIT_MAX: u64 = 1_000_000;

/// Largest recording, MiB: a file that fits on any disk, and that a person can still send to somebody.
pub const MIB_MAX: u64 = 4_096;

/// Longest recording, s: an hour. Recording takes processor time, and what it tells is personal.
pub const SECONDS_MAX: u64 = 3_600;

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Only invocations of this component, or runs of this plugin; none: of all.
    pub component: Option<Name>,
    /// Only those that fail.
    pub is_failing: bool,
    /// How many invocations.
    pub limit: u64,
    /// How many bytes, about.
    pub bytes_max: u64,
    /// For how long.
    pub time: Duration,
}

/// Where a recorder has components from, and how it gets them to run once more.
#[derive(Clone)]
pub struct Sources {
    /// Keeps the operator's components.
    pub registry: Registry,
    /// Keeps partners' plugins.
    pub store: Arc<dyn Store>,
    /// How plugins are compiled, and where all that is compiled is kept.
    pub compiling: PartnerOptions,
}

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is being recorded already.
    #[error("this host records already")]
    Running,
    /// There is no such component or plugin.
    #[error("no component is named {0}")]
    UnknownComponent(Name),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The replays that recording takes cannot be made.
    #[error(transparent)]
    Scribe(#[from] scribe::Error),
    /// The system gives out no more threads, or the recorder failed.
    #[error("the recorder failed; the host's log says more")]
    Failed,
}

/// How far a recording is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether something is being recorded here, or its last part is being told.
    pub recording: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only this component or plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Name>,
    /// Only what fails.
    pub failing: bool,
    /// Invocations so far.
    pub invocations: u64,
    /// How many it ends with.
    pub limit: u64,
    /// Left out, since the recorder could not keep up.
    pub missed: u64,
    /// Bytes so far.
    pub bytes: u64,
}

/// A host's recorder. Cheap to clone.
#[derive(Clone, Default)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    session: ArcSwapOption<Session>,
    /// Whether somebody records or is about to.
    is_taken: AtomicBool,
    /// Ends the recording that is made or about to begin.
    stop: Mutex<CancellationToken>,
}

/// An invocation that is being recorded.
pub(crate) struct Recorded {
    session: Arc<Session>,
    tape: Tape,
}

/// An invocation that is recorded once its effects are kept.
pub(crate) struct Pending {
    session: Arc<Session>,
    taken: Taken,
    is_failure: bool,
}

impl Recorder {
    /// Whether anything is being recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.shared.session.load().is_some()
    }

    /// Begins to note an invocation of a component, if it is to be recorded.
    pub(crate) fn begin(&self, component: &ComponentName, work: &mut Work) -> Option<Recorded> {
        let is_wanted = |only: &Name| matches!(only, Name::Component(name) if name == component);
        self.begin_if(is_wanted, work)
    }

    /// Begins to note a run of a partner's plugin, if it is to be recorded.
    pub(crate) fn begin_run(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        work: &mut Work,
    ) -> Option<Recorded> {
        let is_wanted =
            |only: &Name| matches!(only, Name::Plugin(of, name) if of == partner && name == plugin);
        self.begin_if(is_wanted, work)
    }

    fn begin_if(&self, is_wanted: impl Fn(&Name) -> bool, work: &mut Work) -> Option<Recorded> {
        let session = self.shared.session.load_full()?;
        let only = session.options.component.as_ref();
        only.is_none_or(is_wanted).then(|| Recorded {
            session,
            tape: Tape::over(work),
        })
    }

    /// Starts a recording; what it tells comes out of the channel. Returns once invocations are recorded.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(
        &self,
        options: Options,
        sources: &Sources,
    ) -> Result<mpsc::Receiver<Bytes>, Error> {
        let hold = Hold::take(&self.shared)?;
        if let Some(name) = &options.component {
            sources.check(name).await?;
        }
        let (ready, is_ready) = oneshot::channel();
        let (pieces, told) = mpsc::channel(PIECES_MAX);
        let sources = sources.clone();
        let recording = async move {
            match writing::prepare(&options, sources).await {
                Ok(scribe) => writing::record(hold, options, scribe, pieces, ready).await,
                Err(error) => drop(ready.send(Err(error.into()))),
            }
        };
        tokio::spawn(async move {
            if let Err(lost) = on_own(BEHIND_ALL, recording).await {
                tracing::error!(?lost, "the recorder failed");
            }
        });
        is_ready.await.map_err(|_| Error::Failed)??;
        Ok(told)
    }

    /// Ends the recording, if there is one: what was recorded until now is still told. How far it was.
    #[must_use]
    pub fn stop(&self) -> Status {
        let status = self.status();
        self.shared.stop().cancel();
        status
    }

    /// How far the recording is.
    #[must_use]
    pub fn status(&self) -> Status {
        match &*self.shared.session.load() {
            Some(session) => session.status(),
            None => Status {
                // It may be about to begin, or be telling what is left.
                recording: self.shared.is_taken.load(Ordering::Acquire),
                since: None,
                component: None,
                failing: false,
                invocations: 0,
                limit: 0,
                missed: 0,
                bytes: 0,
            },
        }
    }
}

impl Sources {
    /// That a component or plugin is there.
    async fn check(&self, name: &Name) -> Result<(), Error> {
        let is_there = match name {
            Name::Component(component) => {
                let generation = self.registry.generation();
                generation.components.contains_key(component)
            }
            Name::Plugin(partner, plugin) => {
                let active = plugins::active(self.store.as_ref(), partner, plugin).await?;
                active.is_some()
            }
        };
        let unknown = || Error::UnknownComponent(name.clone());
        is_there.then_some(()).ok_or_else(unknown)
    }
}

impl Recorded {
    /// The invocation has ended, well or not; none where it failed and that was not its components' doing.
    pub(crate) fn ended(
        self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        input: &types::Input,
        ran: &Result<(types::Output, Box<Work>), dispatch::Error>,
    ) -> Option<Pending> {
        if self.tape.is_cut() {
            self.missed();
            return None;
        }
        Some(Pending {
            taken: self.tape.taken(generation, active, input, ran)?,
            session: self.session,
            is_failure: ran.is_err(),
        })
    }

    /// It was more than can be recorded.
    pub(crate) fn missed(self) {
        self.session.miss();
    }

    /// The run has ended, well or not, and is recorded once it is settled; none where it is lost and that was not its
    /// components' doing.
    pub(crate) fn ran(self, run: &Run<'_>, ran: &Ran, tab: &Tab) -> Option<Pending> {
        Some(Pending {
            taken: self.tape.ran(run, ran, tab)?,
            session: self.session,
            is_failure: false,
        })
    }
}

impl Pending {
    /// Hands the invocation to its recording: if it failed, or if what it did was kept.
    pub(crate) fn keep_if(self, is_kept: bool) {
        if is_kept || self.is_failure {
            self.keep();
        }
    }

    /// Hands the invocation to its recording.
    pub(crate) fn keep(self) {
        self.session.keep(self.taken);
    }
}

impl Shared {
    fn stop(&self) -> MutexGuard<'_, CancellationToken> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A recording that begins: nobody else may until it has ended, however it does.
struct Hold(Arc<Shared>);

impl Hold {
    fn take(shared: &Arc<Shared>) -> Result<Self, Error> {
        match shared.is_taken.swap(true, Ordering::AcqRel) {
            true => Err(Error::Running),
            false => {
                *shared.stop() = CancellationToken::new();
                Ok(Self(shared.clone()))
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.session.store(None);
        self.0.is_taken.store(false, Ordering::Release);
    }
}
