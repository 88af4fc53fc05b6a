//! Runs invocations as transactions: admits them, runs the component, commits its effects, and runs it
//! again where another commit came first. Neither HTTP nor wasmtime here; what functions are asked
//! is only passed on, in the types of `http`.
//!
//! **Invariants.** An output leaves only after its effects are durable. An invocation that fails
//! leaves no effect, and neither does a `HEAD`: it asks what a `GET` would say. Re-runs, waiting and
//! places are bounded.

mod admission;
pub(crate) mod answers;
mod budget;
mod commit;
mod dry;
pub mod error;
mod functions;
pub(crate) mod heard;
mod idempotency;
pub(crate) mod notes;
pub(crate) mod outside;
mod overlay;
mod reads;
mod redelivery;
pub(crate) mod rounds;
mod seed;
mod shadow;
pub mod types;
pub(crate) mod used;
pub mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use admission::Turns;
pub(crate) use answers::forget as forget_answers;
pub use error::{Culprit, Error};
pub use idempotency::IdempotencyKey;
pub(crate) use notes::Notes;
use types::{Input, Output, Problem, Request, RequestHead, Response, RowBatch, Tally};
pub(crate) use used::{GENERATION_HEADER, generation_of};
use work::{Seed, Work};

use crate::clock::{self, Clock};
use crate::ids::ComponentName;
use crate::keys::random;
use crate::operators::audit::Entry;
use crate::partners::Notary;
use crate::registry::{Active, Generation};
use crate::replay::Recorder;
use crate::store::{self, Acknowledgement, Offset, Partition, Record, Store};
use crate::telemetry::span;

/// Most runs of one invocation that keeps losing to other commits. From the second on it waits its
/// turn, so that reaching this takes an extraordinary storm.
const RUNS_MAX: u32 = 20;

/// Most runs of an invocation whose component asks to be run later.
const RETRIES_MAX: u32 = 3;

/// Wait before the first such run, ms; doubled each time.
const RETRY_MS: u64 = 20;

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
    notary: Notary,
    recorder: Recorder,
    shadows: shadow::Places,
}

/// One invocation to be run.
struct Task<'a> {
    input: &'a Input,
    key: Option<&'a IdempotencyKey>,
    /// Moved by the same commit as the effects.
    acknowledgement: Option<&'a Acknowledgement>,
    /// A dead letter that is retried, removed by the same commit as the effects.
    letter: Option<&'a (Partition, Offset)>,
    /// What the audit says of it, entered by the same commit as the effects.
    entry: Option<&'a Entry>,
}

impl<'a> Task<'a> {
    /// An input with nothing else to be committed with it.
    fn of(input: &'a Input, key: Option<&'a IdempotencyKey>) -> Self {
        Self {
            input,
            key,
            acknowledgement: None,
            letter: None,
            entry: None,
        }
    }
}

impl Dispatcher {
    /// A dispatcher over a store and a clock.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        let (secret, admission) = (Arc::new(random()), admission::Admission::default());
        let invocations = AtomicU64::new(0);
        let notary = Notary::new(store.clone());
        Self {
            shared: Arc::new(Shared {
                store,
                clock,
                secret,
                invocations,
                admission,
                notary,
                recorder: Recorder::default(),
                shadows: shadow::Places::default(),
            }),
        }
    }

    /// Who signs the receipts of what is read for partners.
    #[must_use]
    pub fn notary(&self) -> &Notary {
        &self.shared.notary
    }

    /// Who records what runs here.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
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
        let active = find(generation, component)?;
        self.audited(generation, active, request, key, None).await
    }

    /// As [`Self::http`]; an answer that is no refusal commits with its entry in the audit.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept.
    pub async fn audited(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        request: Request,
        key: Option<IdempotencyKey>,
        entry: Option<&Entry>,
    ) -> Result<Response, Error> {
        let input = Input::Http(request);
        let task = Task {
            entry,
            ..Task::of(&input, key.as_ref())
        };
        match self.admitted(generation, active, &task).await? {
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
        active: &Arc<Active>,
        head: RequestHead,
        batch: RowBatch,
        key: Option<IdempotencyKey>,
    ) -> Result<Vec<Tally>, Error> {
        let input = Input::Rows(head, batch);
        let task = Task::of(&input, key.as_ref());
        match self.admitted(generation, active, &task).await? {
            Output::Rows(tallies) => Ok(tallies),
            Output::Http(_) | Output::Events => Err(Error::KeyReused),
        }
    }

    /// Delivers a batch of a partition, acknowledging it in the same commit. Before it runs, a simulated
    /// clock is moved to the newest record at least, which another host may have published later than
    /// this one's clock says.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept or acknowledged then.
    pub async fn events(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        partition: Partition,
        batch: Vec<Record>,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), Error> {
        let input = self.delivered(partition, batch);
        let task = Task {
            acknowledgement: Some(acknowledgement),
            ..Task::of(&input, None)
        };
        let active = find(generation, component)?;
        self.run(generation, active, &task).await.map(|_| ())
    }

    /// Records as an input; a simulated clock is at the newest of them afterwards, at least.
    fn delivered(&self, partition: Partition, batch: Vec<Record>) -> Input {
        if let Some(newest) = batch.iter().map(|record| record.published_at).max() {
            self.shared.clock.advance_to(newest);
        }
        Input::Events(partition, batch)
    }

    /// Runs what came from outside, once there is a place for it.
    async fn admitted(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
    ) -> Result<Output, Error> {
        let _place = {
            let mut queue = span("queue");
            let entered = self.shared.admission.enter(active).await;
            queue.ended(&entered);
            entered?
        };
        self.run(generation, active, task).await
    }

    /// Runs until the effects are committed, or the invocation fails for a reason of its own.
    async fn run(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
    ) -> Result<Output, Error> {
        let seed = self.seed();
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

    /// The randomness of the next invocation.
    fn seed(&self) -> Seed {
        Seed {
            secret: self.shared.secret.clone(),
            invocation: self.shared.invocations.fetch_add(1, Ordering::Relaxed),
        }
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
        if let Some(letter) = task.letter {
            redelivery::check(self.shared.store.as_ref(), letter).await?;
        }
        let recorded = self.shared.recorder.begin(&active.name, &mut work);
        let used = work.used.clone();
        let mut run = span("run");
        run.tell("leyden.component", || active.name.to_string());
        run.tell("leyden.version", || active.digest.to_string());
        let ran = active.loaded.invoke(generation, task.input, work).await;
        run.ended(&ran);
        drop(run);
        used.end(matches!(&ran, Err(error) if error.is_failure()));
        let pending =
            recorded.and_then(|recorded| recorded.ended(generation, active, task.input, &ran));
        let outcome = self.ended(generation, active, task, ran).await;
        if let Some(pending) = pending {
            pending.keep_if(outcome.is_ok());
        }
        outcome
    }

    /// What becomes of a run.
    async fn ended(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
        ran: Result<(Output, Box<Work>), Error>,
    ) -> Result<Result<Output, Problem>, Obstacle> {
        match ran {
            Ok((output, work)) => {
                self.commit(generation, active, task, Ok(output), work)
                    .await
            }
            Err(Error::Rejected(problem)) if task.key.is_some() => {
                let work = self.refused_work(task, active).await?;
                self.commit(generation, active, task, Err(problem), work)
                    .await
            }
            Err(error) => Err(error.into()),
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
}

/// Why a run did not end in a commit.
enum Obstacle {
    /// Another commit came first: run again.
    Overtaken,
    /// Running again at once would not help.
    Final(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            other => Self::Final(other),
        }
    }
}

impl From<store::Error> for Obstacle {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Overtaken => Self::Overtaken,
            store::Error::Fenced => Self::Final(Error::Fenced),
            other => Self::Final(Error::Store(other)),
        }
    }
}

impl From<work::Error> for Obstacle {
    fn from(error: work::Error) -> Self {
        match error {
            work::Error::Store(error) => error.into(),
            work::Error::Budget(_) | work::Error::Insufficient(_) => Self::Final(Error::Store(
                store::Error::Unavailable("the host's own reads were refused"),
            )),
        }
    }
}

fn find<'g>(
    generation: &'g Generation,
    component: &ComponentName,
) -> Result<&'g Arc<Active>, Error> {
    generation.components.get(component).ok_or(Error::Stopping)
}
