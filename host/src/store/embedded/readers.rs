//! Snapshots: a bounded pool of connections that only read, one per snapshot.
//!
//! A connection keeps its transaction when its snapshot is dropped, and the next snapshot takes it as long as nothing was
//! committed: pages that were read are still there then, which a new transaction reads again after every commit.
//!
//! **Invariants.** A slot belongs to one snapshot from its lease to its drop. A snapshot never
//! changes: its transaction is open, and has read, before it is handed out. It is never older than what
//! any commit was answered for, or any snapshot has seen, before it was taken. A snapshot that holds
//! back the WAL for too long is revoked: it then answers nothing, never something else. A transaction that no
//! snapshot uses ends after the next commit.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::catalog::Catalog;
use super::groups::{self, View};
use super::schema::{self, unsigned};
use super::{backend, snapshot::ReadSnapshot};
use crate::store::{Error, Result, Version};

/// Statements a reader keeps compiled: all it has, with room.
const STATEMENTS_CACHED: usize = 32;

/// Reads of one snapshot after which its connection maps the database instead of copying pages. A mapping is
/// torn down with the transaction, which interrupts all cores: some 10 µs, against 1 µs for each page that is copied.
const READS_COPIED: u32 = 64;

const TOO_MANY: Error = Error::Unavailable("too many snapshots are held");

/// A connection and, while a snapshot uses it, where the WAL stood when that began.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    leased_at: Option<u64>,
    /// Its transaction, if it has one.
    open: Option<Open>,
    /// Reads of the snapshot that uses it.
    reads: u32,
    /// Whether the connection maps the database.
    is_mapped: bool,
}

/// A transaction that reads.
#[derive(Clone, Copy)]
struct Open {
    /// What it sees.
    version: Version,
    /// Groups that were known to be committed when it began.
    groups: u64,
}

/// The pool.
pub(super) struct Pool {
    directory: PathBuf,
    slots: Vec<Mutex<Slot>>,
    /// Slots without a snapshot; the last one back is the first out, so few connections are opened.
    free: Mutex<Vec<usize>>,
    permits: Arc<Semaphore>,
    wait_max: Duration,
    catalog: Arc<Catalog>,
    /// Frames ever written to the WAL since the store was opened.
    wal_frames: AtomicU64,
    /// Groups committed since then, before they are answered.
    groups: AtomicU64,
    /// The newest version that any snapshot has seen.
    seen: AtomicU64,
    /// Whether a transaction ends with its snapshot now.
    keeps_none: AtomicBool,
}

impl Pool {
    pub(super) fn new(
        directory: PathBuf,
        size: usize,
        wait_max: Duration,
        catalog: Arc<Catalog>,
    ) -> Self {
        Self {
            directory,
            slots: (0..size).map(|_| Mutex::default()).collect(),
            free: Mutex::new((0..size).rev().collect()),
            permits: Arc::new(Semaphore::new(size)),
            wait_max,
            catalog,
            wal_frames: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            keeps_none: AtomicBool::new(false),
        }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Waits for a free slot and begins a snapshot in it.
    pub(super) async fn snapshot(self: &Arc<Self>) -> Result<ReadSnapshot> {
        let lease = self.lease(self.permit().await?).ok_or(TOO_MANY)?;
        let version = lease.begin().map_err(backend)?;
        Ok(ReadSnapshot::new(lease, version))
    }

    /// The same as a lease, for reads that the trait does not have, and its version. What it sees is what the file has
    /// now, whoever has written to it.
    pub(super) async fn present(self: &Arc<Self>) -> Result<(Lease, Version)> {
        let lease = self.lease(self.permit().await?).ok_or(TOO_MANY)?;
        self.slot(lease.slot).end_idle();
        let version = lease.begin().map_err(backend)?;
        Ok((lease, version))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.wait_max, permit).await;
        permit
            .map_err(|_| TOO_MANY)?
            .map_err(|_| Error::Unavailable("the store has stopped"))
    }

    fn lease(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Option<Lease> {
        let slot = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()?;
        Some(Lease {
            pool: Arc::clone(self),
            slot,
            _permit: permit,
        })
    }

    fn slot(&self, slot: usize) -> MutexGuard<'_, Slot> {
        self.slots[slot]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the pool how many frames the WAL has grown by.
    pub(super) fn wal_grew(&self, frames: u64) {
        self.wal_frames.fetch_add(frames, Ordering::Relaxed);
    }

    /// Revokes the snapshots during which the WAL has grown by this many frames or more.
    pub(super) fn revoke(&self, frames: u64) {
        let now = self.wal_frames.load(Ordering::Relaxed);
        // A slot that is locked is being read at this moment; its turn comes next time.
        for mut slot in self.slots.iter().filter_map(|slot| slot.try_lock().ok()) {
            if slot
                .leased_at
                .is_some_and(|then| now.saturating_sub(then) >= frames)
            {
                slot.end();
                tracing::warn!(frames, "a snapshot was held too long and has been revoked");
            }
        }
    }

    /// Says that a group is durable, or has failed: snapshots from now on are to see what it has left.
    pub(super) fn group_is_over(&self) {
        self.groups.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends the transactions that no snapshot uses, so that they do not hold back the WAL.
    pub(super) fn end_idle(&self) {
        // A slot that is locked is about to be used, or has just been: its turn comes next time.
        let slots = self.slots.iter().filter_map(|slot| slot.try_lock().ok());
        slots.for_each(|mut slot| slot.end_idle());
    }

    /// Does something that waits for all transactions to end: meanwhile none outlives its snapshot.
    pub(super) fn without_idle<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.keeps_none.store(true, Ordering::SeqCst);
        (0..self.slots.len()).for_each(|slot| self.slot(slot).end_idle());
        let waited = wait();
        self.keeps_none.store(false, Ordering::SeqCst);
        waited
    }

    /// Closes the connections that no snapshot uses.
    pub(super) fn close_idle(&self) {
        for mut slot in self.slots.iter().filter_map(|slot| slot.try_lock().ok()) {
            if slot.leased_at.is_none() {
                (slot.connection, slot.open) = (None, None);
            }
        }
    }
}

impl Slot {
    /// Opens a transaction and reads the version.
    fn open(&mut self, directory: &Path) -> rusqlite::Result<Version> {
        if self.connection.is_none() {
            let connection = schema::open_reader(directory)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
            (self.connection, self.is_mapped) = (Some(connection), false);
        }
        let connection = self.connection.as_ref();
        let connection = connection.ok_or(rusqlite::Error::InvalidQuery)?;
        run(connection, "BEGIN DEFERRED")?;
        let mut statement =
            connection.prepare_cached("SELECT value FROM meta WHERE name = 'version'")?;
        statement.query_row([], |row| row.get(0)).map(unsigned)
    }

    /// Ends the transaction if no snapshot uses it.
    fn end_idle(&mut self) {
        if self.leased_at.is_none() && self.open.is_some() {
            self.end();
        }
    }

    /// Ends the read transaction; a connection that cannot is thrown away.
    fn end(&mut self) {
        (self.leased_at, self.open) = (None, None);
        let is_mapped = std::mem::take(&mut self.is_mapped);
        let ended = self.connection.as_ref().is_some_and(|c| {
            run(c, "ROLLBACK").is_ok() && (!is_mapped || schema::map(c, false).is_ok())
        });
        if !ended {
            self.connection = None;
        }
    }

    /// Its connection, for the next read of its snapshot.
    fn next_read(&mut self) -> Result<&Connection> {
        let (Some(connection), Some(_)) = (&self.connection, self.leased_at) else {
            return Err(Error::Unavailable("the snapshot was held too long"));
        };
        self.reads = self.reads.saturating_add(1);
        if self.reads == READS_COPIED + 1 && !self.is_mapped {
            schema::map(connection, true).map_err(backend)?;
            self.is_mapped = true;
        }
        Ok(connection)
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// The right to one slot.
pub(super) struct Lease {
    pool: Arc<Pool>,
    slot: usize,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn catalog(&self) -> &Catalog {
        &self.pool.catalog
    }

    /// Takes the transaction that is open, or opens one and reads the version, which fixes what it sees.
    fn begin(&self) -> rusqlite::Result<Version> {
        let pool = &self.pool;
        let mut slot = pool.slot(self.slot);
        let groups = pool.groups.load(Ordering::SeqCst);
        let seen = pool.seen.load(Ordering::SeqCst);
        slot.leased_at = Some(pool.wal_frames.load(Ordering::Relaxed));
        slot.reads = 0;
        if let Some(open) = slot.open {
            let is_new = (open.groups, open.version) == (groups, seen);
            // An error of the disk may have ended it.
            if is_new && slot.connection.as_ref().is_some_and(|c| !c.is_autocommit()) {
                return Ok(open.version);
            }
            let leased_at = slot.leased_at;
            slot.end();
            slot.leased_at = leased_at;
        }
        let version = slot.open(&pool.directory)?;
        slot.open = Some(Open { version, groups });
        pool.seen.fetch_max(version, Ordering::SeqCst);
        Ok(version)
    }

    /// Reads the log and the groups' places in it.
    pub(super) fn view<T>(&self, read: impl FnOnce(View<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let cursors = self.catalog().space(&groups::cursors());
        self.with(|connection| read(View::new(connection, cursors)))
    }

    /// Reads with a statement of the snapshot's connection.
    pub(super) fn read<T>(
        &self,
        sql: &str,
        read: impl FnOnce(CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.with(|connection| connection.prepare_cached(sql).and_then(read))
    }

    /// Reads all rows of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.read(sql, |mut statement| {
            statement.query_map(parameters, row)?.collect()
        })
    }

    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        read(self.pool.slot(self.slot).next_read()?).map_err(backend)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut slot = self.pool.slot(self.slot);
        let was_leased = slot.leased_at.take().is_some();
        // One that did not get as far as the version is of no use.
        let is_kept = slot.open.is_some() && !self.pool.keeps_none.load(Ordering::SeqCst);
        if was_leased && !is_kept {
            slot.end();
        }
        drop(slot);
        self.pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.slot);
    }
}
