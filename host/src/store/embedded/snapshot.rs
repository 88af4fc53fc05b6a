//! Reads of one snapshot. They run on the caller's thread: from the page cache they take
//! microseconds, less than handing them over would.

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension as _, Row, params};

use super::readers::Lease;
use super::schema::{OFFSET_MAX, offset_of, record_id, unsigned};
use crate::ids::{Instant, StreamName};
use crate::store::{
    Account, Entry, Offset, Order, Range, Record, Result, Snapshot, Space, Version,
};

const READ: &str = "SELECT value FROM state WHERE space = ?1 AND key = ?2";
const SCAN: &str =
    "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const SCAN_BOUNDED: &str = "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3";
const SCAN_BACK: &str =
    "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 ORDER BY key DESC LIMIT ?3";
const SCAN_BACK_BOUNDED: &str = "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 AND key < ?4 ORDER BY key DESC LIMIT ?3";
const READ_LOG: &str = "SELECT id, key, payload, published_at_ms FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
const FIRST: &str = "SELECT min(id) FROM log WHERE id > ?1 AND id <= ?2";
pub(super) const ACCOUNT: &str = "SELECT debits, credits FROM accounts WHERE name = ?1";

/// A snapshot.
pub(super) struct ReadSnapshot {
    lease: Lease,
    version: Version,
}

impl ReadSnapshot {
    pub(super) fn new(lease: Lease, version: Version) -> Self {
        Self { lease, version }
    }

    /// The lease, for reads that the trait does not have.
    pub(super) fn into_lease(self) -> Lease {
        self.lease
    }

    fn read_now(&self, space: &Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(space) = self.lease.catalog().space(space) else {
            return Ok(None);
        };
        self.lease.read(READ, |mut statement| {
            statement
                .query_row(params![space, key], |row| row.get(0))
                .optional()
        })
    }

    fn scan_now(
        &self,
        space: &Space,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let Some(space) = self.lease.catalog().space(space) else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let start = &range.start;
        match (order, &range.end) {
            (Order::Ascending, None) => self.lease.rows(SCAN, params![space, start, limit], entry),
            (Order::Ascending, Some(end)) => {
                self.lease
                    .rows(SCAN_BOUNDED, params![space, start, limit, end], entry)
            }
            (Order::Descending, None) => {
                self.lease
                    .rows(SCAN_BACK, params![space, start, limit], entry)
            }
            (Order::Descending, Some(end)) => {
                self.lease
                    .rows(SCAN_BACK_BOUNDED, params![space, start, limit, end], entry)
            }
        }
    }

    fn read_log_now(
        &self,
        stream: &StreamName,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>> {
        let Some(stream) = self.lease.catalog().stream(stream) else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let range = params![
            record_id(stream, after),
            record_id(stream, OFFSET_MAX),
            limit
        ];
        self.lease.read(READ_LOG, |mut statement| {
            fitting(statement.query(range)?, bytes_max)
        })
    }

    fn first_offset_now(&self, stream: &StreamName) -> Result<Option<Offset>> {
        let Some(stream) = self.lease.catalog().stream(stream) else {
            return Ok(None);
        };
        let range = params![record_id(stream, 0), record_id(stream, OFFSET_MAX)];
        let first: Option<i64> = self.lease.read(FIRST, |mut statement| {
            statement.query_row(range, |row| row.get(0))
        })?;
        Ok(first.map(offset_of))
    }

    fn account_now(&self, account: &str) -> Result<Account> {
        let found = self.lease.read(ACCOUNT, |mut statement| {
            statement.query_row([account], account_row).optional()
        })?;
        Ok(found.unwrap_or_default())
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        value: row.get(1)?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        offset: offset_of(row.get(0)?),
        key: row.get(1)?,
        payload: row.get(2)?,
        published_at: Instant(unsigned(row.get(3)?)),
    })
}

/// An account from its two sums.
pub(super) fn account_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        debits: unsigned(row.get(0)?),
        credits: unsigned(row.get(1)?),
    })
}

/// The records that fit in `bytes_max` together, and always the first.
fn fitting(mut rows: rusqlite::Rows<'_>, bytes_max: usize) -> rusqlite::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        bytes = bytes.saturating_add(row.get_ref(2)?.as_blob()?.len());
        if bytes > bytes_max && !records.is_empty() {
            break;
        }
        records.push(record(row)?);
    }
    Ok(records)
}

impl Snapshot for ReadSnapshot {
    fn version(&self) -> Version {
        self.version
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(async move { self.read_now(space, key) })
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(async move { self.scan_now(space, range, order, limit) })
    }

    fn read_log<'a>(
        &'a mut self,
        stream: &'a StreamName,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(async move { self.read_log_now(stream, after, limit, bytes_max) })
    }

    fn first_offset<'a>(
        &'a mut self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        Box::pin(async move { self.first_offset_now(stream) })
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        Box::pin(async move { self.account_now(account) })
    }
}
