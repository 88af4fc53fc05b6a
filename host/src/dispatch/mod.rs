//! Runs invocations as transactions: admits them, runs the component, commits its effects, and runs it
//! again where another commit came first. Neither HTTP nor wasmtime here.
//!
//! **Invariants.** An output leaves only after its effects are durable. An invocation that fails
//! leaves no effect, and neither does a `HEAD`: it asks what a `GET` would say. Re-runs, waiting and
//! places are bounded.

mod admission;
pub mod error;
mod idempotency;
mod overlay;
pub mod types;
pub mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use admission::Turns;
pub use error::{Culprit, Error};
pub use idempotency::IdempotencyKey;
pub(crate) use idempotency::forget as forget_answers;
use types::{Input, Output, Problem, Request, RequestHead, Response, RowBatch, Tally};
use work::{Seed, Work};

use crate::clock::{self, Clock};
use crate::ids::{ComponentName, StreamName};
use crate::registry::{Active, Generation};
use crate::store::{CommitError, Offset, Record, Space, Store};

/// Most runs of one invocation that keeps losing to other commits. From the second on it waits its
/// turn, so that reaching this takes an extraordinary storm.
const RUNS_MAX: u32 = 20;

/// Most runs of an invocation whose component asks to be run later.
const RETRIES_MAX: u32 = 3;

/// Wait before the first such run, ms; doubled each time.
const RETRY_MS: u64 = 20;

/// The cursor that a stream batch moves, in the same commit as the batch's effects.
#[derive(Debug, Clone)]
pub struct Acknowledgement {
    /// Space of the cursors.
    pub space: Space,
    /// The group's cursor.
    pub key: Vec<u8>,
    /// Where it must stand: otherwise the batch is not this delivery's any more.
    pub from: Offset,
    /// Where it goes.
    pub to: Offset,
}

/// Runs invocations. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    secret: Arc<[u8; 32]>,
    invocations: AtomicU64,
    admission: admission::Admission,
}

/// One invocation to be run.
struct Task<'a> {
    input: &'a Input,
    key: Option<&'a IdempotencyKey>,
    acknowledgement: Option<&'a Acknowledgement>,
}

impl Dispatcher {
    /// A dispatcher over a store and a clock.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        secret[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        let (secret, admission) = (Arc::new(secret), admission::Admission::default());
        let invocations = AtomicU64::new(0);
        Self {
            shared: Arc::new(Shared {
                store,
                clock,
                secret,
                invocations,
                admission,
            }),
        }
    }

    /// Answers a request with a component of a generation. Under an idempotency key, a retry gets the
    /// first answer.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept.
    pub async fn http(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        request: Request,
        key: Option<IdempotencyKey>,
    ) -> Result<Response, Error> {
        let input = Input::Http(request);
        match self
            .admitted(generation, component, &input, key.as_ref())
            .await?
        {
            Output::Http(response) => Ok(response),
            Output::Rows(_) | Output::Events => Err(Error::KeyReused),
        }
    }

    /// Takes in one batch of an upload: all its rows or none.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept.
    pub async fn rows(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        head: RequestHead,
        batch: RowBatch,
        key: Option<IdempotencyKey>,
    ) -> Result<Vec<Tally>, Error> {
        let input = Input::Rows(head, batch);
        match self
            .admitted(generation, component, &input, key.as_ref())
            .await?
        {
            Output::Rows(tallies) => Ok(tallies),
            Output::Http(_) | Output::Events => Err(Error::KeyReused),
        }
    }

    /// Delivers a batch of a stream, moving the group's cursor in the same commit.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept and the cursor did not move.
    pub async fn events(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        stream: StreamName,
        batch: Vec<Record>,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), Error> {
        let input = Input::Events(stream, batch);
        let active = find(generation, component)?;
        let task = Task {
            input: &input,
            key: None,
            acknowledgement: Some(acknowledgement),
        };
        self.run(generation, active, &task).await.map(|_| ())
    }

    /// Runs what came from outside, once there is a place for it.
    async fn admitted(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        input: &Input,
        key: Option<&IdempotencyKey>,
    ) -> Result<Output, Error> {
        let active = find(generation, component)?;
        let _place = self.shared.admission.enter(active).await?;
        self.run(
            generation,
            active,
            &Task {
                input,
                key,
                acknowledgement: None,
            },
        )
        .await
    }

    /// Runs until the effects are committed, or the invocation fails for a reason of its own.
    async fn run(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
    ) -> Result<Output, Error> {
        let invocation = self.shared.invocations.fetch_add(1, Ordering::Relaxed);
        let seed = Seed {
            secret: self.shared.secret.clone(),
            invocation,
        };
        let mut retries = 0;
        let mut turn = None;
        for run in 0..RUNS_MAX {
            if turn.is_none() {
                turn = active.turns.wait(run > 0, task.input).await;
            }
            match self.run_once(generation, active, task, seed.clone()).await {
                Ok(output) => return output.map_err(Error::Rejected),
                Err(Obstacle::Overtaken) => {}
                Err(Obstacle::Final(Error::Retry(..))) if retries < RETRIES_MAX => {
                    clock::sleep(Duration::from_millis(RETRY_MS << retries)).await;
                    retries += 1;
                }
                Err(Obstacle::Final(error)) => return Err(error),
            }
        }
        Err(Error::Contended(RUNS_MAX))
    }

    /// One run and its commit.
    async fn run_once(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
        seed: Seed,
    ) -> Result<Result<Output, Problem>, Obstacle> {
        let mut work = Work::new(self.shared.store.clone(), self.shared.clock.now(), seed);
        if let Some(key) = task.key
            && let Some(first) = key.first_answer(&mut work, active, task.input).await?
        {
            return Ok(first);
        }
        if let Some(acknowledgement) = task.acknowledgement {
            acknowledgement.check(&mut work).await?;
        }
        match active.loaded.invoke(generation, task.input, work).await {
            Ok((output, work)) => self.commit(active, task, Ok(output), work).await,
            Err(Error::Rejected(problem)) if task.key.is_some() => {
                let work = self.refused_work(task, active).await?;
                self.commit(active, task, Err(problem), work).await
            }
            Err(error) => Err(Obstacle::Final(error)),
        }
    }

    /// A refusal keeps nothing of the invocation but, under an idempotency key, the answer itself.
    async fn refused_work(&self, task: &Task<'_>, active: &Active) -> Result<Box<Work>, Obstacle> {
        let seed = Seed {
            secret: self.shared.secret.clone(),
            invocation: 0,
        };
        let mut work = Work::new(self.shared.store.clone(), self.shared.clock.now(), seed);
        if let Some(key) = task.key
            && key
                .first_answer(&mut work, active, task.input)
                .await?
                .is_some()
        {
            return Err(Obstacle::Overtaken);
        }
        Ok(work)
    }

    async fn commit(
        &self,
        active: &Active,
        task: &Task<'_>,
        answer: Result<Output, Problem>,
        mut work: Box<Work>,
    ) -> Result<Result<Output, Problem>, Obstacle> {
        if task.input.is_head() {
            return Ok(answer);
        }
        if let Some(key) = task.key {
            key.remember(&mut work, active, task.input, &answer)?;
        }
        if let Some(acknowledgement) = task.acknowledgement {
            acknowledgement.apply(&mut work)?;
        }
        let transaction = work.into_transaction();
        if transaction.is_empty() {
            return Ok(answer);
        }
        match self.shared.store.commit(transaction).await {
            Ok(_) => Ok(answer),
            Err(CommitError::Conflict | CommitError::Overdrawn { .. }) => Err(Obstacle::Overtaken),
            Err(CommitError::InvalidPosting(rule)) => {
                let why = format!("made a movement that is invalid: {rule}");
                Err(Obstacle::Final(Error::Misbehaved(active.culprit(), why)))
            }
            Err(CommitError::Store(error)) => Err(Obstacle::Final(error.into())),
        }
    }
}

/// Why a run did not end in a commit.
enum Obstacle {
    /// Another commit came first: run again.
    Overtaken,
    /// Running again at once would not help.
    Final(Error),
}

impl From<work::Error> for Obstacle {
    fn from(error: work::Error) -> Self {
        match error {
            work::Error::Store(error) => Self::Final(error.into()),
            work::Error::Budget(_) | work::Error::Insufficient(_) => Self::Final(Error::Store(
                crate::store::Error::Unavailable("the host's own reads were refused"),
            )),
        }
    }
}

impl Acknowledgement {
    /// The cursor must stand where this delivery began; reading it makes the commit check it again.
    async fn check(&self, work: &mut Work) -> Result<(), Obstacle> {
        let stored = work.read(&self.space, &self.key).await?;
        let at = stored
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, Offset::from_be_bytes);
        if at == self.from {
            Ok(())
        } else {
            Err(Obstacle::Final(Error::Fenced))
        }
    }

    fn apply(&self, work: &mut Work) -> Result<(), Obstacle> {
        Ok(work.write(
            &self.space,
            self.key.clone(),
            Some(self.to.to_be_bytes().to_vec()),
        )?)
    }
}

impl From<work::Budget> for Obstacle {
    fn from(budget: work::Budget) -> Self {
        work::Error::from(budget).into()
    }
}

fn find<'g>(
    generation: &'g Generation,
    component: &ComponentName,
) -> Result<&'g Arc<Active>, Error> {
    generation.components.get(component).ok_or(Error::Stopping)
}
