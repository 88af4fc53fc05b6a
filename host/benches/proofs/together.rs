//! Looks at a store while hosts change what is active: the generation's number and how many entries the audit has, read in
//! one step. An entry that is committed apart from its change shows, however short the moment between the two.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::redis_server::{Server, ask};

/// Reads both in Redis at one instant: a script runs alone. The number is the last four bytes of its record.
const SCRIPT: &str = "local number = redis.call('HGET', KEYS[1], 'generation') \
    return {struct.unpack('>I4', string.sub(number, -4)), redis.call('ZCARD', KEYS[2])}";

/// Where both are, see `store/redis/keys.rs`.
const NUMBER: &str = "{leyden}:state:leyden.registry";
const ENTRIES: &str = "{leyden}:index:leyden.audit";

/// Reads both in SQLite at one instant: a statement has one snapshot.
const STATEMENT: &str = "SELECT
    (SELECT value FROM state JOIN spaces ON spaces.id = state.space
     WHERE name = 'leyden.registry' AND key = CAST('generation' AS BLOB)),
    (SELECT count(*) FROM state JOIN spaces ON spaces.id = state.space WHERE name = 'leyden.audit')";

/// Between two looks: far less than a commit takes that is synced.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// Most findings that are kept.
const TOLD_MAX: usize = 5;

/// The generation's number, and how many entries there are.
type Look = (u64, u64);

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How often it was looked.
    pub looks: usize,
    /// When changes and entries were not the same number, in words.
    pub apart: Vec<String>,
}

/// Looks until it is told to stop. From its start on, nothing else than changes of what is active may be audited.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watcher {
    /// Looks at a Redis.
    pub fn of_redis(redis: &Server) -> Self {
        let port = redis.port();
        Self::start(move || {
            let told = ask(port, &["EVAL", SCRIPT, "2", NUMBER, ENTRIES]).ok()?;
            let (number, entries) = told.split_once('\n')?;
            Some((number.parse().ok()?, entries.parse().ok()?))
        })
    }

    /// Looks at the database of a host's folder.
    pub fn of_folder(folder: &Path) -> Self {
        let file = folder.join("leyden.db");
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.expect("a database");
        Self::start(move || {
            let told = connection.query_row(STATEMENT, [], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
            });
            let (number, entries) = told.ok()?;
            Some((
                u64::from_be_bytes(number.try_into().ok()?),
                u64::try_from(entries).ok()?,
            ))
        })
    }

    fn start(look: impl Fn() -> Option<Look> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let before = look().expect("both are there");
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                if let Some(now) = look() {
                    seen.note(before, now);
                }
                std::thread::sleep(LOOK_EVERY);
            }
            seen
        });
        Self { stop, thread }
    }

    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

impl Seen {
    fn note(&mut self, before: Look, now: Look) {
        self.looks += 1;
        let (changes, entries) = (now.0 - before.0, now.1 - before.1);
        if changes != entries && self.apart.len() < TOLD_MAX {
            self.apart.push(format!(
                "at one instant {changes} changes and {entries} entries of the audit"
            ));
        }
    }
}
