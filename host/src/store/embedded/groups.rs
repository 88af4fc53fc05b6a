//! The groups' places in the log: where they are kept, and what follows from them.
//!
//! Everything up to a group's cursor is acknowledged; cursors are rows of the space [`CURSORS`] that only
//! the writer changes. They are the store's own: no transaction reads or writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::claims::Claims;
use super::log;
use super::schema::unsigned;
use crate::ids::StreamName;
use crate::store::{GroupStatus, Offset, Partition, PartitionStatus, Record, Space, Subscription};

/// Space of the cursors: group, 0, stream → offset (8 bytes, the greatest first).
const CURSORS: &str = "leyden.cursors";

const CURSOR: &str = "SELECT value FROM state WHERE space = ?1 AND key = ?2";
const ALL_CURSORS: &str = "SELECT key, value FROM state WHERE space = ?1 ORDER BY key";
const STREAMS: &str = "SELECT name, id, tail FROM streams ORDER BY name";

/// Groups of one stream with their cursors.
type Cursors = Vec<(Arc<str>, Offset)>;

/// The space of the cursors.
pub(super) fn cursors() -> Space {
    Space::from(CURSORS)
}

/// The key of a group's cursor.
pub(super) fn cursor_key(subscription: &Subscription) -> Vec<u8> {
    let stream = &subscription.partition.stream;
    format!("{}\0{stream}", subscription.group).into_bytes()
}

/// The offset in a cursor's row; a row of another length is none of ours and counts as none.
pub(super) fn cursor_in(value: &[u8]) -> Offset {
    value.try_into().map_or(0, Offset::from_be_bytes)
}

/// The log and the cursors as one connection sees them at one instant.
pub(super) struct View<'c> {
    connection: &'c Connection,
    /// Number of the space of the cursors; none before the first group is known.
    cursors: Option<i64>,
}

impl<'c> View<'c> {
    pub(super) fn new(connection: &'c Connection, cursors: Option<i64>) -> Self {
        Self {
            connection,
            cursors,
        }
    }

    /// Up to where a group has acknowledged; 0 for one that is not known.
    fn cursor(&self, subscription: &Subscription) -> rusqlite::Result<Offset> {
        let mut statement = self.connection.prepare_cached(CURSOR)?;
        let row = params![self.cursors, cursor_key(subscription)];
        let value = statement.query_row(row, |row| Ok(cursor_in(row.get_ref(0)?.as_blob()?)));
        Ok(value.optional()?.unwrap_or(0))
    }

    /// Up to where a group has acknowledged, and the records after that and after `after`.
    pub(super) fn waiting(
        &self,
        stream: i64,
        subscription: &Subscription,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> rusqlite::Result<(Offset, Vec<Record>)> {
        let done = self.cursor(subscription)?;
        let after = done.max(after);
        let records = log::records(self.connection, stream, after, limit, bytes_max)?;
        Ok((done, records))
    }

    /// How many records a group has not acknowledged.
    pub(super) fn lag(&self, stream: i64, subscription: &Subscription) -> rusqlite::Result<u64> {
        log::kept_after(self.connection, stream, self.cursor(subscription)?)
    }

    /// All streams with a record or a group.
    pub(super) fn statuses(&self, claims: &Claims) -> rusqlite::Result<Vec<PartitionStatus>> {
        let mut groups = self.groups()?;
        let mut statement = self.connection.prepare_cached(STREAMS)?;
        let mut rows = statement.query([])?;
        let mut statuses = Vec::new();
        while let Some(row) = rows.next()? {
            // A stream whose name breaks today's rule is left where it lies.
            let Ok(stream) = StreamName::parse(row.get_ref(0)?.as_str()?) else {
                continue;
            };
            let (id, newest) = (row.get(1)?, unsigned(row.get(2)?));
            let cursors = groups.remove(stream.as_str()).unwrap_or_default();
            if newest > 0 || !cursors.is_empty() {
                let partition = Partition { stream, number: 0 };
                statuses.push(self.status(partition, id, newest, cursors, claims)?);
            }
        }
        Ok(statuses)
    }

    /// The groups of each stream, by name, with their cursors.
    fn groups(&self) -> rusqlite::Result<BTreeMap<String, Cursors>> {
        let mut statement = self.connection.prepare_cached(ALL_CURSORS)?;
        let mut rows = statement.query([self.cursors])?;
        let mut groups = BTreeMap::<String, Cursors>::new();
        while let Some(row) = rows.next()? {
            let key = str::from_utf8(row.get_ref(0)?.as_blob()?).unwrap_or_default();
            if let Some((group, stream)) = key.split_once('\0') {
                let cursor = cursor_in(row.get_ref(1)?.as_blob()?);
                groups
                    .entry(stream.to_owned())
                    .or_default()
                    .push((Arc::from(group), cursor));
            }
        }
        Ok(groups)
    }

    fn status(
        &self,
        partition: Partition,
        stream: i64,
        newest: Offset,
        cursors: Cursors,
        claims: &Claims,
    ) -> rusqlite::Result<PartitionStatus> {
        let length = log::kept_after(self.connection, stream, 0)?;
        let mut groups = Vec::with_capacity(cursors.len());
        for (group, done) in cursors {
            let subscription = Subscription {
                group,
                partition: partition.clone(),
            };
            groups.push(self.group(stream, subscription, done, claims)?);
        }
        Ok(PartitionStatus {
            partition,
            newest,
            length,
            groups,
        })
    }

    fn group(
        &self,
        stream: i64,
        subscription: Subscription,
        done: Offset,
        claims: &Claims,
    ) -> rusqlite::Result<GroupStatus> {
        let lag = log::kept_after(self.connection, stream, done)?;
        let mut pending = 0;
        for (first, last) in claims.fetched(&subscription) {
            let from = log::kept_after(self.connection, stream, done.max(first - 1))?;
            let after = log::kept_after(self.connection, stream, done.max(last))?;
            pending += from - after;
        }
        let first = log::first_after(self.connection, stream, done)?;
        let oldest = first.map(|first| log::published_at(self.connection, stream, first));
        Ok(GroupStatus {
            group: subscription.group,
            done,
            lag,
            pending,
            oldest: oldest.transpose()?,
            lost: log::trimmed(self.connection, stream)? > done,
        })
    }
}
