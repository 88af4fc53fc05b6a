//! Keeps the write-ahead log short without standing in the way of commits.
//!
//! A background connection copies committed pages into the database file. When the WAL is long
//! all the same, since commits never pause, the writer copies the little that is left between two
//! groups and lets the WAL begin again. A snapshot that prevents that is revoked once the WAL is at
//! its limit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use rusqlite::Connection;

use super::readers::Pool;
use super::schema::PAGE_BYTES;
use super::statements::{Statements, Wal};

/// Frames not yet in the database file that make a background copy worth its two syncs (8 MiB).
const COPY_FRAMES_MIN: u64 = (8 << 20) / PAGE_BYTES;

/// How long the writer waits for readers to leave an old WAL that is not yet at its limit:
/// snapshots usually live for less.
const RESTART_WAIT: Duration = Duration::from_millis(10);

/// How long it waits when the WAL is at its limit, and everybody with it: backpressure.
const RESTART_WAIT_AT_LIMIT: Duration = Duration::from_secs(1);

/// How long other operations wait for a lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The writer's part.
pub(super) struct Upkeep {
    pool: Arc<Pool>,
    checkpoints: SyncSender<()>,
    /// Length of the WAL at which snapshots are revoked for it.
    frames_max: u64,
    /// Length at which a restart is tried next.
    restart_at: u64,
    /// Length after the last group.
    frames: u64,
}

impl Upkeep {
    pub(super) fn new(pool: Arc<Pool>, checkpoints: SyncSender<()>, wal_bytes_max: u64) -> Self {
        let frames_max = (wal_bytes_max / PAGE_BYTES).max(4);
        Self {
            pool,
            checkpoints,
            frames_max,
            restart_at: frames_max / 4,
            frames: 0,
        }
    }

    /// Says that a group is over, before it is answered.
    pub(super) fn group_is_over(&self) {
        self.pool.group_is_over();
    }

    /// Looks at the WAL after a group. A failure here is no one's: the next group tries again.
    pub(super) fn after_group(&mut self, connection: &Connection, statements: &mut Statements<'_>) {
        self.pool.end_idle();
        let kept = statements
            .wal()
            .and_then(|wal| self.keep(connection, statements, wal));
        if let Err(error) = kept {
            tracing::warn!(error = %error, "the write-ahead log could not be checkpointed");
        }
    }

    fn keep(
        &mut self,
        connection: &Connection,
        statements: &mut Statements<'_>,
        wal: Wal,
    ) -> rusqlite::Result<()> {
        let grown = wal.frames.checked_sub(self.frames).unwrap_or(wal.frames);
        self.pool.wal_grew(grown);
        self.frames = wal.frames;
        if wal.frames.saturating_sub(wal.copied) >= COPY_FRAMES_MIN {
            // A full channel means that a copy is due already.
            let _ = self.checkpoints.try_send(());
        }
        if wal.frames < self.frames_max / 4 {
            self.restart_at = self.frames_max / 4;
        } else if wal.frames >= self.restart_at {
            self.restart(connection, statements, wal.frames)?;
        }
        Ok(())
    }

    fn restart(
        &mut self,
        connection: &Connection,
        statements: &mut Statements<'_>,
        frames: u64,
    ) -> rusqlite::Result<()> {
        let at_limit = frames >= self.frames_max;
        if at_limit {
            self.pool.revoke(self.frames_max / 2);
        }
        connection.busy_timeout(if at_limit {
            RESTART_WAIT_AT_LIMIT
        } else {
            RESTART_WAIT
        })?;
        let restarted = self.pool.without_idle(|| statements.restart_wal());
        connection.busy_timeout(LOCK_WAIT)?;
        // Not at every group while a reader is in the way, but well before the limit.
        self.restart_at = frames + self.frames_max / 16;
        if !restarted?.busy {
            self.restart_at = self.frames_max / 4;
            self.frames = 0;
        }
        Ok(())
    }
}

/// The background's part: copies whenever asked, until the writer is gone.
pub(super) fn run_checkpoints(connection: &Connection, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(error = %error, "a background checkpoint failed");
        }
    }
}

/// The last checkpoint of a store that is closed: leaves all in the database file if no snapshot
/// is held any more, and is only a convenience if one is.
pub(super) fn close(connection: &Connection) {
    let _ = connection.busy_timeout(RESTART_WAIT_AT_LIMIT);
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(error = %error, "the last checkpoint failed; the next start makes up for it");
    }
}
