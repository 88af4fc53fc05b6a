//! The end of a run: its effects become one transaction, and what the store says of it becomes the
//! next step. It neither runs components nor waits.

use std::sync::Arc;

use super::types::{Output, Problem};
use super::used::GENERATION_HEADER;
use super::work::Work;
use super::{Dispatcher, Error, Obstacle, Task, shadow};
use crate::policies::log;
use crate::registry::{Active, Generation};
use crate::store::{CommitError, Transaction};
use crate::telemetry::span;

impl Dispatcher {
    /// Commits what a run has collected, with its input's acknowledgement.
    pub(super) async fn commit(
        &self,
        generation: &Arc<Generation>,
        active: &Arc<Active>,
        task: &Task<'_>,
        mut answer: Result<Output, Problem>,
        mut work: Box<Work>,
    ) -> Result<Result<Output, Problem>, Obstacle> {
        if let Ok(Output::Http(response)) = &mut answer {
            let value = work.used.header(generation, active);
            let header = (GENERATION_HEADER.to_owned(), value);
            response.headers.push(header);
        }
        if task.input.is_head() {
            return Ok(answer);
        }
        let shadow = shadow::prepare(&self.shared.shadows, generation, &work);
        log::enter(&mut work, generation)?;
        if work.meter.is_some() {
            let (reader, trigger) = (active.culprit(), task.input.trigger());
            let notary = &self.shared.notary;
            // In a box, so that the others do not carry it about.
            let attesting =
                notary.attest_invocation(&mut work, &reader, generation.number, trigger);
            Box::pin(attesting).await?;
        }
        if let Some(entry) = task.entry.filter(|_| is_done(&answer)) {
            entry.enter(&mut work)?;
        }
        if let Some(key) = task.key {
            key.remember(&mut work, active, task.input, &answer)?;
        }
        let (now, seed) = (work.now(), work.seed().clone());
        let (effects, snapshot) = work.into_parts();
        let shadow = shadow.map(|prepared| {
            let output = &outcome(&answer);
            let ran = shadow::Ran {
                snapshot,
                now,
                seed,
                output,
                effects: &effects,
            };
            prepared.of(&self.shared.store, generation, active, task, ran)
        });
        let transaction = Transaction {
            acknowledgement: task.acknowledgement.cloned(),
            removals: task.letter.cloned().into_iter().collect(),
            ..effects
        };
        if !transaction.is_empty() {
            let mut commit = span("commit");
            let committed = self.shared.store.commit(transaction).await;
            commit.ended(&committed);
            drop(commit);
            committed.map_err(|error| refused(error, active))?;
        }
        if let Some(shadow) = shadow {
            shadow.start();
        }
        Ok(answer)
    }
}

/// Whether an answer says that what was asked for is done: a status below 400.
fn is_done(answer: &Result<Output, Problem>) -> bool {
    matches!(answer, Ok(Output::Http(response)) if response.status < 400)
}

/// What the component itself has answered.
fn outcome(answer: &Result<Output, Problem>) -> Result<Output, Problem> {
    let mut outcome = answer.clone();
    if let Ok(Output::Http(response)) = &mut outcome {
        response
            .headers
            .retain(|(name, _)| name != GENERATION_HEADER);
    }
    outcome
}

/// What follows from a refused commit.
fn refused(error: CommitError, active: &Active) -> Obstacle {
    match error {
        CommitError::Conflict | CommitError::Overdrawn { .. } => Obstacle::Overtaken,
        CommitError::InvalidPosting(rule) => {
            let why = format!("made a movement that is invalid: {rule}");
            Obstacle::Final(Error::Misbehaved(active.culprit(), why))
        }
        CommitError::LogFull(stream) => Obstacle::Final(Error::LogFull(stream)),
        CommitError::Store(error) => error.into(),
    }
}
