//! The only code that reads time: the host's clock (the system's, or a simulated one that moves only
//! when told to) and the monotonic time that deadlines and back-offs are measured with.
//!
//! The host's clock stamps what components see; deadlines never use it, since a simulated clock
//! stands still.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::ids::Instant;

/// A point of monotonic time, for deadlines.
pub type Monotonic = std::time::Instant;

/// Shortest time between ticks, ms: faster ones would only pile up.
pub const TICK_MS_MIN: u64 = 1_000;

/// Longest time between ticks, ms: a day, which is also the longest interval of a reading.
pub const TICK_MS_MAX: u64 = 86_400_000;

/// Which clock a host runs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The system's.
    System,
    /// Moves only when told to.
    Simulated,
}

/// The host's clock.
#[derive(Debug)]
pub struct Clock {
    mode: Mode,
    simulated_ms: AtomicU64,
    tick_ms: AtomicU64,
}

impl Clock {
    /// The system's clock, ticking every `tick_ms`.
    #[must_use]
    pub fn system(tick_ms: u64) -> Self {
        Self {
            mode: Mode::System,
            simulated_ms: AtomicU64::new(0),
            tick_ms: AtomicU64::new(tick_ms),
        }
    }

    /// A simulated clock that stands at `now`.
    #[must_use]
    pub fn simulated(now: Instant, tick_ms: u64) -> Self {
        Self {
            mode: Mode::Simulated,
            simulated_ms: AtomicU64::new(now.0),
            tick_ms: AtomicU64::new(tick_ms),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self.mode {
            Mode::System => system_now(),
            Mode::Simulated => Instant(self.simulated_ms.load(Ordering::Acquire)),
        }
    }

    /// Which clock it is.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Time from one tick to the next, ms.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        self.tick_ms.load(Ordering::Acquire)
    }

    /// Moves a simulated clock forward to `at` where it is behind; a system clock ignores it.
    pub(crate) fn advance_to(&self, at: Instant) {
        self.simulated_ms.fetch_max(at.0, Ordering::AcqRel);
    }

    /// Moves a simulated clock; a system clock ignores it.
    pub(crate) fn set(&self, now: Instant, tick_ms: u64) {
        self.simulated_ms.store(now.0, Ordering::Release);
        self.tick_ms.store(tick_ms, Ordering::Release);
    }
}

/// The system's time, whatever clock the host runs by: for ages of what is kept, such as idempotency keys.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where time is read"
)]
pub fn system_now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Instant(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

/// Bytes of a stamp.
pub(crate) const STAMP_BYTES: usize = 12;

/// Stamps of this process so far.
static STAMPS: AtomicU32 = AtomicU32::new(0);

/// The beginning of a key of what is read in the order of time: an instant (ms since 1970, 8 bytes) and a number that
/// grows with each stamp (4 bytes). So what one host stamps within a millisecond has an order, too; what several hosts
/// do has none.
pub(crate) fn stamp(at: Instant) -> [u8; STAMP_BYTES] {
    let number = STAMPS.fetch_add(1, Ordering::Relaxed);
    let mut stamp = [0; STAMP_BYTES];
    stamp[..8].copy_from_slice(&at.0.to_be_bytes());
    stamp[8..].copy_from_slice(&number.to_be_bytes());
    stamp
}

/// The same in ns since 1970: for traces, whose spans last microseconds.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where time is read"
)]
pub(crate) fn system_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// Monotonic time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where time is read"
)]
pub fn monotonic() -> Monotonic {
    Monotonic::now()
}

/// Waits on the current task.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Blocks the current thread: for the few threads of the host that are not tasks.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where time is read"
)]
pub(crate) fn block(duration: Duration) {
    std::thread::sleep(duration);
}
