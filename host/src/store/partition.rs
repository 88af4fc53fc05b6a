//! Partitions of streams and the groups that handle them: what is named, claimed and acknowledged.
//! Pure; each backend keeps them its own way.

use std::sync::Arc;

use super::{Holder, Offset};
use crate::ids::{Instant, StreamName};

/// Bits of an [`Offset`] that a Redis entry's sequence takes; its milliseconds take those above.
const SEQUENCE_BITS: u32 = 20;

/// One partition of a stream. Records of one key are in one partition and keep their order there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The stream.
    pub stream: StreamName,
    /// Its number, from 0.
    pub number: u16,
}

/// One group's interest in one partition. A group is a component that subscribes to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription {
    /// The group's name, a component's.
    pub group: Arc<str>,
    /// What it handles.
    pub partition: Partition,
}

/// The right to handle a subscription's records, as a host believes to have it: the partition's number
/// is a unit that the holder has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is handled.
    pub subscription: Subscription,
    /// By whom.
    pub holder: Holder,
}

/// What a commit is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Whose input. The commit is refused where the claim is not good any more.
    pub claim: Claim,
    /// The records' offsets as they were fetched, in order, one or more; the first must be the first that
    /// the group has not acknowledged.
    pub offsets: Vec<Offset>,
}

/// How far a group is in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub group: Arc<str>,
    /// Everything up to here is acknowledged.
    pub done: Offset,
    /// Records it has not acknowledged.
    pub lag: u64,
    /// Those of them that a holder has fetched.
    pub pending: u64,
    /// When the oldest record that it has not acknowledged was published.
    pub oldest: Option<Instant>,
    /// Whether records were removed before the group has seen them.
    pub lost: bool,
}

/// A partition and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub partition: Partition,
    /// Offset of the newest record there has been; 0 for none.
    pub newest: Offset,
    /// Records that are kept.
    pub length: u64,
    /// Its groups, by name.
    pub groups: Vec<GroupStatus>,
}

/// The partition of a key: its CRC-32 (as in zlib) modulo the number of partitions, which every
/// language computes alike.
#[must_use]
pub fn partition_of(key: &str, partitions: u16) -> u16 {
    let hash = crc32fast::hash(key.as_bytes());
    u16::try_from(hash % u32::from(partitions.max(1))).unwrap_or(0)
}

/// An offset as people and Redis tools write it: `17`, or `1700000000000-3` for a Redis entry.
#[must_use]
pub fn offset_text(offset: Offset) -> String {
    match offset >> SEQUENCE_BITS {
        0 => offset.to_string(),
        ms => format!("{ms}-{}", offset & ((1 << SEQUENCE_BITS) - 1)),
    }
}

/// Reads what [`offset_text`] writes, and Redis entries that no offset can name as `None`.
#[must_use]
pub fn offset_of(text: &str) -> Option<Offset> {
    let Some((ms, sequence)) = text.split_once('-') else {
        return text.parse().ok();
    };
    let (ms, sequence): (u64, u64) = (ms.parse().ok()?, sequence.parse().ok()?);
    let fits = ms < 1 << (u64::BITS - SEQUENCE_BITS) && sequence < 1 << SEQUENCE_BITS;
    fits.then_some((ms << SEQUENCE_BITS) | sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_redis_entries_say_the_same() {
        for text in ["1", "1048575", "1-0", "1700000000000-3"] {
            assert_eq!(offset_text(offset_of(text).expect("an offset")), text);
        }
        assert_eq!(offset_of("0-7"), Some(7));
        assert!(offset_of("1-0") > offset_of("1048575"));
        for text in ["", "x", "1-1048576", "17592186044416-0", "1-2-3", "-1"] {
            assert_eq!(offset_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_has_the_partition_that_zlib_says() {
        assert_eq!(
            partition_of("123456789", u16::MAX),
            (0xCBF4_3926_u32 % 65_535) as u16
        );
        assert_eq!(partition_of("4", 1), 0);
        assert_eq!(partition_of("4", 0), 0);
    }
}
