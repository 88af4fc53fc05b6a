//! The store of a single host: one directory with one SQLite database in WAL mode.
//!
//! One thread writes, in groups that share a sync of the disk; a pool of connections reads; one
//! more copies the WAL back. Memory: the writer caches up to 32 MiB of pages and each reader up to
//! 512 KiB (16 MiB with all 32); beyond that readers map the file, so that its pages are held once, by
//! the system. The optimistic check remembers up to 262,144 keys, the queue up to 256 MiB.
//!
//! **Invariants.** One process at a time has the directory open. An answer to a commit means that
//! it survives a crash of the process and, as far as the disk keeps its word about `fsync`, of the
//! machine. A commit that failed with [`Error::Backend`] has not happened for anyone here; only a
//! crash right after a failed sync may bring it back, as with every write-ahead log.

mod catalog;
mod jobs;
mod ledger;
mod readers;
mod schema;
mod snapshot;
mod statements;
mod wal;
mod window;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::catalog::{Catalog, Names};
use self::jobs::{Intake, Job, QUEUE_JOBS_MAX, Queue};
use self::readers::Pool;
use self::writer::Writer;
use crate::ids::StreamName;
use crate::store::{
    CommitError, Error, LedgerCheck, Offset, Result, Snapshot, Store, Transaction, Version,
};

/// Name of the lock in the directory. It is never removed: a lock file that comes and goes could be
/// held twice.
const LOCK_FILE: &str = "leyden.lock";

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lies; made, for this user alone, if there is none.
    pub directory: PathBuf,
    /// Snapshots at a time. 32: more than two cores keep busy, and few enough for memory.
    pub readers_max: usize,
    /// How long a snapshot waits for a place. 1 s: half an invocation's default deadline.
    pub reader_wait_max: Duration,
    /// Length of the write-ahead log, bytes, at which snapshots that hold it back are revoked.
    /// 256 MiB: more than a second of the most scattered commits at full speed.
    pub wal_bytes_max: u64,
    /// Greatest size of the database, bytes; commits fail beyond it. None: the disk's.
    pub database_bytes_max: Option<u64>,
}

impl Options {
    /// The defaults, in a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            readers_max: 32,
            reader_wait_max: Duration::from_secs(1),
            wal_bytes_max: 256 << 20,
            database_bytes_max: None,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is open already.
    #[error("the data directory {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// A newer version of Leyden wrote it.
    #[error(
        "the database has schema version {found}; this version of Leyden knows versions up to {known}"
    )]
    Newer {
        /// What the file says.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// It is someone else's.
    #[error("leyden.db in the data directory is not a database of Leyden")]
    Foreign,
    /// The SQLite that was linked has a known fault.
    #[error("SQLite {0} is too old: 3.51.3 or newer is needed")]
    OldSqlite(&'static str),
    /// The file system has no shared memory, as some network file systems.
    #[error("the data directory cannot hold a write-ahead log (SQLite offers {0})")]
    NoWal(String),
    /// The directory or its lock.
    #[error("the data directory {} cannot be used", .path.display())]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("a thread of the store cannot be started")]
    Thread(#[source] std::io::Error),
    /// The database.
    #[error("the database cannot be opened")]
    Database(#[from] rusqlite::Error),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        backend(error)
    }
}

/// What can go wrong beside SQLite's own errors.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("a transaction of {bytes} bytes is larger than the {bytes_max} allowed")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("the writer has stopped; whether the transaction was committed is unknown")]
    Stopped,
}

fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Backend(error.into())
}

/// The store. Dropping it commits what waits, then closes the database.
pub struct Embedded {
    /// Taken away first when the store is dropped: the writer ends when no sender is left.
    queue: Option<Queue>,
    pool: Arc<Pool>,
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
        let parts = WriterParts {
            pool: Arc::clone(&pool),
            catalog,
            checkpoints,
            wal_bytes_max: options.wal_bytes_max,
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
            threads,
            _lock: lock,
        })
    }

    fn queue(&self) -> Result<&Queue> {
        self.queue
            .as_ref()
            .ok_or(Error::Unavailable("the store has stopped"))
    }
}

struct WriterParts {
    pool: Arc<Pool>,
    catalog: Arc<Catalog>,
    checkpoints: SyncSender<()>,
    wal_bytes_max: u64,
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
    parts: WriterParts,
    jobs: Receiver<Job>,
    intake: Arc<Intake>,
) -> std::result::Result<JoinHandle<()>, OpenError> {
    let (ready, is_ready) = sync_channel(1);
    let thread = spawn("leyden-writer", move || {
        let writer = Writer::new(
            &connection,
            &parts.pool,
            &parts.catalog,
            parts.checkpoints,
            parts.wal_bytes_max,
        );
        match writer {
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

    fn tail(&self, stream: &StreamName) -> watch::Receiver<Offset> {
        self.pool.catalog().watch(stream)
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<(StreamName, Offset)>>> {
        Box::pin(std::future::ready(Ok(self.pool.catalog().tails())))
    }

    fn trim<'a>(&'a self, stream: &'a StreamName, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { self.queue()?.trim(stream.clone(), up_to).await })
    }

    /// Reads the whole ledger on a thread for blocking work, in one snapshot.
    fn check_ledger(&self) -> BoxFuture<'_, Result<LedgerCheck>> {
        Box::pin(async {
            let lease = self.pool.snapshot().await?.into_lease();
            let checked = tokio::task::spawn_blocking(move || lease.check_ledger()).await;
            checked.map_err(backend)?
        })
    }
}
