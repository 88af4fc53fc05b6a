//! The store of a single host: one directory with one SQLite database in WAL mode.
//!
//! One thread writes, in groups that share a sync of the disk; a pool of connections reads; one
//! more copies the WAL back. Memory: the writer caches up to 32 MiB of pages and each reader up to
//! 512 KiB (16 MiB with all 32); beyond that readers map the file, so that its pages are held once, by
//! the system. The optimistic check remembers up to 262,144 keys, the queue up to 256 MiB.
//!
//! A stream has one partition, number 0. Which host holds the one unit is kept in memory, since all of
//! them are in this process.
//!
//! **Invariants.** One process at a time has the directory open. An answer to a commit means that
//! it survives a crash of the process and, as far as the disk keeps its word about `fsync`, of the
//! machine. A commit that failed with [`Error::Backend`] has not happened for anyone here; only a
//! crash right after a failed sync may bring it back, as with every write-ahead log.

mod catalog;
mod claims;
mod dump;
mod groups;
mod jobs;
mod ledger;
mod log;
mod options;
mod readers;
mod runs;
mod schema;
mod snapshot;
mod statements;
mod wal;
mod window;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::future::ready;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::catalog::{Catalog, Names};
use self::claims::Claims;
pub(in crate::store) use self::dump::{Dump, StreamDump};
use self::jobs::{Intake, Job, QUEUE_JOBS_MAX, Queue};
pub use self::options::{OpenError, Options};
use self::readers::{Lease, Pool};
use self::writer::{Parts, Writer};
use crate::ids::StreamName;
use crate::store::chain::Head;
use crate::store::{
    Account, Claim, CommitError, Durable, Error, Holder, HostInfo, LedgerCheck, Members, Offset,
    Partition, PartitionStatus, Record, Result, Snapshot, Store, Subscription, Transaction,
    Version, audit, durable,
};

/// Name of the lock in the directory. It is never removed: a lock file that comes and goes could be
/// held twice.
const LOCK_FILE: &str = "leyden.lock";

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        backend(error)
    }
}

/// Whether a store lies in a directory.
pub(in crate::store) fn exists(directory: &Path) -> bool {
    directory.join(schema::DATABASE_FILE).is_file()
}

/// What can go wrong beside SQLite's own errors.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("a transaction of {bytes} bytes is larger than the {bytes_max} allowed")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("a stream has one partition here, number 0; there is no number {0}")]
    NoPartition(u16),
}

fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Backend(error.into())
}

/// The store. Dropping it commits what waits, then closes the database.
pub struct Embedded {
    /// Taken away first when the store is dropped: the writer ends when no sender is left.
    queue: Option<Queue>,
    pool: Arc<Pool>,
    claims: Arc<Claims>,
    /// The tail of every partition that there is not.
    nothing: watch::Sender<Offset>,
    health: watch::Sender<std::result::Result<(), &'static str>>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the writer has closed.
    _lock: File,
}

impl Embedded {
    /// Opens or makes a store.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed then, except that the directory may have been made.
    pub fn open(options: Options) -> std::result::Result<Self, OpenError> {
        let lock = lock_directory(&options.directory)?;
        let writer = schema::open_writer(&options.directory, options.database_bytes_max)?;
        let checkpointer = schema::open_checkpointer(&options.directory)?;
        let catalog = Arc::new(Catalog::new(&Names::load(&writer)?));
        let readers_max = options.readers_max.max(1);
        let pool = Pool::new(
            options.directory,
            readers_max,
            options.reader_wait_max,
            Arc::clone(&catalog),
        );
        let pool = Arc::new(pool);

        let (checkpoints, requests) = sync_channel(1);
        let (sender, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let intake = Arc::new(Intake::default());
        let queue = Queue::new(sender, Arc::clone(&intake));
        let claims = Arc::new(Claims::default());
        let parts = Parts {
            pool: Arc::clone(&pool),
            catalog,
            claims: Arc::clone(&claims),
            checkpoints,
            wal_bytes_max: options.wal_bytes_max,
            log_records_max: options.log_records_max,
        };
        let threads = vec![
            spawn_writer(writer, parts, jobs, intake)?,
            spawn("leyden-wal", move || {
                wal::run_checkpoints(&checkpointer, &requests);
            })?,
        ];
        Ok(Self {
            queue: Some(queue),
            pool,
            claims,
            nothing: watch::Sender::new(0),
            health: watch::Sender::new(Ok(())),
            threads,
            _lock: lock,
        })
    }

    fn queue(&self) -> Result<&Queue> {
        self.queue
            .as_ref()
            .ok_or(Error::Unavailable("the store has stopped"))
    }

    /// Reads at one instant, with a snapshot that lives no longer.
    async fn now<T>(&self, read: impl FnOnce(&Lease) -> Result<T>) -> Result<T> {
        let (lease, _) = self.pool.present().await?;
        read(&lease)
    }

    /// The number of a partition's stream; `None` where nothing was ever appended.
    fn stream(&self, partition: &Partition) -> Option<i64> {
        let there_is = partition.number == 0;
        there_is
            .then(|| self.pool.catalog().stream(&partition.stream))
            .flatten()
    }
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::result::Result<JoinHandle<()>, OpenError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(OpenError::Thread)
}

/// Starts the writer and waits until it is ready, so that what fails there fails here.
fn spawn_writer(
    connection: rusqlite::Connection,
    parts: Parts,
    jobs: Receiver<Job>,
    intake: Arc<Intake>,
) -> std::result::Result<JoinHandle<()>, OpenError> {
    let (ready, is_ready) = sync_channel(1);
    let thread = spawn("leyden-writer", move || {
        match Writer::new(&connection, parts) {
            Ok(writer) => {
                drop(ready.send(Ok(())));
                writer.run(&jobs, &intake);
                wal::close(&connection);
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    })?;
    is_ready
        .recv()
        .map_err(|gone| OpenError::Thread(std::io::Error::other(gone)))??;
    Ok(thread)
}

fn lock_directory(directory: &Path) -> std::result::Result<File, OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Directory { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed(directory))?;
    let path = directory.join(LOCK_FILE);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.pool.close_idle();
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
    }
}

impl Store for Embedded {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        Box::pin(async { Ok(Box::new(self.pool.snapshot().await?) as Box<dyn Snapshot>) })
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        Box::pin(async move {
            if transaction.is_empty() {
                return Ok(transaction.reads.version);
            }
            self.queue()?.commit(transaction).await
        })
    }

    fn commit_ahead(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Durable, CommitError>> {
        Box::pin(async move {
            if transaction.is_empty() {
                return Ok(durable());
            }
            self.queue()?.commit_ahead(transaction).await
        })
    }

    fn partitions<'a>(&'a self, _stream: &'a StreamName) -> BoxFuture<'a, Result<u16>> {
        Box::pin(ready(Ok(1)))
    }

    fn read_log<'a>(
        &'a self,
        partition: &'a Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(async move {
            let Some(stream) = self.stream(partition) else {
                return Ok(Vec::new());
            };
            self.now(|lease| lease.with(|c| log::records(c, stream, after, limit, bytes_max)))
                .await
        })
    }

    fn first_offset<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        Box::pin(async move {
            let Some(stream) = self.stream(partition) else {
                return Ok(None);
            };
            self.now(|lease| lease.with(|c| log::first_after(c, stream, 0)))
                .await
        })
    }

    fn tail(&self, partition: &Partition) -> watch::Receiver<Offset> {
        match partition.number {
            0 => self.pool.catalog().watch(&partition.stream),
            _ => self.nothing.subscribe(),
        }
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<PartitionStatus>>> {
        Box::pin(self.now(|lease| lease.view(|view| view.statuses(&self.claims))))
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match subscription.partition.number {
                0 => self.queue()?.subscribe(subscription.clone()).await,
                number => Err(backend(Fault::NoPartition(number))),
            }
        })
    }

    fn fetch<'a>(
        &'a self,
        claim: &'a Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(async move {
            self.claims.check(claim)?;
            let of = &claim.subscription;
            let Some(stream) = self.stream(&of.partition) else {
                return Ok(Vec::new());
            };
            let waiting = |lease: &Lease| {
                lease.view(|view| view.waiting(stream, of, after, limit, bytes_max))
            };
            let (done, records) = self.now(waiting).await?;
            self.claims.give(claim, done, &records)?;
            Ok(records)
        })
    }

    fn backlog<'a>(&'a self, subscriptions: &'a [Subscription]) -> BoxFuture<'a, Result<u64>> {
        let lag = |lease: &Lease, of: &Subscription| match self.stream(&of.partition) {
            Some(stream) => lease.view(|view| view.lag(stream, of)),
            None => Ok(0),
        };
        Box::pin(self.now(move |lease| subscriptions.iter().map(|of| lag(lease, of)).sum()))
    }

    fn units(&self) -> u16 {
        1
    }

    fn beat<'a>(&'a self, info: &'a HostInfo, lease_ms: u64) -> BoxFuture<'a, Result<Members>> {
        Box::pin(ready(self.claims.beat(info, lease_ms)))
    }

    fn take<'a>(
        &'a self,
        unit: u16,
        from: Option<&'a Holder>,
        to: &'a Holder,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(Ok(self.claims.take(unit, from, to))))
    }

    fn release<'a>(&'a self, holder: &'a Holder, unit: Option<u16>) -> BoxFuture<'a, Result<()>> {
        self.claims.release(holder, unit);
        Box::pin(ready(Ok(())))
    }

    fn trim<'a>(&'a self, partition: &'a Partition, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            match partition.number {
                0 => self.queue()?.trim(partition.stream.clone(), up_to).await,
                _ => Ok(0),
            }
        })
    }

    fn accounts<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Account)>>> {
        Box::pin(self.now(move |lease| dump::accounts(lease, after, limit)))
    }

    fn check_ledger(&self, noted: Option<Head>) -> BoxFuture<'_, Result<LedgerCheck>> {
        Box::pin(async move { audit::check(&ledger::Books(&self.pool), noted).await })
    }

    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>> {
        self.health.subscribe()
    }
}
