//! The connection to Redis: one multiplexed connection to the server that takes writes, which is found
//! and made again when it breaks; what errors mean; and whether the server answers at all.
//!
//! It is not a client of its own: commands, replies and scripts are those of the crate `redis`. Everything
//! sent through it is a read or idempotent, so that a command whose answer was lost is simply sent
//! again. A dropped future does not take back a command that was sent.
//!
//! **Invariants.** A command that was refused for good never ran. While there is no connection nothing
//! waits for longer than [`GRACE`], and never more than [`IN_FLIGHT_MAX`] commands at once.

mod call;
mod endpoint;
mod failure;
mod keeper;
mod live;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, ScriptInvocation};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::server::{Facts, Waits};
use crate::clock::{self, Monotonic};
use crate::store::{Error, Result};
use call::{Call, Request};
pub(super) use endpoint::Endpoint;
use failure::Failure;
use live::Live;

/// Most commands that wait for an answer at once: more than all places for invocations together, and few
/// enough that what they hold stays small.
const IN_FLIGHT_MAX: usize = 1_024;

/// How long commands wait for a connection that has just broken: most are back at once.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the server answers and takes writes; why not.
pub(super) type Health = std::result::Result<(), &'static str>;

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Trouble {
    /// In plain words.
    pub(super) reason: &'static str,
    /// What was met.
    pub(super) source: Option<RedisError>,
}

impl Trouble {
    pub(super) fn new(reason: &'static str) -> Self {
        Self {
            reason,
            source: None,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(reason) | Failure::Refused(reason) | Failure::Misplaced(reason) => {
                Self::new(reason)
            }
            Failure::Fault => Self::new("Redis does not understand what Leyden asks"),
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self {
            source: Some(error.clone()),
            ..failure::judge(&error).into()
        }
    }
}

/// What the link needs to know.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Longest wait for one answer.
    pub(super) reply_max: Duration,
    /// A key that nothing else uses, written to see whether writes are taken.
    pub(super) probe_key: String,
    /// A key that nothing else uses, written to wait for what came before.
    pub(super) barrier_key: String,
    /// What commits wait for.
    pub(super) waits: Waits,
}

/// The connection. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub(super) struct Link {
    core: Arc<Core>,
    /// Ends the task that keeps the connection when the last clone goes.
    _guard: Arc<DropGuard>,
}

/// What commands and the keeper share.
struct Core {
    options: Options,
    state: watch::Sender<State>,
    health: watch::Sender<Health>,
    permits: Semaphore,
    numbers: AtomicU64,
}

/// Whether there is a connection.
#[derive(Clone)]
enum State {
    /// → `Down` when a command or the keeper finds it broken.
    Up(Arc<Live>),
    /// → `Up` when the keeper has made another.
    Down {
        reason: &'static str,
        since: Monotonic,
    },
}

impl Link {
    /// Connects, and keeps connected until the last clone is dropped.
    pub(super) async fn open(
        mut endpoint: Endpoint,
        options: Options,
    ) -> std::result::Result<Self, Trouble> {
        let live = Live::open(0, &mut endpoint, options.barrier()).await?;
        let core = Arc::new(Core {
            options,
            state: watch::Sender::new(State::Up(Arc::new(live))),
            health: watch::Sender::new(Ok(())),
            permits: Semaphore::new(IN_FLIGHT_MAX),
            numbers: AtomicU64::new(1),
        });
        let end = CancellationToken::new();
        let keeper = keeper::keep(core.clone(), endpoint);
        tokio::spawn(end.clone().run_until_cancelled_owned(keeper));
        Ok(Self {
            core,
            _guard: Arc::new(end.drop_guard()),
        })
    }

    /// Runs a command.
    ///
    /// # Errors
    /// `Unavailable`: no answer within the bound, or refused. `Backend`: the server's error, or an answer
    /// of another type.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.ask(Request::One(command)).await
    }

    /// Runs commands in one round trip; not atomic, and all are sent again when the answer was lost.
    ///
    /// # Errors
    /// As [`Link::run`], for the first that failed.
    pub(super) async fn pipe<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        self.ask(Request::Many(pipeline)).await
    }

    /// Runs a script that reads, or that may be run twice; loads it where the server does not know it.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T> {
        self.ask(Request::Script(invocation)).await
    }

    /// Runs the script of a commit, which must know its own repetition, and waits until what it
    /// wrote is as durable as the options ask for. Use this for commits and nothing else.
    ///
    /// # Errors
    /// `Unavailable`: it was refused or never sent, so nothing happened. `Unresolved`: it was sent, and
    /// no answer came within the bound. `Backend`: the server's error.
    pub(super) async fn commit<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T> {
        let mut call = Call::commit(&self.core);
        call.durable_answer(Request::Script(invocation)).await
    }

    /// A connection of one's own to the server, for commands that wait. It is not made again: ask for
    /// another one when it breaks.
    ///
    /// # Errors
    /// `Unavailable`: there is none now.
    pub(super) async fn dedicated(&self) -> Result<MultiplexedConnection> {
        let live = self.core.live(None).await;
        let live = live.map_err(Error::Unavailable)?;
        let opened = live::connect(&live.place).await;
        opened.map_err(|trouble| Error::Unavailable(trouble.reason))
    }

    /// Whether the server answers and takes writes.
    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.core.health.subscribe()
    }

    /// Longest wait for one answer.
    pub(super) fn reply_max(&self) -> Duration {
        self.core.options.reply_max
    }

    /// What the server has said of itself.
    ///
    /// # Errors
    /// `Unavailable`: there is no connection now.
    pub(super) async fn facts(&self) -> Result<Facts> {
        let live = self.core.live(None).await;
        live.map(|live| live.facts.clone())
            .map_err(Error::Unavailable)
    }

    async fn ask<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T> {
        let (answer, _) = Call::ask(&self.core).answer(request).await?;
        Ok(answer)
    }
}

impl Options {
    fn barrier(&self) -> Option<(&str, Waits)> {
        let waits = self.waits;
        (waits.replica || waits.disk).then_some((self.barrier_key.as_str(), waits))
    }
}

impl Core {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The connection. Where there is none, another one is waited for until `until`, or until the
    /// grace of the one that broke is over (none given).
    async fn live(&self, until: Option<Monotonic>) -> std::result::Result<Arc<Live>, &'static str> {
        let mut state = self.state.subscribe();
        loop {
            let (reason, since) = match &*state.borrow_and_update() {
                State::Up(live) => return Ok(live.clone()),
                State::Down { reason, since } => (*reason, *since),
            };
            let until = until.unwrap_or(since + GRACE);
            let wait = until.saturating_duration_since(clock::monotonic());
            if wait.is_zero() || timeout(wait, state.changed()).await.is_err() {
                return Err(reason);
            }
        }
    }

    /// Says that a connection is of no use any more. Another one is then made at once.
    fn broke(&self, number: u64, reason: &'static str) {
        let broke = self.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Up(live) if live.number == number);
            if is_it {
                let since = clock::monotonic();
                *state = State::Down { reason, since };
            }
            is_it
        });
        if broke {
            tracing::warn!(reason, "a connection to Redis is given up");
        }
    }

    /// Says what the server thinks of writes.
    fn feels(&self, health: Health) {
        let changed = self.health.send_if_modified(|now| {
            let changed = *now != health;
            *now = health;
            changed
        });
        match health {
            Err(reason) if changed => tracing::error!(reason, "the store is not available"),
            Ok(()) if changed => tracing::info!("the store is available again"),
            _ => {}
        }
    }
}
