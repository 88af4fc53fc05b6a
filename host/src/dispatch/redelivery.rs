//! Dead letters that are tried once more: the component runs on the one record, and the letter leaves
//! the log in the same commit as what the run does.
//!
//! **Invariant.** A letter is handled at most once, however many ask for it at once: the store refuses
//! to remove a record twice, so of two that overlap one is run again and then finds its letter gone.

use std::sync::Arc;

use super::error::Error;
use super::{Dispatcher, Obstacle, Task, find};
use crate::ids::ComponentName;
use crate::registry::Generation;
use crate::store::{Offset, Partition, Record, Store};

impl Dispatcher {
    /// Runs a component on one record that is a dead letter, and removes the letter in the same commit.
    /// Nothing is acknowledged: the group went past the record when it became one.
    ///
    /// # Errors
    /// See [`Error`]; nothing was kept then and the letter is still there, except that
    /// [`Error::Fenced`] says that there is no such letter any more.
    pub async fn redeliver(
        &self,
        generation: &Arc<Generation>,
        component: &ComponentName,
        partition: Partition,
        record: Record,
        letter: &(Partition, Offset),
    ) -> Result<(), Error> {
        let input = self.delivered(partition, vec![record]);
        let task = Task {
            letter: Some(letter),
            ..Task::of(&input, None)
        };
        let active = find(generation, component)?;
        self.run(generation, active, &task).await.map(|_| ())
    }
}

/// The letter must still be there.
pub(super) async fn check(
    store: &dyn Store,
    (partition, offset): &(Partition, Offset),
) -> Result<(), Obstacle> {
    let before = offset.saturating_sub(1);
    let found = store.read_log(partition, before, 1, 1).await?;
    match found.first() {
        Some(record) if record.offset == *offset => Ok(()),
        _ => Err(Obstacle::Final(Error::Fenced)),
    }
}
