//! All that a store holds, in bounded pages read at one instant: what a copy of it is made from.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::groups::cursors;
use super::readers::Lease;
use super::schema::{integer, unsigned};
use super::snapshot::{account_row, entry};
use super::{Embedded, ledger, log};
use crate::ids::StreamName;
use crate::store::chain::Head;
use crate::store::copy::{LedgerEntry, PageBounds};
use crate::store::{Account, Entry, Offset, Partition, Posting, Record, Result, Space, Version};

const SIZES: &str = "SELECT (SELECT count(*) FROM state WHERE space IS NOT ?1), (SELECT count(*) FROM log), \
     (SELECT count(*) FROM entries) + (SELECT count(*) FROM accounts)";
const STATE: &str =
    "SELECT key, value FROM state WHERE space = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
const ACCOUNTS: &str =
    "SELECT debits, credits, name FROM accounts WHERE name > ?1 ORDER BY name LIMIT ?2";
const ENTRIES: &str = "SELECT debit, credit, amount, reference, version, position, at_ms, chain FROM entries \
     WHERE (version, position) > (?1, ?2) ORDER BY version, position LIMIT ?3";

/// How much there is, rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Sizes {
    pub(in crate::store) state: u64,
    pub(in crate::store) log: u64,
    pub(in crate::store) ledger: u64,
}

/// A stream with its groups and up to where each has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct StreamDump {
    pub(in crate::store) name: StreamName,
    pub(in crate::store) groups: Vec<(Arc<str>, Offset)>,
}

/// The store at one instant.
pub(in crate::store) struct Dump<'s> {
    store: &'s Embedded,
    lease: Lease,
    version: Version,
}

impl Embedded {
    /// Takes hold of the present.
    pub(in crate::store) async fn dump(&self) -> Result<Dump<'_>> {
        let (lease, version) = self.pool.present().await?;
        Ok(Dump {
            store: self,
            lease,
            version,
        })
    }
}

impl Dump<'_> {
    pub(in crate::store) fn version(&self) -> Version {
        self.version
    }

    pub(in crate::store) fn sizes(&self) -> Result<Sizes> {
        let cursors = self.lease.catalog().space(&cursors());
        let sizes = self.lease.rows(SIZES, [cursors], |row| {
            Ok(Sizes {
                state: unsigned(row.get(0)?),
                log: unsigned(row.get(1)?),
                ledger: unsigned(row.get(2)?),
            })
        })?;
        Ok(sizes.into_iter().next().unwrap_or_default())
    }

    /// The spaces by name; the groups' cursors are not among them, since they belong to the streams.
    pub(in crate::store) fn spaces(&self) -> Result<Vec<Space>> {
        let spaces = self
            .lease
            .rows("SELECT name FROM spaces ORDER BY name", [], |row| {
                Ok(Space::from(row.get_ref(0)?.as_str()?))
            })?;
        let cursors = cursors();
        Ok(spaces
            .into_iter()
            .filter(|space| *space != cursors)
            .collect())
    }

    /// Entries of a space after a key (empty: from the first), in order.
    pub(in crate::store) fn state(
        &self,
        space: &Space,
        after: &[u8],
        bounds: PageBounds,
    ) -> Result<Vec<Entry>> {
        let Some(space) = self.lease.catalog().space(space) else {
            return Ok(Vec::new());
        };
        self.lease.with(|connection| {
            let mut statement = connection.prepare_cached(STATE)?;
            let mut rows = statement.query(params![space, after, rows_max(bounds)])?;
            let (mut page, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let entry = entry(row)?;
                bytes += entry.key.len() + entry.value.len();
                page.push(entry);
                // The page may be longer than its bound by one entry, so that it is never empty.
                if bytes >= bounds.bytes {
                    break;
                }
            }
            Ok(page)
        })
    }

    /// The streams by name.
    pub(in crate::store) fn streams(&self) -> Result<Vec<StreamDump>> {
        let claims = &self.store.claims;
        let statuses = self.lease.view(|view| view.statuses(claims))?;
        let stream = statuses.into_iter().map(|status| StreamDump {
            name: status.partition.stream,
            groups: status
                .groups
                .into_iter()
                .map(|group| (group.group, group.done))
                .collect(),
        });
        Ok(stream.collect())
    }

    /// Records of a stream after an offset, in order.
    pub(in crate::store) fn log(
        &self,
        stream: &StreamName,
        after: Offset,
        bounds: PageBounds,
    ) -> Result<Vec<Record>> {
        let partition = Partition {
            stream: stream.clone(),
            number: 0,
        };
        let Some(stream) = self.store.stream(&partition) else {
            return Ok(Vec::new());
        };
        let page = |c: &Connection| log::records(c, stream, after, bounds.rows, bounds.bytes);
        self.lease.with(page)
    }

    /// Accounts after a name (empty: from the first), by name.
    pub(in crate::store) fn accounts(
        &self,
        after: &str,
        bounds: PageBounds,
    ) -> Result<Vec<(String, Account)>> {
        accounts(&self.lease, after, bounds.rows)
    }

    /// Where the ledger's chain ends.
    pub(in crate::store) fn head(&self) -> Result<Head> {
        self.lease.with(ledger::head)
    }

    /// The ledger's entries after a version and a position in it, in order.
    pub(in crate::store) fn entries(
        &self,
        after: (Version, u64),
        bounds: PageBounds,
    ) -> Result<Vec<LedgerEntry>> {
        let (version, position) = (integer(after.0), integer(after.1));
        self.lease.rows(
            ENTRIES,
            params![version, position, rows_max(bounds)],
            |row| {
                Ok(LedgerEntry {
                    version: unsigned(row.get(4)?),
                    position: unsigned(row.get(5)?),
                    posting: posting(row)?,
                    at: unsigned(row.get(6)?),
                    chain: row.get::<_, [u8; 32]>(7)?.into(),
                })
            },
        )
    }
}

/// Accounts after a name (empty: from the first), by name.
pub(super) fn accounts(lease: &Lease, after: &str, limit: usize) -> Result<Vec<(String, Account)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    lease.rows(ACCOUNTS, params![after, limit], |row| {
        Ok((row.get(2)?, account_row(row)?))
    })
}

/// A movement from its four columns.
pub(super) fn posting(row: &Row<'_>) -> rusqlite::Result<Posting> {
    Ok(Posting {
        debit: row.get(0)?,
        credit: row.get(1)?,
        amount: unsigned(row.get(2)?),
        reference: row.get(3)?,
    })
}

fn rows_max(bounds: PageBounds) -> i64 {
    i64::try_from(bounds.rows).unwrap_or(i64::MAX)
}
