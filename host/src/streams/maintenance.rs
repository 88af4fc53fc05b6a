//! What keeps the log and the idempotency keys bounded, on the host that holds unit 0: runs on a timer, takes
//! no input, may run twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::letters::DEAD_LETTERS;
use super::status::Counters;
use super::trimming::{Cut, Looks};
use super::{LISTENER_PREFIX, Shared};
use crate::clock;
use crate::dispatch::forget_answers;
use crate::registry::Generation;
use crate::store::{Error, GroupStatus, Offset, Partition, PartitionStatus};

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(5);

/// Records kept of every stream, over its partitions, although all groups are done with them, for whoever
/// watches.
const KEPT: u64 = 10_000;

/// Records kept of every partition, at least.
const PARTITION_KEPT_MIN: u64 = 1_000;

/// Dead letters that are kept: more than anybody looks at, and few enough for a store in memory.
const LETTERS_KEPT: u64 = 100_000;

/// Records looked at in a round to find where a partition is to be cut that nobody has counted.
const COUNTED_MAX: u64 = 1_000;

/// Payload bytes looked at for that.
const COUNTED_BYTES_MAX: usize = 1 << 20;

/// How long a first answer is kept under its idempotency key, ms: a day, as clients of payment APIs expect.
const ANSWER_AGE_MS_MAX: u64 = 86_400_000;

/// Answers removed in one commit.
const ANSWERS_REMOVED_MAX: usize = 1_000;

/// What is remembered between rounds.
#[derive(Default)]
struct Rounds {
    looks: Looks,
    /// Groups that were seen to have lost records.
    lost: HashSet<(Partition, Arc<str>)>,
}

pub(super) async fn run(shared: Arc<Shared>) {
    let mut rounds = Rounds::default();
    while shared.rest(ROUND).await {
        if !shared.units.holds(0) {
            rounds.looks.clear();
            continue;
        }
        if let Err(error) = rounds.round(&shared).await {
            tracing::warn!(%error, "streams could not be trimmed");
        }
        let before = clock::system_now().0.saturating_sub(ANSWER_AGE_MS_MAX);
        let forgotten = forget_answers(shared.store.as_ref(), before, ANSWERS_REMOVED_MAX).await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "old answers could not be removed");
        }
    }
}

impl Rounds {
    /// Looks at all partitions, tells of losses, and removes what every group is done with.
    async fn round(&mut self, shared: &Shared) -> Result<(), Error> {
        let partitions = shared.store.streams().await?;
        let generation = shared.registry.generation();
        self.looks.retain(&partitions);
        for status in &partitions {
            self.tell_losses(shared, status);
            let count = shared.store.partitions(&status.partition.stream).await?;
            let kept = kept(status, count);
            let done = done(status, &generation);
            self.trim(shared, status, done, kept).await?;
        }
        Ok(())
    }

    /// Tells once of each group that lost records.
    fn tell_losses(&mut self, shared: &Shared, status: &PartitionStatus) {
        let partition = &status.partition;
        let told = |group: &&GroupStatus| !group.group.starts_with(LISTENER_PREFIX);
        for group in status.groups.iter().filter(told) {
            let key = (partition.clone(), group.group.clone());
            if !group.lost {
                self.lost.remove(&key);
            } else if self.lost.insert(key) {
                Counters::add(&shared.counters.lost, 1);
                tracing::error!(
                    group = %group.group, stream = %partition.stream, partition = partition.number,
                    "records were removed before the group has handled them"
                );
            }
        }
    }

    async fn trim(
        &mut self,
        shared: &Shared,
        status: &PartitionStatus,
        done: Offset,
        kept: u64,
    ) -> Result<(), Error> {
        let (store, partition) = (&shared.store, &status.partition);
        let up_to = match self.looks.cut(status, done, kept) {
            Cut::None => return Ok(()),
            Cut::UpTo(offset) => offset,
            Cut::Count(excess) => {
                let limit = usize::try_from(excess.min(COUNTED_MAX)).unwrap_or(1);
                let oldest = store
                    .read_log(partition, 0, limit, COUNTED_BYTES_MAX)
                    .await?;
                oldest.last().map_or(0, |record| record.offset).min(done)
            }
        };
        let mut gone = 0;
        loop {
            match store.trim(partition, up_to).await? {
                0 => break,
                count => gone += count,
            }
        }
        self.looks.trimmed(partition, gone);
        if gone > 0 && partition.stream.as_str() == DEAD_LETTERS {
            tracing::error!(
                gone,
                "there are too many dead letters: the oldest were removed"
            );
        }
        Ok(())
    }
}

/// How many of a partition's newest records stay in any case.
fn kept(status: &PartitionStatus, partitions: u16) -> u64 {
    match status.partition.stream.as_str() {
        DEAD_LETTERS => LETTERS_KEPT,
        _ => (KEPT / u64::from(partitions.max(1))).max(PARTITION_KEPT_MIN),
    }
}

/// What every group is done with. A group whose component is active but subscribes no more wants nothing, and
/// nothing is kept for listeners; one of a component that is not known here may be another host's, and counts.
fn done(status: &PartitionStatus, generation: &Generation) -> Offset {
    let stream = &status.partition.stream;
    let is_retired = |group: &str| {
        if group.starts_with(LISTENER_PREFIX) {
            return true;
        }
        let mut components = generation.components.values();
        let component = components.find(|active| active.name.as_str() == group);
        component.is_some_and(|active| !active.manifest.subscribe.contains(stream))
    };
    let wanting = status
        .groups
        .iter()
        .filter(|group| !is_retired(&group.group));
    wanting
        .map(|group| group.done)
        .min()
        .unwrap_or(status.newest)
}
