//! Looks at Redis while hosts change what is active: the generation's number and how many entries the audit has, read in
//! one step. An entry that is committed apart from its change shows, however short the moment between the two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::redis_server::{Server, ask};

/// Reads both at one instant: a script runs alone. The number is the last four bytes of its record.
const SCRIPT: &str = "local number = redis.call('HGET', KEYS[1], 'generation') \
    return {struct.unpack('>I4', string.sub(number, -4)), redis.call('ZCARD', KEYS[2])}";

/// Where both are, see `store/redis/keys.rs`.
const NUMBER: &str = "{leyden}:state:leyden.registry";
const ENTRIES: &str = "{leyden}:index:leyden.audit";

/// Between two looks: far less than two commits to a Redis that syncs each take.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// Most findings that are kept.
const TOLD_MAX: usize = 5;

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
    pub fn start(redis: &Server) -> Self {
        let (port, stop) = (redis.port(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let before = look(port).expect("both are there");
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                if let Some(now) = look(port) {
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
    fn note(&mut self, before: (u64, u64), now: (u64, u64)) {
        self.looks += 1;
        let (changes, entries) = (now.0 - before.0, now.1 - before.1);
        if changes != entries && self.apart.len() < TOLD_MAX {
            self.apart.push(format!(
                "at one instant {changes} changes and {entries} entries of the audit"
            ));
        }
    }
}

/// The generation's number, and how many entries there are.
fn look(port: u16) -> Option<(u64, u64)> {
    let told = ask(port, &["EVAL", SCRIPT, "2", NUMBER, ENTRIES]).ok()?;
    let (number, entries) = told.split_once('\n')?;
    Some((number.parse().ok()?, entries.parse().ok()?))
}
