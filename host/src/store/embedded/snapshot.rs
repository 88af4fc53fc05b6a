//! Reads of one snapshot. They run on the caller's thread: from the page cache they take
//! microseconds, less than handing them over would.

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension as _, Row, Rows, params};

use super::readers::Lease;
use super::schema::unsigned;
use crate::store::{Account, Block, Entry, Order, Range, Result, Snapshot, Space, Version};

const READ: &str = "SELECT value FROM state WHERE space = ?1 AND key = ?2";
const SCAN: &str =
    "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const SCAN_BOUNDED: &str = "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3";
const SCAN_BACK: &str =
    "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 ORDER BY key DESC LIMIT ?3";
const SCAN_BACK_BOUNDED: &str = "SELECT key, value FROM state WHERE space = ?1 AND key >= ?2 AND key < ?4 ORDER BY key DESC LIMIT ?3";
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

    fn scan_block_now(&self, space: &Space, range: &Range, limit: usize) -> Result<Block> {
        let mut block = Block::default();
        let Some(space) = self.lease.catalog().space(space) else {
            return Ok(block);
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut take = |mut rows: Rows<'_>| {
            while let Some(row) = rows.next()? {
                block.push(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
            }
            Ok(())
        };
        let start = &range.start;
        match &range.end {
            None => self.lease.read(SCAN, |mut statement| {
                take(statement.query(params![space, start, limit])?)
            }),
            Some(end) => self.lease.read(SCAN_BOUNDED, |mut statement| {
                take(statement.query(params![space, start, limit, end])?)
            }),
        }?;
        Ok(block)
    }

    fn account_now(&self, account: &str) -> Result<Account> {
        let found = self.lease.read(ACCOUNT, |mut statement| {
            statement.query_row([account], account_row).optional()
        })?;
        Ok(found.unwrap_or_default())
    }
}

/// An entry from its key and value.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        value: row.get(1)?,
    })
}

/// An account from its two sums.
pub(super) fn account_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        debits: unsigned(row.get(0)?),
        credits: unsigned(row.get(1)?),
    })
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

    fn scan_block<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        limit: usize,
    ) -> BoxFuture<'a, Result<Block>> {
        Box::pin(async move { self.scan_block_now(space, range, limit) })
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        Box::pin(async move { self.account_now(account) })
    }
}
