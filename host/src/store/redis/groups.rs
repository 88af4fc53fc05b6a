//! Groups: making them, and how far they are. What they are given is in `fetch`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use redis::{Script, Value};

use super::Shared;
use super::reply::{items, number, published_at, strange, text};
use crate::store::{
    GroupStatus, Offset, Partition, PartitionStatus, Result, Subscription, offset_of,
};

/// Partitions whose state is asked for at a time: a millisecond of the server.
const STATUS_STEP: usize = 64;

static SUBSCRIBE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/subscribe.lua")));

static BACKLOG: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "#!lua flags=no-writes\n",
        include_str!("scripts/places.lua"),
        include_str!("scripts/backlog.lua")
    ))
});

static STATUS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "#!lua flags=no-writes\n",
        include_str!("scripts/places.lua"),
        include_str!("scripts/status.lua")
    ))
});

impl Shared {
    /// Makes a group that begins with the oldest record kept, unless there is one.
    pub(super) async fn subscribe(&self, subscription: &Subscription) -> Result<()> {
        self.register_again(&subscription.partition.stream).await?;
        let mut invocation = SUBSCRIBE.key(self.keys.stream(&subscription.partition));
        invocation.arg(&*subscription.group);
        self.link.script::<()>(&invocation).await
    }

    /// Records that these groups have not acknowledged.
    pub(super) async fn backlog(&self, subscriptions: &[Subscription]) -> Result<u64> {
        let mut partitions = BTreeMap::<&Partition, Vec<&str>>::new();
        for subscription in subscriptions {
            let groups = partitions.entry(&subscription.partition).or_default();
            groups.push(&subscription.group);
        }
        if partitions.is_empty() {
            return Ok(0);
        }
        let mut invocation = BACKLOG.prepare_invoke();
        for (partition, groups) in partitions {
            invocation.key(self.keys.stream(partition));
            invocation.arg(groups.len()).arg(groups);
        }
        self.link.script(&invocation).await
    }

    /// All partitions and their groups.
    pub(super) async fn streams(&self) -> Result<Vec<PartitionStatus>> {
        let streams = self.all_streams().await?;
        let partitions = streams.into_iter().flat_map(|(stream, partitions)| {
            (0..partitions).map(move |number| Partition {
                stream: stream.clone(),
                number,
            })
        });
        let partitions: Vec<_> = partitions.collect();
        let mut statuses = Vec::new();
        for step in partitions.chunks(STATUS_STEP) {
            statuses.extend(self.status(step).await?);
        }
        Ok(statuses)
    }

    /// The state of those of these partitions that exist.
    async fn status(&self, partitions: &[Partition]) -> Result<Vec<PartitionStatus>> {
        let mut invocation = STATUS.key(self.keys.lost());
        for partition in partitions {
            invocation.key(self.keys.stream(partition));
            invocation.arg(lost_field(partition));
        }
        let found = items(self.link.script::<Value>(&invocation).await?)?;
        let named = partitions.iter().zip(found);
        let there = named.filter(|(_, value)| !matches!(value, Value::Nil));
        there
            .map(|(partition, value)| read_status(partition.clone(), value))
            .collect()
    }
}

/// Where a partition's losses are counted, without the group.
pub(super) fn lost_field(partition: &Partition) -> String {
    format!("{}:{}", partition.stream, partition.number)
}

/// An id's offset; one beyond all offsets is the last.
fn offset(id: &str) -> Offset {
    offset_of(id).unwrap_or(Offset::MAX)
}

fn read_status(partition: Partition, value: Value) -> Result<PartitionStatus> {
    let mut parts = items(value)?.into_iter();
    let mut part = || parts.next().ok_or_else(|| strange("a partition"));
    let (newest, length) = (offset(&text(part()?)?), number(part()?)?);
    let groups = parts.map(read_group).collect::<Result<Vec<_>>>();
    let mut groups = groups?;
    groups.sort_by(|a, b| a.group.cmp(&b.group));
    Ok(PartitionStatus {
        partition,
        newest,
        length,
        groups,
    })
}

fn read_group(value: Value) -> Result<GroupStatus> {
    let mut parts = items(value)?.into_iter();
    let mut part = || parts.next().ok_or_else(|| strange("a group"));
    let (group, done) = (text(part()?)?, text(part()?)?);
    let (undelivered, pending) = (number(part()?)?, number(part()?)?);
    let (oldest, at) = (text(part()?)?, text(part()?)?);
    Ok(GroupStatus {
        group: Arc::from(group),
        done: match done.strip_prefix('(') {
            Some(next) => offset(next).saturating_sub(1),
            None => offset(&done),
        },
        lag: undelivered + pending,
        pending,
        oldest: (!oldest.is_empty()).then(|| published_at(&oldest, Some(&at))),
        lost: number(part()?)? == 1,
    })
}
