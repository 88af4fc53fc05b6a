//! What streams tell of themselves: plain documents for the admin interface, and counters for the metrics.
//! No I/O here.
//!
//! **Invariant.** An offset is written as a number where every reader of JSON holds it exactly, and
//! otherwise as text, as [`offset_text`] has it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use crate::ids::Instant;
use crate::store::{GroupStatus, Holder, Member, Offset, PartitionStatus, offset_text};

/// Numbers from here on are not exact everywhere (RFC 8259, 6).
const EXACT_MAX: u64 = 1 << 53;

/// An offset in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetValue(pub Offset);

impl Serialize for OffsetValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 < EXACT_MAX {
            serializer.serialize_u64(self.0)
        } else {
            serializer.serialize_str(&offset_text(self.0))
        }
    }
}

/// A stream, its partitions and its groups.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamInfo {
    /// Its name.
    pub stream: String,
    /// Offset of its newest record; with several partitions, the greatest of theirs.
    pub newest: OffsetValue,
    /// Records that are kept.
    pub length: u64,
    /// Its groups, each over all partitions.
    pub groups: Vec<GroupInfo>,
    /// Its partitions, by number, those that never had a record included.
    pub partitions: Vec<PartitionInfo>,
}

/// One partition of a stream.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionInfo {
    /// Its number.
    pub partition: u16,
    /// Offset of its newest record.
    pub newest: OffsetValue,
    /// Records that are kept.
    pub length: u64,
    /// The host that handles it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How far each group is in it.
    pub groups: Vec<GroupInfo>,
}

/// How far a group is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupInfo {
    /// The subscribed component.
    pub group: String,
    /// Last offset it is done with; over several partitions, the greatest of theirs.
    pub offset: OffsetValue,
    /// Records it has still to handle.
    pub lag: u64,
    /// Those of them that a host has fetched.
    pub pending: u64,
    /// How old the oldest of them is by the host's clock, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_ms: Option<u64>,
    /// Whether records were removed before the group saw them.
    pub lost: bool,
}

/// A host of the installation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// Its name as a holder, new with every start.
    pub holder: String,
    /// Where it serves HTTP.
    pub url: String,
    /// Version of Leyden.
    pub version: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// The generation of components that it serves.
    pub generation: u64,
    /// Whether it has told in time that it lives.
    pub alive: bool,
    /// What is left of its lease, ms.
    pub lease_ms: u64,
    /// Whether it is the one that answers.
    pub this: bool,
    /// The units it holds: partition `n` of every stream for each `n`.
    pub units: Vec<u16>,
}

/// A record that could not be handled.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its own offset among the dead letters, by which it is named.
    pub id: OffsetValue,
    /// When it was given up, RFC 3339.
    pub buried_at: String,
    /// The group that could not handle it.
    pub group: String,
    /// The version of the component that failed last, its digest.
    pub component: String,
    /// The stream it came from.
    pub stream: String,
    /// The partition it came from.
    pub partition: u16,
    /// Its offset there.
    pub offset: OffsetValue,
    /// What it is about.
    pub key: String,
    /// Its content; what is not UTF-8 is replaced.
    pub payload: String,
    /// Why it failed the last time.
    pub reason: String,
    /// How often it was delivered.
    pub deliveries: u32,
}

/// What has happened since the host started. Only grows.
#[derive(Debug, Default)]
pub struct Counters {
    /// Batches that were handled.
    pub deliveries: AtomicU64,
    /// Records in them.
    pub records: AtomicU64,
    /// Batches that failed, for whatever reason.
    pub failed: AtomicU64,
    /// Records that became dead letters.
    pub dead_letters: AtomicU64,
    /// Times that a group was found to have lost records.
    pub lost: AtomicU64,
    /// Units that were taken from a host that had died.
    pub takeovers: AtomicU64,
    /// Commits and fetches that were refused since the partition was held elsewhere.
    pub fenced: AtomicU64,
}

impl Counters {
    /// Adds to one of them.
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// One stream's document. `partitions` are its partitions as the store tells them, `count` how many there are.
pub(super) fn stream_info(
    stream: &str,
    count: u16,
    partitions: &[PartitionStatus],
    owners: &[Option<Holder>],
    now: Instant,
) -> StreamInfo {
    let of = |number: u16| {
        let known = partitions.iter().find(|p| p.partition.number == number);
        partition_info(number, known, owners, now)
    };
    let partitions: Vec<PartitionInfo> = (0..count).map(of).collect();
    let newest = partitions.iter().map(|p| p.newest).max();
    StreamInfo {
        stream: stream.to_owned(),
        newest: newest.unwrap_or(OffsetValue(0)),
        length: partitions.iter().map(|p| p.length).sum(),
        groups: over_all(&partitions),
        partitions,
    }
}

fn partition_info(
    number: u16,
    known: Option<&PartitionStatus>,
    owners: &[Option<Holder>],
    now: Instant,
) -> PartitionInfo {
    let groups = known.map(|p| p.groups.as_slice()).unwrap_or_default();
    let owner = owners.get(usize::from(number)).cloned().flatten();
    PartitionInfo {
        partition: number,
        newest: OffsetValue(known.map_or(0, |p| p.newest)),
        length: known.map_or(0, |p| p.length),
        owner: owner.map(|holder| holder.to_string()),
        groups: groups.iter().map(|group| group_info(group, now)).collect(),
    }
}

fn group_info(status: &GroupStatus, now: Instant) -> GroupInfo {
    GroupInfo {
        group: status.group.to_string(),
        offset: OffsetValue(status.done),
        lag: status.lag,
        pending: status.pending,
        oldest_age_ms: status.oldest.map(|oldest| now.0.saturating_sub(oldest.0)),
        lost: status.lost,
    }
}

/// Each group over all partitions.
fn over_all(partitions: &[PartitionInfo]) -> Vec<GroupInfo> {
    let mut all: Vec<GroupInfo> = Vec::new();
    for group in partitions.iter().flat_map(|p| &p.groups) {
        match all.iter_mut().find(|sum| sum.group == group.group) {
            Some(sum) => add(sum, group),
            None => all.push(group.clone()),
        }
    }
    all.sort_by(|a, b| a.group.cmp(&b.group));
    all
}

fn add(sum: &mut GroupInfo, group: &GroupInfo) {
    sum.offset = sum.offset.max(group.offset);
    sum.lag += group.lag;
    sum.pending += group.pending;
    sum.oldest_age_ms = sum.oldest_age_ms.max(group.oldest_age_ms);
    sum.lost |= group.lost;
}

/// One host's document.
pub(super) fn host_status(member: &Member, owners: &[Option<Holder>], me: &Holder) -> HostStatus {
    let info = &member.info;
    let units = owners.iter().zip(0..);
    let held = units.filter(|(owner, _)| owner.as_ref() == Some(&info.holder));
    HostStatus {
        holder: info.holder.to_string(),
        url: info.url.clone(),
        version: info.version.clone(),
        started_at: Instant(info.started_at_ms).to_string(),
        generation: info.generation,
        alive: member.lease_ms > 0,
        lease_ms: member.lease_ms,
        this: info.holder == *me,
        units: held.map(|(_, unit)| unit).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StreamName;
    use crate::store::Partition;

    #[test]
    fn offsets_are_exact_in_json() {
        let json = |offset| serde_json::to_string(&OffsetValue(offset)).expect("json");
        assert_eq!(json(17), "17");
        assert_eq!(json(EXACT_MAX - 1), "9007199254740991");
        assert_eq!(json(1_700_000_000_000 << 20 | 3), "\"1700000000000-3\"");
    }

    fn status(number: u16, lag: u64, oldest: Option<u64>) -> PartitionStatus {
        let group = GroupStatus {
            group: "a".into(),
            done: 5,
            lag,
            pending: 1,
            oldest: oldest.map(Instant),
            lost: number == 2,
        };
        PartitionStatus {
            partition: Partition {
                stream: StreamName::parse("s").expect("a name"),
                number,
            },
            newest: 5 + lag,
            length: lag,
            groups: vec![group],
        }
    }

    #[test]
    fn groups_are_summed_over_partitions_and_empty_partitions_are_listed() {
        let (me, now) = (Holder("me".into()), Instant(100));
        let parts = [status(0, 3, Some(40)), status(2, 4, Some(90))];
        let owners = [Some(me), None, None];
        let info = stream_info("s", 3, &parts, &owners, now);
        assert_eq!((info.newest, info.length), (OffsetValue(9), 7));
        let owners: Vec<_> = info.partitions.iter().map(|p| p.owner.as_deref()).collect();
        assert_eq!(owners, [Some("me"), None, None]);
        assert_eq!(info.partitions[1].groups, []);
        let group = &info.groups[0];
        assert_eq!((group.lag, group.pending, group.lost), (7, 2, true));
        assert_eq!(group.oldest_age_ms, Some(60));
    }
}
