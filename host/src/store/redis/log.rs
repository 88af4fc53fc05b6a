//! The log: reading partitions and trimming them.

use std::sync::LazyLock;

use redis::{Script, Value};

use super::Shared;
use super::reply::{self, Batch, Entry, entry_id};
use crate::store::{Offset, Partition, Record, Result, offset_of};

static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/trim.lua")));

impl Shared {
    /// Records after an offset; entries that no offset can name are not among them.
    pub(super) async fn read_log(
        &self,
        partition: &Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>> {
        let key = self.keys.stream(partition);
        let mut from = entry_id(after);
        let mut batch = Batch::new(limit, bytes_max, None);
        while let Some(count) = batch.room() {
            let entries = self.entries_after(&key, &from, count).await?;
            batch.learn(&entries);
            let Some(last) = entries.last() else { break };
            let more = entries.len() == count;
            from.clone_from(&last.id);
            let mut records = entries.into_iter().filter_map(Entry::into_record);
            let fit = records.all(|record| batch.push(record));
            if !fit || !more {
                break;
            }
        }
        Ok(batch.records)
    }

    async fn entries_after(&self, key: &str, id: &str, count: usize) -> Result<Vec<Entry>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(key).arg(format!("({id}")).arg("+");
        range.arg("COUNT").arg(count);
        reply::entries(self.link.run::<Value>(&range).await?)
    }

    /// The oldest record kept that has an offset.
    pub(super) async fn first_offset(&self, partition: &Partition) -> Result<Option<Offset>> {
        let entries = self
            .entries_after(&self.keys.stream(partition), "0-0", 1)
            .await?;
        Ok(entries.first().and_then(|entry| offset_of(&entry.id)))
    }

    /// Removes some of the records up to an offset; 0 when none is left.
    pub(super) async fn trim(&self, partition: &Partition, up_to: Offset) -> Result<u64> {
        let mut invocation = TRIM.key(self.keys.stream(partition));
        invocation.arg(entry_id(up_to.saturating_add(1)));
        self.link.script(&invocation).await
    }
}
