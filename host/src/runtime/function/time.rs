//! How long a run may take: its deadline bounds its own time, and not that which it waits for its client. A slow client
//! must not make a sound function look broken; it has a bound of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Monotonic};

/// Longest time that a run may wait for its client in all: what a gigabyte takes over a slow line.
const CLIENT_MAX: Duration = Duration::from_secs(600);

/// The time of one run, shared with both of its bodies.
pub(super) struct Time {
    begun: Monotonic,
    allowed: Duration,
    /// Time that was spent waiting for the client, µs.
    waited: AtomicU64,
    /// Time that was spent waiting for the store, µs.
    stored: AtomicU64,
    /// Whether the request's body has no bytes to be read yet.
    reading: AtomicBool,
    /// Whether the connection has bytes of the answer that it has not asked beyond.
    writing: AtomicBool,
    /// Pieces of the answer that the connection took.
    taken: AtomicU64,
}

impl Time {
    pub(super) fn new(allowed_ms: u64) -> Self {
        Self {
            begun: clock::monotonic(),
            allowed: Duration::from_millis(allowed_ms),
            waited: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            taken: AtomicU64::new(0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What is left of the run's own time.
    pub(super) fn left(&self) -> Duration {
        let waited = Duration::from_micros(self.waited.load(Ordering::Relaxed));
        let stored = Duration::from_micros(self.stored.load(Ordering::Relaxed));
        let until = self.begun + self.allowed + waited.min(CLIENT_MAX) + stored;
        until.saturating_duration_since(clock::monotonic())
    }

    /// The run has waited for the store so long in all, which has a bound of its own.
    pub(super) fn stored(&self, waited: Duration) {
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.stored.store(waited, Ordering::Relaxed);
    }

    /// The request's body was asked for bytes: whether it had any.
    pub(super) fn read(&self, had_some: bool) {
        self.reading.store(!had_some, Ordering::Relaxed);
    }

    /// The connection asks for the next piece of the answer: the last one is on its way.
    pub(super) fn asked(&self) {
        self.writing.store(false, Ordering::Relaxed);
    }

    /// The connection was given a piece of the answer.
    pub(super) fn gave(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.writing.store(true, Ordering::Relaxed);
    }

    /// How often the connection was given something, and whether it has to send it before it asks again.
    pub(super) fn sent(&self) -> (u64, bool) {
        let writing = self.writing.load(Ordering::Relaxed);
        (self.taken.load(Ordering::Relaxed), writing)
    }

    /// Whether a run that waits may be waiting for its client.
    pub(super) fn is_the_clients(&self) -> bool {
        self.reading.load(Ordering::Relaxed) || self.writing.load(Ordering::Relaxed)
    }

    /// A run that was waiting for its client since `since` goes on.
    pub(super) fn waited_since(&self, since: Monotonic) {
        let waited = clock::monotonic().saturating_duration_since(since);
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
    }
}
