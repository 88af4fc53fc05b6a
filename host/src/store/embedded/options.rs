//! How an embedded store is opened, and why it cannot be.

use std::path::PathBuf;
use std::time::Duration;

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
    /// Most records of a stream; commits that would append to one that has them are refused.
    /// 1,000,000: minutes at the rate that one host handles, and some hundred megabytes.
    pub log_records_max: u64,
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
            log_records_max: 1_000_000,
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
