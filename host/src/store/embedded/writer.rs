//! The writer: one thread that takes what waits, judges and applies it, and makes it durable
//! together: one sync of the disk per group.
//!
//! **Invariants.** A transaction is judged completely before its first row is written, so one that
//! is refused leaves its group alone. Nobody gets an answer before the group is durable, but who
//! asked to go on once a transaction is judged. After a
//! failed group everything in memory is read again from the file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::Connection;

use super::catalog::{Catalog, Names};
use super::claims::Claims;
use super::groups;
use super::jobs::{Commit, Group, Intake, Job, Trim};
use super::ledger::{self, Refusal};
use super::readers::Pool;
use super::schema::{OFFSET_MAX, STREAM_ID_MAX, integer, unsigned};
use super::statements::Statements;
use super::wal::Upkeep;
use super::window::Window;
use crate::ids::StreamName;
use crate::store::chain::Head;
use crate::store::{
    Acknowledgement, Append, CommitError, Error, Offset, Partition, Posting, Space, Subscription,
    Transaction, Version,
};

/// Records that one trim removes: a few milliseconds, so that commits behind it do not wait long.
pub(super) const TRIM_RECORDS_MAX: u64 = 4096;

/// Where an acknowledgement moves a group's cursor.
struct Moved {
    space: i64,
    key: Vec<u8>,
    to: Offset,
}

/// What the writer is given.
pub(super) struct Parts {
    pub(super) pool: Arc<Pool>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) claims: Arc<Claims>,
    pub(super) checkpoints: SyncSender<()>,
    pub(super) wal_bytes_max: u64,
    pub(super) log_records_max: u64,
}

/// What the writer works with.
pub(super) struct Writer<'c> {
    connection: &'c Connection,
    statements: Statements<'c>,
    names: Names,
    catalog: Arc<Catalog>,
    claims: Arc<Claims>,
    /// Most records of a stream.
    log_records_max: u64,
    window: Window,
    version: Version,
    /// Where the ledger's chain ends.
    head: Head,
    /// Streams whose tail the group has moved.
    moved: Vec<StreamName>,
    upkeep: Upkeep,
    /// Whether a group failed and memory may differ from the file.
    stale: bool,
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection, parts: Parts) -> rusqlite::Result<Self> {
        let version = committed_version(connection)?;
        Ok(Self {
            connection,
            statements: Statements::prepare(connection)?,
            names: Names::load(connection)?,
            catalog: parts.catalog,
            claims: parts.claims,
            log_records_max: parts.log_records_max,
            window: Window::new(version),
            version,
            head: ledger::head(connection)?,
            moved: Vec::new(),
            upkeep: Upkeep::new(parts.pool, parts.checkpoints, parts.wal_bytes_max),
            stale: false,
        })
    }

    /// Works until the last sender is gone and the queue is empty.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, intake: &Intake) {
        let mut left_over = None;
        while let Some(mut coming) = intake.begin_group(jobs, left_over.take()) {
            let mut group = Vec::new();
            let committed = self.commit_group(&mut coming, &mut group);
            left_over = coming.left_over();
            self.upkeep.group_is_over();
            match committed {
                Ok(()) => self.publish(group),
                Err(error) => self.abandon(group, error),
            }
            self.upkeep
                .after_group(self.connection, &mut self.statements);
        }
    }

    /// Commits a group as it comes; what is in `group` afterwards belongs to it.
    fn commit_group(
        &mut self,
        coming: &mut Group<'_>,
        group: &mut Vec<Job>,
    ) -> rusqlite::Result<()> {
        group.extend(coming.next());
        if self.stale {
            self.reload()?;
        }
        let (before, head_before) = (self.version, self.head);
        self.register_names(group)?;
        self.statements.begin()?;
        group
            .iter_mut()
            .try_for_each(|first| self.carry_out(first))?;
        while let Some(mut job) = coming.next() {
            if !self.knows_names(&job) {
                coming.leave(job);
                break;
            }
            let done = self.carry_out(&mut job);
            group.push(job);
            done?;
        }
        for stream in &self.moved {
            let state = &self.names.streams[stream];
            self.statements.set_tail(state.id, state.tail)?;
        }
        if self.version > before {
            self.statements.set_version(self.version)?;
        }
        if self.head != head_before {
            self.statements.set_head(&self.head)?;
        }
        self.statements.commit()
    }

    fn carry_out(&mut self, job: &mut Job) -> rusqlite::Result<()> {
        match job {
            Job::Commit(commit) => self.apply(commit),
            Job::Trim(trim) => self.trim(trim),
            Job::Subscribe(subscribe) => self.subscribe(&subscribe.subscription),
        }
    }

    /// Whether all names that a job needs have numbers.
    fn knows_names(&self, job: &Job) -> bool {
        let Names {
            spaces, streams, ..
        } = &self.names;
        match job {
            Job::Commit(commit) => {
                let Transaction {
                    writes, appends, ..
                } = &commit.transaction;
                writes.iter().all(|write| spaces.contains_key(&write.space))
                    && appends
                        .iter()
                        .all(|append| streams.contains_key(&append.stream))
            }
            Job::Subscribe(subscribe) => {
                spaces.contains_key(&groups::cursors())
                    && streams.contains_key(&subscribe.subscription.partition.stream)
            }
            Job::Trim(_) => true,
        }
    }

    /// Makes what is durable visible: first the tails, then the answers.
    fn publish(&mut self, group: Vec<Job>) {
        for stream in self.moved.drain(..) {
            if let Some(state) = self.names.streams.get_mut(&stream) {
                state.moved = false;
                self.catalog.set_tail(&stream, state.tail);
            }
        }
        group.into_iter().for_each(Job::answer);
    }

    fn abandon(&mut self, group: Vec<Job>, error: rusqlite::Error) {
        tracing::error!(error = %error, transactions = group.len(), "a group of commits failed");
        self.stale = true;
        self.moved.clear();
        let error = Arc::new(error);
        group.into_iter().for_each(|job| job.fail(&error));
    }

    /// Ends what a failed group left open and reads names, tails, version and head again.
    fn reload(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.names = Names::load(self.connection)?;
        self.version = committed_version(self.connection)?;
        self.head = ledger::head(self.connection)?;
        self.window = Window::new(self.version);
        self.stale = false;
        Ok(())
    }

    /// Gives numbers to new names, in a commit of their own: a number must be durable before it is
    /// shared, and a failing group must not take it back.
    fn register_names(&mut self, group: &[Job]) -> rusqlite::Result<()> {
        for job in group {
            match job {
                Job::Commit(commit) => {
                    for write in &commit.transaction.writes {
                        self.register_space(&write.space)?;
                    }
                    for append in &commit.transaction.appends {
                        self.register_stream(&append.stream)?;
                    }
                }
                Job::Subscribe(subscribe) => {
                    self.register_space(&groups::cursors())?;
                    self.register_stream(&subscribe.subscription.partition.stream)?;
                }
                Job::Trim(_) => {}
            }
        }
        Ok(())
    }

    fn register_space(&mut self, space: &Space) -> rusqlite::Result<()> {
        if self.names.spaces.contains_key(space) {
            return Ok(());
        }
        let id = self.statements.add_space(&space.0)?;
        self.names.spaces.insert(space.clone(), id);
        self.catalog.add_space(space.clone(), id);
        Ok(())
    }

    fn register_stream(&mut self, stream: &StreamName) -> rusqlite::Result<()> {
        if self.names.streams.contains_key(stream) {
            return Ok(());
        }
        let id = self.statements.add_stream(stream.as_str())?;
        self.names.add_stream(stream.clone(), id);
        self.catalog.add_stream(stream.clone(), id);
        Ok(())
    }

    fn apply(&mut self, commit: &mut Commit) -> rusqlite::Result<()> {
        match self.transact(&mut commit.transaction) {
            Ok(version) => {
                commit.outcome = Ok(version);
                commit.stands();
            }
            Err(Refusal::Rule(refused)) => commit.outcome = Err(refused),
            Err(Refusal::Storage(error)) => return Err(error),
        }
        Ok(())
    }

    fn transact(&mut self, transaction: &mut Transaction) -> Result<Version, Refusal> {
        let acknowledged = match &transaction.acknowledgement {
            Some(acknowledgement) => Some(self.check_acknowledgement(acknowledgement)?),
            None => None,
        };
        if self.window.conflicts(&transaction.reads) {
            return Err(Refusal::Rule(CommitError::Conflict));
        }
        self.check_removals(&transaction.removals)?;
        self.check_room(&transaction.appends)?;
        let accounts = ledger::judge(&transaction.postings, |name| self.statements.account(name))?;
        for (name, account) in accounts {
            self.statements.keep_account(name, account)?;
        }
        self.version += 1;
        self.enter(&transaction.postings, transaction.at)?;
        for write in &transaction.writes {
            self.statements
                .write(self.names.spaces[&write.space], write)?;
        }
        for append in &transaction.appends {
            self.append(append, transaction.at)?;
        }
        for (partition, offset) in &transaction.removals {
            self.take_out(partition, *offset)?;
        }
        if let Some(Moved { space, key, to }) = acknowledged {
            self.statements.set_cursor(space, &key, to)?;
        }
        self.window
            .record(self.version, std::mem::take(&mut transaction.writes));
        Ok(self.version)
    }

    /// Refuses an acknowledgement that is not its holder's, or that would leave a record out. Records that
    /// were removed since they were fetched are not missed.
    fn check_acknowledgement(&mut self, done: &Acknowledgement) -> Result<Moved, Refusal> {
        let fenced = || Refusal::Rule(CommitError::Store(Error::Fenced));
        if !self.claims.allows(done) {
            return Err(fenced());
        }
        let subscription = &done.claim.subscription;
        let stream = self.names.streams.get(&subscription.partition.stream);
        let space = self.names.spaces.get(&groups::cursors());
        let (Some(stream), Some(space)) = (stream, space) else {
            return Err(fenced());
        };
        let key = groups::cursor_key(subscription);
        let mut to = self.statements.cursor(*space, &key)?.unwrap_or(0);
        for offset in &done.offsets {
            let in_order = *offset > to;
            if !in_order
                || (*offset > to + 1 && self.statements.next(stream.id, to, offset - 1)?.is_some())
            {
                return Err(fenced());
            }
            to = *offset;
        }
        Ok(Moved {
            space: *space,
            key,
            to,
        })
    }

    /// Refuses to take out what is not there.
    fn check_removals(&mut self, removals: &[(Partition, Offset)]) -> Result<(), Refusal> {
        for (partition, offset) in removals {
            let there = match self.names.streams.get(&partition.stream) {
                Some(state) if partition.number == 0 && *offset > 0 => {
                    self.statements.next(state.id, offset - 1, *offset)?
                }
                _ => None,
            };
            if there.is_none() {
                return Err(Refusal::Rule(CommitError::Conflict));
            }
        }
        Ok(())
    }

    /// Refuses what a full stream would have to take, and what would run into the next stream's ids.
    fn check_room(&self, appends: &[Append]) -> Result<(), Refusal> {
        let mut lengths = HashMap::new();
        for append in appends {
            let kept = || self.names.streams[&append.stream].length;
            let length = lengths.entry(&append.stream).or_insert_with(kept);
            *length += 1;
            if *length > self.log_records_max {
                return Err(Refusal::Rule(CommitError::LogFull(append.stream.clone())));
            }
        }
        let count = appends.len() as u64;
        let full = appends.iter().any(|append| {
            let state = &self.names.streams[&append.stream];
            state.id > STREAM_ID_MAX || state.tail + count > OFFSET_MAX
        });
        let refused = || {
            Refusal::Rule(CommitError::Store(Error::Unavailable(
                "the log has no room left",
            )))
        };
        if full { Err(refused()) } else { Ok(()) }
    }

    fn enter(&mut self, postings: &[Posting], at_ms: u64) -> rusqlite::Result<()> {
        // Hashed as the table keeps it.
        let at_ms = unsigned(integer(at_ms));
        let hashes = self.head.commit(postings, at_ms);
        for ((position, posting), chain) in (0..).zip(postings).zip(hashes) {
            let place = (self.version, position);
            self.statements.enter(place, posting, at_ms, &chain)?;
        }
        Ok(())
    }

    fn append(&mut self, append: &Append, at_ms: u64) -> rusqlite::Result<()> {
        let Some(state) = self.names.streams.get_mut(&append.stream) else {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        };
        state.tail += 1;
        state.length += 1;
        if !std::mem::replace(&mut state.moved, true) {
            self.moved.push(append.stream.clone());
        }
        self.statements.append(state.id, state.tail, append, at_ms)
    }

    fn trim(&mut self, trim: &mut Trim) -> rusqlite::Result<()> {
        if let Some(state) = self.names.streams.get_mut(&trim.stream) {
            trim.removed = self
                .statements
                .trim(state.id, trim.up_to, TRIM_RECORDS_MAX)?;
            state.length = state.length.saturating_sub(trim.removed);
        }
        Ok(())
    }

    fn take_out(&mut self, partition: &Partition, offset: Offset) -> rusqlite::Result<()> {
        if let Some(state) = self.names.streams.get_mut(&partition.stream)
            && self.statements.take_out(state.id, offset)?
        {
            state.length = state.length.saturating_sub(1);
        }
        Ok(())
    }

    /// Makes a group known: it begins before the oldest record that is kept, so that it has lost none.
    fn subscribe(&mut self, subscription: &Subscription) -> rusqlite::Result<()> {
        let space = self.names.spaces[&groups::cursors()];
        let state = self.names.streams[&subscription.partition.stream];
        let key = groups::cursor_key(subscription);
        if self.statements.cursor(space, &key)?.is_some() {
            return Ok(());
        }
        let first = self.statements.next(state.id, 0, state.tail)?;
        let done = first.map_or(state.tail, |first| first - 1);
        self.statements.set_cursor(space, &key, done)
    }
}

fn committed_version(connection: &Connection) -> rusqlite::Result<Version> {
    connection
        .query_row("SELECT value FROM meta WHERE name = 'version'", [], |row| {
            row.get(0)
        })
        .map(unsigned)
}
