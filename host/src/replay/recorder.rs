//! Records what this host runs: one recording at a time, told to whoever asked for it line by line, and kept nowhere
//! else.
//!
//! **Invariants.** An invocation never waits for the recorder: what it cannot take in is counted and left out. While
//! nothing is recorded, an invocation costs one look at a pointer. A recording ends by itself: with its number, its bytes
//! or its time, and when nobody reads it any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::scribe::{self, Scribe};
use super::tape::{Taken, Tape};
use crate::clock;
use crate::dispatch::work::Work;
use crate::dispatch::{self, types};
use crate::ids::{ComponentName, Instant};
use crate::registry::{Active, Generation, Registry};
use crate::runtime::{BEHIND_ALL, on_own};

/// Invocations that wait to be written at most: what a busy host runs in a tenth of a second.
const QUEUE_MAX: usize = 1_024;

/// Bytes of such invocations, about: one alone may have read 64 MiB.
const QUEUE_BYTES_MAX: usize = 64 << 20;

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
    /// Only invocations of this component; none: of all.
    pub component: Option<ComponentName>,
    /// Only those that fail.
    pub is_failing: bool,
    /// How many invocations.
    pub limit: u64,
    /// How many bytes, about.
    pub bytes_max: u64,
    /// For how long.
    pub time: Duration,
}

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is being recorded already.
    #[error("this host records already")]
    Running,
    /// There is no such component.
    #[error("no component is named {0}")]
    UnknownComponent(ComponentName),
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
    /// Only this component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
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
}

/// One recording.
struct Session {
    options: Options,
    since: Instant,
    queue: mpsc::Sender<Taken>,
    queued_bytes: AtomicUsize,
    missed: AtomicU64,
    kept: AtomicU64,
    bytes: AtomicU64,
    stop: CancellationToken,
}

/// An invocation that is being recorded.
pub(crate) struct Recorded {
    session: Arc<Session>,
    tape: Tape,
}

/// An invocation that is kept once its effects are.
pub(crate) struct Pending {
    session: Arc<Session>,
    taken: Taken,
    is_failure: bool,
}

impl Recorder {
    /// Begins to note an invocation, if it is to be recorded.
    pub(crate) fn begin(&self, component: &ComponentName, work: &mut Work) -> Option<Recorded> {
        let session = self.shared.session.load_full()?;
        let only = session.options.component.as_ref();
        only.is_none_or(|only| only == component).then(|| Recorded {
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
        registry: &Registry,
        cache: Option<PathBuf>,
    ) -> Result<mpsc::Receiver<Bytes>, Error> {
        let hold = Hold::take(&self.shared)?;
        if let Some(name) = &options.component
            && !registry.generation().components.contains_key(name)
        {
            return Err(Error::UnknownComponent(name.clone()));
        }
        let (ready, is_ready) = oneshot::channel();
        let (pieces, told) = mpsc::channel(PIECES_MAX);
        let registry = registry.clone();
        let recording = async move {
            match prepare(&options, &registry, cache).await {
                Ok(scribe) => record(hold, options, scribe, pieces, ready).await,
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
        if let Some(session) = &*self.shared.session.load() {
            session.stop.cancel();
        }
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

impl Recorded {
    /// The invocation has ended, well or not; none where it failed and that was not its components' doing.
    pub(crate) fn ended(
        self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        input: &types::Input,
        ran: &Result<(types::Output, Box<Work>), dispatch::Error>,
    ) -> Option<Pending> {
        Some(Pending {
            taken: self.tape.taken(generation, active, input, ran)?,
            session: self.session,
            is_failure: ran.is_err(),
        })
    }
}

impl Pending {
    /// Hands the invocation to its recording: if it failed, or if what it did was kept.
    pub(crate) fn keep(self, is_kept: bool) {
        if is_kept || self.is_failure {
            self.session.keep(self.taken);
        }
    }
}

/// A recording that begins: nobody else may until it has ended, however it does.
struct Hold(Arc<Shared>);

impl Hold {
    fn take(shared: &Arc<Shared>) -> Result<Self, Error> {
        match shared.is_taken.swap(true, Ordering::AcqRel) {
            true => Err(Error::Running),
            false => Ok(Self(shared.clone())),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.session.store(None);
        self.0.is_taken.store(false, Ordering::Release);
    }
}

impl Session {
    fn status(&self) -> Status {
        Status {
            recording: true,
            since: Some(self.since.to_string()),
            component: self.options.component.clone(),
            failing: self.options.is_failing,
            invocations: self.kept.load(Ordering::Relaxed),
            limit: self.options.limit,
            missed: self.missed.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Takes an invocation in, if it is wanted and there is room.
    fn keep(&self, taken: Taken) {
        if self.options.is_failing && !taken.outcome.output.is_failure() {
            return;
        }
        let bytes = taken.bytes();
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if queued + bytes <= QUEUE_BYTES_MAX && self.queue.try_send(taken).is_ok() {
            return;
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        // Once it is stopping, nothing is missed.
        if !self.stop.is_cancelled() && !self.queue.is_closed() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that so much was written; why the recording is at its end, if it is.
    fn wrote(&self, bytes: usize) -> Option<&'static str> {
        let kept = self.kept.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if kept >= self.options.limit {
            return Some("limit");
        }
        (bytes >= self.options.bytes_max).then_some("bytes")
    }
}

/// Compiles all that invocations will need, before the first is recorded.
async fn prepare(
    options: &Options,
    registry: &Registry,
    cache: Option<PathBuf>,
) -> Result<Scribe, scribe::Error> {
    let mut scribe = Scribe::new(registry, cache)?;
    let generation = registry.generation();
    let only = options.component.as_ref();
    let recorded = generation.components.values();
    for active in recorded.filter(|active| only.is_none_or(|only| *only == active.name)) {
        scribe.prepare(&generation, active, &[]).await?;
    }
    Ok(scribe)
}

/// Records until something ends it.
async fn record(
    hold: Hold,
    options: Options,
    mut scribe: Scribe,
    pieces: mpsc::Sender<Bytes>,
    ready: oneshot::Sender<Result<(), Error>>,
) {
    let (queue, mut taken) = mpsc::channel(QUEUE_MAX);
    let time = options.time;
    let session = Arc::new(Session {
        since: clock::system_now(),
        options,
        queue,
        queued_bytes: AtomicUsize::new(0),
        missed: AtomicU64::new(0),
        kept: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        stop: CancellationToken::new(),
    });
    hold.0.session.store(Some(session.clone()));
    // Who does not wait any more does not read either.
    if ready.send(Ok(())).is_err() || pieces.send(scribe.header().into()).await.is_err() {
        return;
    }
    let over = async {
        let because = tokio::select! {
            () = session.stop.cancelled() => "stop",
            () = clock::sleep(time) => "time",
        };
        // Nothing more is taken in; what was is still told.
        hold.0.session.store(None);
        because
    };
    let because = write(&session, &mut scribe, &mut taken, &pieces, over).await;
    hold.0.session.store(None);
    let Some(because) = because else { return };
    scribe.end.missed = session.missed.load(Ordering::Relaxed);
    scribe.end.because = because.to_owned();
    // Whoever went away just now does not need the end.
    let _ = pieces.send(scribe.end().into()).await;
}

/// Writes what is taken in, until `over` says why that is all; why it ended. None: nobody reads it.
async fn write(
    session: &Session,
    scribe: &mut Scribe,
    taken: &mut mpsc::Receiver<Taken>,
    pieces: &mpsc::Sender<Bytes>,
    over: impl Future<Output = &'static str>,
) -> Option<&'static str> {
    tokio::pin!(over);
    let mut because = None;
    loop {
        let next = tokio::select! {
            biased;
            () = pieces.closed() => return None,
            why = &mut over, if because.is_none() => {
                taken.close();
                because = Some(why);
                continue;
            }
            next = taken.recv() => next,
        };
        let Some(next) = next else { return because };
        session
            .queued_bytes
            .fetch_sub(next.bytes(), Ordering::Relaxed);
        match scribe.lines(next).await {
            Ok(lines) => {
                let bytes = lines.len();
                pieces.send(lines.into()).await.ok()?;
                if let Some(full) = session.wrote(bytes) {
                    return Some(full);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an invocation could not be recorded");
                session.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The record of one invocation.
///
/// # Errors
/// It cannot be replayed, or the recorder failed.
pub(crate) async fn export(
    taken: Taken,
    registry: &Registry,
    cache: Option<PathBuf>,
) -> Result<Vec<u8>, Error> {
    let registry = registry.clone();
    let writing = async move {
        let mut scribe = Scribe::new(&registry, cache)?;
        let mut record = scribe.header();
        record.extend(scribe.lines(taken).await?);
        scribe.end.because = "limit".to_owned();
        record.extend(scribe.end());
        Ok::<_, scribe::Error>(record)
    };
    let written = on_own(BEHIND_ALL, writing).await;
    Ok(written.map_err(|_| Error::Failed)??)
}
