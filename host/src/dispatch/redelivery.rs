//! Dead letters that are tried once more: the component runs on the one record, and the letter leaves
//! the log in the same commit as what the run does.
//!
//! **Invariant.** A letter is handled at most once, however many ask for it at once: each redelivery
//! reads and writes one common key, so of two that overlap one is run again and then finds its letter
//! gone. Redeliveries are rare and asked for by hand; that they take turns costs nothing.

use std::sync::Arc;

use super::error::Error;
use super::work::Work;
use super::{Dispatcher, Obstacle, Task, find};
use crate::ids::ComponentName;
use crate::registry::Generation;
use crate::store::{Offset, Partition, Record, Space, Store, offset_text};

/// Space of the key that redeliveries contend for.
const SPACE: &str = "leyden.redelivery";

/// That key; its value names the letter that was retried last.
const LAST: &[u8] = b"last";

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
            input: &input,
            key: None,
            acknowledgement: None,
            letter: Some(letter),
        };
        let active = find(generation, component)?;
        self.run(generation, active, &task).await.map(|_| ())
    }
}

/// The letter must still be there. The common key is read before, so that the commit is refused where
/// another redelivery comes between.
pub(super) async fn check(
    work: &mut Work,
    store: &dyn Store,
    (partition, offset): &(Partition, Offset),
) -> Result<(), Obstacle> {
    work.read(&SPACE.into(), LAST).await?;
    let before = offset.saturating_sub(1);
    let found = store.read_log(partition, before, 1, 1).await?;
    match found.first() {
        Some(record) if record.offset == *offset => Ok(()),
        _ => Err(Obstacle::Final(Error::Fenced)),
    }
}

/// Writes the common key.
pub(super) fn mark(
    work: &mut Work,
    (partition, offset): &(Partition, Offset),
) -> Result<(), Obstacle> {
    let name = format!(
        "{}:{}:{}",
        partition.stream,
        partition.number,
        offset_text(*offset)
    );
    let value = Some(name.into_bytes());
    Ok(work.write(&Space::from(SPACE), LAST.to_vec(), value)?)
}
