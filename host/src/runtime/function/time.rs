//! How long a run may take: its deadline bounds its own time, and not that which it waits for its client. A slow client
//! must not make a sound function look broken; it has a bound of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Monotonic};

/// Longest time that a run may wait for its client in all: what a gigabyte takes over a slow line.
const CLIENT_MAX: Duration = Duration::from_secs(600);

/// Longest time that the connection may hold a piece of the answer without asking for the next: a client that takes
/// nothing for so long is gone. It is seen when that time is over, to the timer's millisecond.
pub(super) const STALLED_MAX: Duration = Duration::from_secs(20);

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
    /// When the connection was last given a piece of the answer, µs after the beginning.
    given: AtomicU64,
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
            given: AtomicU64::new(0),
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
        self.stored.store(micros(waited), Ordering::Relaxed);
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
        let given = clock::monotonic().saturating_duration_since(self.begun);
        self.given.store(micros(given), Ordering::Relaxed);
        // Whoever sees that a piece is on its way sees since when.
        self.writing.store(true, Ordering::Release);
    }

    /// How much longer the connection may go without asking for the next piece of the answer. Where it has none to send, that
    /// time does not run yet.
    pub(super) fn patience(&self) -> Duration {
        if !self.writing.load(Ordering::Acquire) {
            return STALLED_MAX;
        }
        let given = Duration::from_micros(self.given.load(Ordering::Relaxed));
        let until = self.begun + given + STALLED_MAX;
        until.saturating_duration_since(clock::monotonic())
    }

    /// Whether a run that waits may be waiting for its client.
    pub(super) fn is_the_clients(&self) -> bool {
        self.reading.load(Ordering::Relaxed) || self.writing.load(Ordering::Relaxed)
    }

    /// A run that was waiting for its client since `since` goes on.
    pub(super) fn waited_since(&self, since: Monotonic) {
        let waited = clock::monotonic().saturating_duration_since(since);
        self.waited.fetch_add(micros(waited), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Time {
    /// The time of a run whose connection was given its last piece so long ago, and has asked for none since.
    pub(super) fn of_given(ago: Duration) -> Self {
        let mut time = Self::new(1_000_000);
        time.begun = clock::monotonic()
            .checked_sub(ago)
            .expect("a machine that runs longer");
        time.writing.store(true, Ordering::Relaxed);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_runs_from_the_last_piece_that_was_given_until_the_next_is_asked_for() {
        let second = Duration::from_secs(1);
        assert_eq!(Time::of_given(STALLED_MAX).patience(), Duration::ZERO);
        let time = Time::of_given(STALLED_MAX - second);
        assert!(time.patience() <= second);
        time.asked();
        assert_eq!(time.patience(), STALLED_MAX, "nothing is on its way");
        time.gave();
        assert!(time.patience() > second, "it counts anew from each piece");
    }
}
