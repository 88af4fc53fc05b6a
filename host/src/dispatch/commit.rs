//! The end of a run: its effects become one transaction, and what the store says of it becomes the
//! next step. It neither runs components nor waits.

use super::types::{Output, Problem};
use super::work::Work;
use super::{Dispatcher, Error, Obstacle, Task};
use crate::registry::Active;
use crate::store::{CommitError, Transaction};

impl Dispatcher {
    /// Commits what a run has collected, with its input's acknowledgement.
    pub(super) async fn commit(
        &self,
        active: &Active,
        task: &Task<'_>,
        answer: Result<Output, Problem>,
        mut work: Box<Work>,
    ) -> Result<Result<Output, Problem>, Obstacle> {
        if task.input.is_head() {
            return Ok(answer);
        }
        if work.meter.is_some() {
            let (reader, trigger) = (active.culprit(), task.input.trigger());
            let notary = &self.shared.notary;
            notary
                .attest_invocation(&mut work, &reader, trigger)
                .await?;
        }
        if let Some(key) = task.key {
            key.remember(&mut work, active, task.input, &answer)?;
        }
        let transaction = Transaction {
            acknowledgement: task.acknowledgement.cloned(),
            removals: task.letter.cloned().into_iter().collect(),
            ..work.into_transaction()
        };
        if transaction.is_empty() {
            return Ok(answer);
        }
        match self.shared.store.commit(transaction).await {
            Ok(_) => Ok(answer),
            Err(error) => Err(refused(error, active)),
        }
    }
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
