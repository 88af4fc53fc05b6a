//! The writer's statements, compiled once and kept: one method each, no decisions.

use rusqlite::{Connection, OptionalExtension as _, Result, Statement, params};

use super::groups::cursor_in;
use super::schema::{OFFSET_MAX, integer, offset_of, record_id, trimmed_name, unsigned};
use super::snapshot::{ACCOUNT, account_row};
use crate::ids::Digest;
use crate::store::chain::Head;
use crate::store::{Account, Append, Offset, Posting, Version, Write};

/// How far the WAL has grown and how much of it the database file already has, in frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wal {
    /// Whether readers or another checkpoint stood in the way.
    pub(super) busy: bool,
    pub(super) frames: u64,
    pub(super) copied: u64,
}

/// The statements.
pub(super) struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    put: Statement<'c>,
    remove: Statement<'c>,
    append: Statement<'c>,
    set_tail: Statement<'c>,
    first: Statement<'c>,
    trim: Statement<'c>,
    last: Statement<'c>,
    set_trimmed: Statement<'c>,
    take_out: Statement<'c>,
    add_hole: Statement<'c>,
    drop_holes: Statement<'c>,
    cursor: Statement<'c>,
    account: Statement<'c>,
    keep_account: Statement<'c>,
    enter: Statement<'c>,
    set_head: Statement<'c>,
    set_version: Statement<'c>,
    add_space: Statement<'c>,
    add_stream: Statement<'c>,
    wal: Statement<'c>,
    restart_wal: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self> {
        let prepare = |sql| connection.prepare(sql);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            put: prepare("INSERT OR REPLACE INTO state (space, key, value) VALUES (?1, ?2, ?3)")?,
            remove: prepare("DELETE FROM state WHERE space = ?1 AND key = ?2")?,
            append: prepare(
                "INSERT INTO log (id, key, payload, published_at_ms) VALUES (?1, ?2, ?3, ?4)",
            )?,
            set_tail: prepare("UPDATE streams SET tail = ?2 WHERE id = ?1")?,
            first: prepare("SELECT min(id) FROM log WHERE id > ?1 AND id <= ?2")?,
            trim: prepare("DELETE FROM log WHERE id >= ?1 AND id <= ?2")?,
            last: prepare("SELECT max(id) FROM log WHERE id >= ?1 AND id <= ?2")?,
            set_trimmed: prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?,
            take_out: prepare("DELETE FROM log WHERE id = ?1")?,
            add_hole: prepare("INSERT INTO holes (id) VALUES (?1)")?,
            drop_holes: prepare("DELETE FROM holes WHERE id >= ?1 AND id <= ?2")?,
            cursor: prepare("SELECT value FROM state WHERE space = ?1 AND key = ?2")?,
            account: prepare(ACCOUNT)?,
            keep_account: prepare(
                "INSERT OR REPLACE INTO accounts (name, debits, credits) VALUES (?1, ?2, ?3)",
            )?,
            enter: prepare(
                "INSERT INTO entries (version, position, debit, credit, amount, reference, at_ms, chain) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            set_head: prepare("UPDATE ledger SET entries = ?1, head = ?2")?,
            set_version: prepare("UPDATE meta SET value = ?1 WHERE name = 'version'")?,
            add_space: prepare("INSERT INTO spaces (name) VALUES (?1) RETURNING id")?,
            add_stream: prepare("INSERT INTO streams (name, tail) VALUES (?1, 0) RETURNING id")?,
            wal: prepare("PRAGMA wal_checkpoint(NOOP)")?,
            restart_wal: prepare("PRAGMA wal_checkpoint(RESTART)")?,
        })
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.begin.raw_execute().map(|_| ())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.commit.raw_execute().map(|_| ())
    }

    pub(super) fn write(&mut self, space: i64, write: &Write) -> Result<()> {
        match &write.value {
            Some(value) => self.put.execute(params![space, write.key, value])?,
            None => self.remove.execute(params![space, write.key])?,
        };
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        stream: i64,
        offset: Offset,
        append: &Append,
        at_ms: u64,
    ) -> Result<()> {
        let id = record_id(stream, offset);
        self.append
            .execute(params![id, append.key, append.payload, integer(at_ms)])
            .map(|_| ())
    }

    pub(super) fn set_tail(&mut self, stream: i64, tail: Offset) -> Result<()> {
        self.set_tail
            .execute(params![stream, integer(tail)])
            .map(|_| ())
    }

    /// Removes up to `count_max` of a stream's oldest records, none after `up_to`. There is at most one
    /// record for each offset, so the range bounds the count.
    pub(super) fn trim(&mut self, stream: i64, up_to: Offset, count_max: u64) -> Result<u64> {
        let Some(first) = self.next(stream, 0, up_to)? else {
            return Ok(0);
        };
        let last = record_id(stream, up_to.min(first.saturating_add(count_max - 1)));
        let range = [record_id(stream, first), last];
        let newest: i64 = self.last.query_row(range, |row| row.get(0))?;
        self.set_trimmed
            .execute(params![trimmed_name(stream), integer(offset_of(newest))])?;
        let removed = self.trim.execute(range)?;
        self.drop_holes.execute([record_id(stream, 0), last])?;
        Ok(removed as u64)
    }

    /// The first record after one offset, and at or before another.
    pub(super) fn next(
        &mut self,
        stream: i64,
        after: Offset,
        up_to: Offset,
    ) -> Result<Option<Offset>> {
        let range = [record_id(stream, after), record_id(stream, up_to)];
        let next: Option<i64> = self.first.query_row(range, |row| row.get(0))?;
        Ok(next.map(offset_of))
    }

    /// Takes one record out; whether it was there. Holes before the first record that is left count for
    /// nothing any more and go, too.
    pub(super) fn take_out(&mut self, stream: i64, offset: Offset) -> Result<bool> {
        let id = record_id(stream, offset);
        if self.take_out.execute([id])? == 0 {
            return Ok(false);
        }
        self.add_hole.execute([id])?;
        let first = self.next(stream, 0, OFFSET_MAX)?.unwrap_or(OFFSET_MAX);
        if first > offset {
            self.drop_holes
                .execute([record_id(stream, 0), record_id(stream, first)])?;
        }
        Ok(true)
    }

    /// Up to where a group has acknowledged; `None` for one that is not known.
    pub(super) fn cursor(&mut self, space: i64, key: &[u8]) -> Result<Option<Offset>> {
        self.cursor
            .query_row(params![space, key], |row| {
                Ok(cursor_in(row.get_ref(0)?.as_blob()?))
            })
            .optional()
    }

    pub(super) fn set_cursor(&mut self, space: i64, key: &[u8], cursor: Offset) -> Result<()> {
        self.put
            .execute(params![space, key, cursor.to_be_bytes()])
            .map(|_| ())
    }

    pub(super) fn account(&mut self, name: &str) -> Result<Account> {
        Ok(self
            .account
            .query_row([name], account_row)
            .optional()?
            .unwrap_or_default())
    }

    pub(super) fn keep_account(&mut self, name: &str, account: Account) -> Result<()> {
        let (debits, credits) = (integer(account.debits), integer(account.credits));
        self.keep_account
            .execute(params![name, debits, credits])
            .map(|_| ())
    }

    /// Enters a movement, with its hash in the chain.
    pub(super) fn enter(
        &mut self,
        place: (Version, u64),
        entry: &Posting,
        at_ms: u64,
        chain: &Digest,
    ) -> Result<()> {
        let (version, position) = (integer(place.0), integer(place.1));
        let row = params![
            version,
            position,
            entry.debit,
            entry.credit,
            integer(entry.amount),
            entry.reference,
            integer(at_ms),
            chain.bytes()
        ];
        self.enter.execute(row).map(|_| ())
    }

    pub(super) fn set_head(&mut self, head: &Head) -> Result<()> {
        let row = params![integer(head.entries), head.hash.bytes()];
        self.set_head.execute(row).map(|_| ())
    }

    pub(super) fn set_version(&mut self, version: Version) -> Result<()> {
        self.set_version.execute([integer(version)]).map(|_| ())
    }

    pub(super) fn add_space(&mut self, name: &str) -> Result<i64> {
        self.add_space.query_row([name], |row| row.get(0))
    }

    pub(super) fn add_stream(&mut self, name: &str) -> Result<i64> {
        self.add_stream.query_row([name], |row| row.get(0))
    }

    /// How the WAL stands; does nothing to it.
    pub(super) fn wal(&mut self) -> Result<Wal> {
        self.wal.query_row([], wal_row)
    }

    /// Copies the rest of the WAL into the database file and makes the next commit begin a new one.
    pub(super) fn restart_wal(&mut self) -> Result<Wal> {
        self.restart_wal.query_row([], wal_row)
    }
}

fn wal_row(row: &rusqlite::Row<'_>) -> Result<Wal> {
    let busy: i64 = row.get(0)?;
    Ok(Wal {
        busy: busy != 0,
        frames: unsigned(row.get(1)?),
        copied: unsigned(row.get(2)?),
    })
}
