//! Runs of partners' plugins: hold, run, settle.
//!
//! A run begins with a commit that takes what it may spend out of the partner's account and ends with one that pays
//! out what it has read and gives back the rest, with the receipt and everything else that tells of it. In
//! between the plugin runs in a fresh instance; its reads stand on a snapshot of their own, which the settlement
//! does not check: a report is consistent, not current, and consent is asked at each read.
//!
//! **Invariants.** Nothing of a run leaves before it is settled. A run goes on and is settled whether or not whoever
//! asked for it is still there. Whatever the host does not bring to an end is voided: nothing is charged
//! then, and nothing has left. Runs of one partner are settled one after the other, those that wait together in one
//! commit, so that they do not stand in each other's way at the end of its chain of receipts. A run takes up room
//! only while the plugin runs, not while its commits are on their way.

mod carry;
mod commits;
mod engine;
mod looks;
mod once;
mod registers;
mod sweep;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{self, Answered, Asked};
use super::limits::{self, RunLimits};
use super::queue::{self, Claim, Full, Queue};
use super::receipts::Outcome;
use super::started::RunRequest;
use super::{Notary, OutOfCredit, failpoints, record};
use crate::clock::{self, Clock};
use crate::dispatch::work::{self, Seed, Work};
use crate::ids::{ComponentName, PartnerId};
use crate::keys::random;
use crate::metering::{Dataset, Terms};
use crate::registry::Generation;
use crate::replay::Recorder;
use crate::runtime::run::{Ran, RunInput};
use crate::store::{self, Holder, Store};
use crate::telemetry::request;

pub use engine::Engine;
pub use looks::LOGS_MAX;
pub(crate) use once::Once;
use registers::Register;
use turns::Turns;

/// Most rounds of one request: each ends because another run had its key, or its partner's trust was changed
/// while it waited.
const ROUNDS_MAX: usize = 5;

/// Longest wait for a run of the same key that is under way: as long as the longest run and its settlement take.
const SAME_KEY_WAIT_MAX: Duration = Duration::from_secs(45);

/// First wait between two looks at a run of the same key, ms; doubled up to [`LOOK_MS_MAX`].
const LOOK_MS: u64 = 10;

/// Longest wait between two looks, ms.
const LOOK_MS_MAX: u64 = 250;

/// Why a run was not carried out, or was lost. Nothing was charged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is asked for is not there, or the store did not answer.
    #[error(transparent)]
    Partner(#[from] super::Error),
    /// The caller's bound is more than the account holds.
    #[error(transparent)]
    OutOfCredit(#[from] OutOfCredit),
    /// The key was used before with another request.
    #[error("the idempotency key was used before with a different request")]
    KeyReused,
    /// A run of the same key is under way and takes long.
    #[error("run {0} of the same idempotency key is still under way")]
    Running(String),
    /// There is no place for it.
    #[error(transparent)]
    Full(#[from] Full),
    /// The plugin imports what the partner's trust level does not open any more: each import with the level that it needs.
    #[error("the plugin imports datasets that the partner's trust level does not open")]
    NotGranted(Vec<(String, u32)>),
    /// The plugin's version cannot be loaded: the rules have changed since it was uploaded.
    #[error("the plugin's version cannot be run any more: {0}")]
    Unloadable(String),
    /// The host cannot run anything now; why, in words.
    #[error("{0}")]
    Unready(String),
    /// The host lost the run; what the receipt of that says.
    #[error("the host lost run {run}: {why}")]
    Lost {
        /// The run.
        run: String,
        /// Why, in words.
        why: String,
        /// Its receipt, where one could be written: nothing is charged.
        receipt: Option<Vec<u8>>,
    },
}

impl From<work::Error> for Error {
    fn from(error: work::Error) -> Self {
        Self::Partner(error.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Partner(error.into())
    }
}

impl Error {
    /// Whether what was read has changed, so that another try may help.
    fn is_overtaken(&self) -> bool {
        matches!(
            self,
            Self::Partner(super::Error::Store(store::Error::Overtaken))
        )
    }
}

/// What came of a run that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its receipt's exact bytes.
    pub receipt: Vec<u8>,
    /// What it leaves.
    pub end: End,
}

/// What a run leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A report.
    Report {
        /// The body's media type.
        media_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// A report that was given once and is kept no longer.
    Gone,
    /// None; why, in words.
    Failed(String),
}

/// A version of a plugin, ready to run.
pub struct Ready {
    /// The version.
    pub digest: crate::ids::Digest,
    /// The components that answer its reads.
    pub generation: Arc<Generation>,
    /// What the access policy asks at the partner's trust level.
    pub terms: Terms,
    /// The datasets that it imports.
    pub imports: Vec<Dataset>,
    /// Runs it once there is room for it ([`RunInput::entry`]), in a fresh instance.
    pub run: Arc<dyn Fn(RunInput) -> BoxFuture<'static, Ran> + Send + Sync>,
}

/// Makes plugins ready: the engine for partners' code, or a script in tests.
pub trait Runner: Send + Sync {
    /// The active version of a plugin for a trust level; `work` lends its instant.
    fn ready<'a>(
        &'a self,
        partner: &'a PartnerId,
        plugin: &'a ComponentName,
        trust_level: u32,
        work: Box<Work>,
    ) -> BoxFuture<'a, Result<Ready, Error>>;
}

/// What runs need.
pub struct Options {
    /// Keeps everything.
    pub store: Arc<dyn Store>,
    /// Tells the time that receipts are stamped with.
    pub clock: Arc<Clock>,
    /// Signs receipts.
    pub notary: Notary,
    /// Runs plugins.
    pub runner: Arc<dyn Runner>,
    /// This start of a host.
    pub holder: Holder,
    /// Whether other hosts may serve the same store.
    pub shared: bool,
    /// Who records what runs here.
    pub recorder: Recorder,
}

/// Runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct Runs {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    /// Who may be under way.
    queue: Queue,
    /// Who of them may run now.
    room: Queue,
    /// Runs that are under way here.
    register: Register,
    /// Whose turn it is to be settled.
    turns: Turns,
    /// What the randomness of runs follows from, with their ids.
    secret: [u8; 32],
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What carrying out a request came to.
enum Carried {
    /// It ended.
    Ended(Ended),
    /// Its key was used, or its partner's trust was changed, meanwhile: from the start.
    Again,
}

impl Runs {
    /// Starts, with a queue as long as this machine has room for. Where the store is this host's alone, what
    /// its last start left half done is voided first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            options,
            queue: Queue::new(queue::under_way(cores)),
            room: Queue::new(limits::room(cores)),
            register: Register::default(),
            turns: Turns::default(),
            secret: random(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        if !shared.options.shared {
            let now_ms = clock::system_now().0;
            shared.sweep(&sweep::View::Alone, now_ms).await?;
        }
        Ok(Self { shared })
    }

    /// Runs a partner's plugin and returns once the run is settled. A second request under the key of a run
    /// that is under way waits for it and gets its answer.
    ///
    /// # Errors
    /// See [`Error`]; nothing was charged.
    pub async fn run(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        request: RunRequest,
    ) -> Result<Ended, Error> {
        let asked = Asked::new(partner, plugin, &request);
        for _ in 0..ROUNDS_MAX {
            if let Some(ended) = self.shared.answered(&asked).await? {
                return Ok(ended);
            }
            match self.carried(&asked, &request).await? {
                Carried::Ended(ended) => return Ok(ended),
                Carried::Again => {}
            }
        }
        Err(Error::Unready(
            "others ask for the same at the same time".into(),
        ))
    }

    /// Carries a request out once there is a place for it. From then on it does not depend on the caller.
    async fn carried(&self, asked: &Asked, request: &RunRequest) -> Result<Carried, Error> {
        let trust_level = self.shared.trust_level(&asked.partner).await?;
        let claim = Claim::under_way(&RunLimits::of(trust_level));
        let place = self.shared.queue.enter(&asked.partner, claim).await?;
        failpoints::pass("run.admitted");
        let (shared, asked, request) = (self.shared.clone(), asked.clone(), request.clone());
        let work = async move {
            let _place = place;
            shared.carry_out(&asked, request, trust_level).await
        };
        let carried = self.shared.tasks.spawn(request::carried(work));
        carried.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a run failed inside the host");
            Err(Error::Unready("the host failed; its log says more".into()))
        })
    }

    /// Units of room that runs take up, and runs that wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let (taken, waiting) = self.shared.room.load();
        (taken, waiting + self.shared.queue.load().1)
    }

    /// Lets the runs that are under way end and be settled.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    /// An empty transaction of the host's own.
    fn work(&self) -> Box<Work> {
        let Options { store, clock, .. } = &self.options;
        super::operation::blank(store, clock.now())
    }

    /// The same of a run, which draws randomness: the same each time that it is made, and unpredictable from outside.
    fn work_of(&self, run: &str) -> Box<Work> {
        let Options { store, clock, .. } = &self.options;
        Work::new(store.clone(), clock.now(), Seed::of(&self.secret, run))
    }

    async fn trust_level(&self, partner: &PartnerId) -> Result<u32, Error> {
        let found = record::find(&mut self.work(), partner).await?;
        let found = found.ok_or_else(|| super::Error::UnknownPartner(partner.clone()))?;
        Ok(found.trust_level)
    }

    /// The answer that was given under the same key; one that is under way is waited for.
    async fn answered(&self, asked: &Asked) -> Result<Option<Ended>, Error> {
        let since = clock::monotonic();
        let mut wait_ms = LOOK_MS;
        loop {
            let run = match self.look(asked).await? {
                None => return Ok(None),
                Some((run, Some(ended))) => return Ok(Some(Ended { run, ..ended })),
                Some((run, None)) => run,
            };
            if clock::monotonic().saturating_duration_since(since) >= SAME_KEY_WAIT_MAX {
                return Err(Error::Running(run));
            }
            clock::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms = (wait_ms * 2).min(LOOK_MS_MAX);
        }
    }

    /// The run of the same key, and what came of it unless it is under way.
    async fn look(&self, asked: &Asked) -> Result<Option<(String, Option<Ended>)>, Error> {
        if asked.place.is_none() {
            return Ok(None);
        }
        let mut work = self.work();
        match answers::find(&mut work, asked).await? {
            None => Ok(None),
            Some(Answered::Running(run)) => Ok(Some((run, None))),
            Some(Answered::Ended(run, end)) => {
                let ended = answers::repeat(&mut work, asked, run.clone(), end).await?;
                Ok(Some((run, Some(ended))))
            }
        }
    }
}
