//! The database file: its tables, its version, and connections set up for their job.
//!
//! **Invariants.** Every table is STRICT. A connection of the pool cannot write. A file that is not
//! Leyden's, or was written by a newer Leyden, is refused before anything in it changes.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::OpenError;
use super::dump::posting;
use super::statements::Statements;
use crate::store::chain::Head;
use crate::store::{Posting, Version};

/// Name of the database in the directory.
pub(super) const DATABASE_FILE: &str = "leyden.db";

/// The tables' version, kept in `user_version`.
pub(super) const SCHEMA_VERSION: i64 = 3;

/// "LEYD" in ASCII, kept in `application_id`: tells our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x4C45_5944;

/// Oldest SQLite that is safe here: before 3.51.3, a checkpoint could race with a WAL reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Bytes per page. Measured against 8 KiB: that makes large sequential transactions 10 % cheaper,
/// but commits of scattered keys, where whole pages go to the WAL, write 40 % more.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Page cache of the writer, KiB: the upper levels of the tree and the pages of a few groups.
const WRITER_CACHE_KIB: u32 = 32 * 1024;

/// Page cache of one reader, KiB. Another connection's commit empties it, so it pays within one
/// snapshot only; what lasts is the page cache of the system. Pages are copied out of that, unless the snapshot reads
/// many: see [`map`].
const READER_CACHE_KIB: u32 = 512;

/// How much of the file a reader maps instead of copying pages out of it, bytes. Address space,
/// not memory: the pages are the system's and are shared by all readers.
const READER_MMAP_BYTES: u64 = 8 << 30;

/// A WAL file longer than this is cut back to it when it starts again, bytes.
const WAL_KEPT_BYTES: u64 = 64 << 20;

/// Offsets of a stream take the low bits of a record's id, the stream's number the bits above:
/// integer keys are the fastest that SQLite has. 2^46 records at 100,000/s last 22 years.
pub(super) const OFFSET_BITS: u32 = 46;

/// Greatest offset.
pub(super) const OFFSET_MAX: u64 = (1 << OFFSET_BITS) - 1;

/// Greatest number of a stream: what the bits above an offset hold.
pub(super) const STREAM_ID_MAX: i64 = (1 << (63 - OFFSET_BITS)) - 1;

/// The records that were taken out from between others: what version 2 adds to version 1.
const HOLES: &str = "CREATE TABLE holes (id INTEGER PRIMARY KEY) STRICT;";

/// The ledger's entries with their chain, and where it ends: what version 3 changes. Entries of an earlier version are
/// called `unchained` meanwhile.
const CHAINED: &str = "
    CREATE TABLE entries (
        version INTEGER NOT NULL,
        position INTEGER NOT NULL,
        debit TEXT NOT NULL,
        credit TEXT NOT NULL,
        amount INTEGER NOT NULL CHECK (amount > 0),
        reference TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        -- SHA-256 over the hash of the entry before and this one's content
        chain BLOB NOT NULL CHECK (length(chain) = 32),
        PRIMARY KEY (version, position),
        CHECK (debit <> credit)
    ) STRICT, WITHOUT ROWID;
    -- How many entries were committed, and the hash of the last one.
    CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        entries INTEGER NOT NULL CHECK (entries >= 0),
        head BLOB NOT NULL CHECK (length(head) = 32)
    ) STRICT;
    INSERT INTO ledger VALUES (1, 0, zeroblob(32));
";

const TABLES: &str = "
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('version', 0);

    CREATE TABLE spaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE state (
        space INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (space, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, tail INTEGER NOT NULL) STRICT;
    -- id = stream * 2^46 + offset
    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        payload BLOB NOT NULL,
        published_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE VIEW records AS
        SELECT streams.name AS stream, log.id & ((1 << 46) - 1) AS offset, key, payload, published_at_ms
        FROM log JOIN streams ON streams.id = log.id >> 46;

    CREATE TABLE accounts (
        name TEXT PRIMARY KEY,
        debits INTEGER NOT NULL CHECK (debits >= 0),
        credits INTEGER NOT NULL CHECK (credits >= 0),
        CHECK (name = 'issuer' OR debits <= credits)
    ) STRICT, WITHOUT ROWID;
";

/// A number as SQLite keeps it; past its range, the greatest it has.
pub(super) fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number that was written from a `u64`.
pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The id of a record.
pub(super) fn record_id(stream: i64, offset: u64) -> i64 {
    (stream << OFFSET_BITS) | integer(offset.min(OFFSET_MAX))
}

/// Where `meta` keeps the greatest offset of a stream that was trimmed.
pub(super) fn trimmed_name(stream: i64) -> String {
    format!("trimmed {stream}")
}

/// The offset in a record's id.
pub(super) fn offset_of(record_id: i64) -> u64 {
    unsigned(record_id) & OFFSET_MAX
}

/// Makes an empty file for this user alone where there is none: SQLite gives the files beside it the
/// same rights.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let made = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    let failed = |source| OpenError::Directory {
        path: path.to_owned(),
        source,
    };
    made.map(|_| ()).map_err(failed)
}

/// The connection that writes: makes the tables where there are none.
pub(super) fn open_writer(
    directory: &Path,
    database_bytes_max: Option<u64>,
) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = directory.join(DATABASE_FILE);
    make_file(&path)?;
    let connection = Connection::open_with_flags(path, flags)?;
    check_version(&connection)?;
    configure_writer(&connection, database_bytes_max)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoWal(mode));
    }
    create_tables(&connection)?;
    Ok(connection)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn check_version(connection: &Connection) -> Result<(), OpenError> {
    let found = pragma(connection, "user_version")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign);
    }
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

fn configure_writer(
    connection: &Connection,
    database_bytes_max: Option<u64>,
) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = {WAL_KEPT_BYTES};
         PRAGMA cache_size = -{WRITER_CACHE_KIB};
         PRAGMA temp_store = MEMORY;"
    ))?;
    if let Some(bytes) = database_bytes_max {
        connection.execute_batch(&format!("PRAGMA max_page_count = {}", bytes / PAGE_BYTES))?;
    }
    Ok(())
}

/// Makes the tables that a file of an earlier version, or an empty one, lacks. All in one transaction, so that a crash in
/// between leaves the file as it was.
fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    let found = pragma(connection, "user_version")?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    match found {
        0 => transaction.execute_batch(&[TABLES, HOLES, CHAINED].concat())?,
        1 => transaction.execute_batch(HOLES)?,
        _ => {}
    }
    if found > 0 {
        chain_entries(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Gives the entries of an earlier version their chain.
fn chain_entries(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("ALTER TABLE entries RENAME TO unchained")?;
    connection.execute_batch(CHAINED)?;
    let mut statements = Statements::prepare(connection)?;
    let head = copy_chained(connection, &mut statements)?;
    statements.set_head(&head)?;
    tracing::info!(
        entries = head.entries,
        "the ledger's entries are chained now"
    );
    connection.execute_batch("DROP TABLE unchained")
}

fn copy_chained(
    connection: &Connection,
    statements: &mut Statements<'_>,
) -> rusqlite::Result<Head> {
    let mut old = connection.prepare(
        "SELECT debit, credit, amount, reference, version, position, at_ms FROM unchained \
         ORDER BY version, position",
    )?;
    let mut rows = old.query([])?;
    let (mut head, mut commit) = (Head::default(), Unchained::default());
    while let Some(row) = rows.next()? {
        let version = unsigned(row.get(4)?);
        if version != commit.version {
            commit.enter(&mut head, statements)?;
            commit = Unchained {
                version,
                at_ms: unsigned(row.get(6)?),
                postings: Vec::new(),
            };
        }
        commit.postings.push(posting(row)?);
    }
    commit.enter(&mut head, statements)?;
    Ok(head)
}

/// The entries of one commit, which are chained together; their positions count from 0.
#[derive(Default)]
struct Unchained {
    version: Version,
    at_ms: u64,
    postings: Vec<Posting>,
}

impl Unchained {
    fn enter(&self, head: &mut Head, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        let hashes = head.commit(&self.postings, self.at_ms);
        for ((position, posting), chain) in (0..).zip(&self.postings).zip(&hashes) {
            statements.enter((self.version, position), posting, self.at_ms, chain)?;
        }
        Ok(())
    }
}

/// A connection that only reads.
pub(super) fn open_reader(directory: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(directory.join(DATABASE_FILE), flags)?;
    // Otherwise a statement with a bound limit is compiled anew whenever that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!(
        "PRAGMA cache_size = -{READER_CACHE_KIB};
         PRAGMA query_only = ON;"
    ))?;
    Ok(connection)
}

/// Lets a reader map the database from here on, or no more.
pub(super) fn map(reader: &Connection, is_mapped: bool) -> rusqlite::Result<()> {
    let bytes = if is_mapped { READER_MMAP_BYTES } else { 0 };
    reader.pragma_update(None, "mmap_size", bytes.to_string())
}

/// The connection that checkpoints in the background.
pub(super) fn open_checkpointer(directory: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(directory.join(DATABASE_FILE), flags)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(connection)
}
