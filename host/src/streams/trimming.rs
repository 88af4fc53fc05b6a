//! Up to where a partition can be trimmed. Pure, apart from what it remembers of earlier looks.
//!
//! Offsets need not be consecutive, so that counting back from the newest takes counts: at each look the
//! number of records that ever were is noted beside the newest offset, and what was newest when there
//! were as many fewer as are to be kept is where trimming may end.
//!
//! **Invariant.** Nothing is trimmed that a group may still want, nor of the newest that are to be kept.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::store::{Offset, Partition, PartitionStatus};

/// Looks over the records that are kept: a partition grows by one part in so many beyond that.
const STEPS: u64 = 16;

/// Looks remembered of a partition: those over what is kept, and some to spare.
const LOOKS_MAX: usize = 32;

/// What is known of all partitions.
#[derive(Debug, Default)]
pub(super) struct Looks {
    partitions: HashMap<Partition, Counted>,
}

/// Earlier looks at one partition.
#[derive(Debug, Default)]
struct Counted {
    /// Records that were trimmed since the first look.
    trimmed: u64,
    /// The newest offset, and how many records there had been, trimmed ones included; ascending.
    looks: VecDeque<(Offset, u64)>,
}

/// What is to be done with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing.
    None,
    /// Trim up to this offset.
    UpTo(Offset),
    /// There is too much, but nobody has counted: look at this many of the oldest.
    Count(u64),
}

impl Looks {
    /// Where to cut a partition of which the newest `kept` stay; `done`: what every group is done with.
    pub(super) fn cut(&mut self, status: &PartitionStatus, done: Offset, kept: u64) -> Cut {
        let counted = self.partitions.entry(status.partition.clone()).or_default();
        let total = counted.trimmed + status.length;
        counted.note(status.newest, total, kept);
        if status.length <= kept {
            return Cut::None;
        }
        let old = counted.newest_at(total - kept);
        match old.map(|offset| offset.min(done)) {
            Some(0) => Cut::None,
            Some(up_to) => Cut::UpTo(up_to),
            None => Cut::Count(status.length - kept),
        }
    }

    /// Notes what went.
    pub(super) fn trimmed(&mut self, partition: &Partition, count: u64) {
        if let Some(counted) = self.partitions.get_mut(partition) {
            counted.trimmed += count;
        }
    }

    /// Forgets partitions that are not there any more.
    pub(super) fn retain(&mut self, statuses: &[PartitionStatus]) {
        let there: HashSet<_> = statuses.iter().map(|status| &status.partition).collect();
        self.partitions
            .retain(|partition, _| there.contains(partition));
    }

    /// Forgets everything: others see to it now.
    pub(super) fn clear(&mut self) {
        self.partitions.clear();
    }
}

impl Counted {
    /// Notes a look, unless too few records came since the last one: so the looks reach as far back as
    /// records are kept, however slowly or fast they come.
    fn note(&mut self, newest: Offset, total: u64, kept: u64) {
        let step = (kept / STEPS).max(1);
        let last = self.looks.back().map(|(_, count)| *count);
        if last.is_none_or(|count| total.saturating_sub(count) >= step) {
            self.looks.push_back((newest, total));
        }
        if self.looks.len() > LOOKS_MAX {
            self.looks.pop_front();
        }
    }

    /// The offset that was the newest when there had been at most `total` records, and forgets those before.
    fn newest_at(&mut self, total: u64) -> Option<Offset> {
        let at = self.looks.iter().rposition(|(_, count)| *count <= total)?;
        self.looks.drain(..at);
        self.looks.front().map(|(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StreamName;

    fn status(newest: Offset, length: u64) -> PartitionStatus {
        PartitionStatus {
            partition: Partition {
                stream: StreamName::parse("s").expect("a name"),
                number: 0,
            },
            newest,
            length,
            groups: Vec::new(),
        }
    }

    #[test]
    fn as_many_as_are_to_be_kept_stay() {
        let mut looks = Looks::default();
        assert_eq!(looks.cut(&status(1_000, 50), 1_000, 100), Cut::None);
        assert_eq!(looks.cut(&status(2_000, 120), 2_000, 100), Cut::Count(20));
        // 150 more than at the first look: what was newest then is older than the newest 100.
        assert_eq!(looks.cut(&status(3_000, 200), 3_000, 100), Cut::UpTo(1_000));
        looks.trimmed(&status(0, 0).partition, 50);
        assert_eq!(looks.cut(&status(3_000, 150), 3_000, 100), Cut::UpTo(1_000));
        assert_eq!(looks.cut(&status(4_000, 200), 4_000, 100), Cut::UpTo(2_000));
    }

    #[test]
    fn what_a_group_wants_stays() {
        let mut looks = Looks::default();
        looks.cut(&status(1_000, 50), 1_000, 100);
        assert_eq!(looks.cut(&status(3_000, 200), 400, 100), Cut::UpTo(400));
        assert_eq!(looks.cut(&status(3_000, 200), 0, 100), Cut::None);
    }

    /// A stream that grows for ever, with groups that follow at once: it is trimmed, never below what is kept,
    /// and what is remembered stays bounded.
    #[test]
    fn a_busy_partition_is_kept_short() {
        let mut looks = Looks::default();
        let (mut first, mut last) = (1_u64, 0_u64);
        for round in 0..5_000_u64 {
            last += round % 7;
            let length = last + 1 - first;
            let cut = looks.cut(&status(last * 10, length), last * 10, 1_000);
            if let Cut::UpTo(up_to) = cut {
                let gone = (up_to / 10 + 1).saturating_sub(first);
                first += gone;
                looks.trimmed(&status(0, 0).partition, gone);
                assert!(last + 1 - first >= 1_000, "round {round}");
            }
            assert!(
                looks
                    .partitions
                    .values()
                    .all(|c| c.looks.len() <= LOOKS_MAX)
            );
        }
        assert!(last + 1 - first < 2_500, "{first}..={last} are kept");
    }
}
