//! Who may run now: places per component and in all, a bounded queue before them, and turns for those
//! that lost a race.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::error::Error;
use super::types::Input;
use crate::registry::Active;

/// Most invocations from outside that run at once, over all components: enough to keep the cores
/// busy while others wait for their commits.
const PLACES: usize = 256;

/// Most invocations of one component that wait for a place.
const QUEUE_MAX: u32 = 1_024;

/// Longest wait for a place.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Places over all components.
pub(super) struct Admission {
    places: Semaphore,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            places: Semaphore::new(PLACES),
        }
    }
}

/// A place, given back when dropped.
pub(super) struct Place<'a> {
    _own: SemaphorePermit<'a>,
    _common: SemaphorePermit<'a>,
}

/// One component's places and turns.
#[derive(Debug)]
pub struct Turns {
    places: Semaphore,
    queued: AtomicU32,
    turn: Mutex<()>,
    waiting: AtomicU32,
}

impl Turns {
    /// For a component that may run `concurrency` invocations at once.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self {
            places: Semaphore::new(concurrency),
            queued: AtomicU32::new(0),
            turn: Mutex::new(()),
            waiting: AtomicU32::new(0),
        }
    }

    /// Lets invocations that lost a race (`lost`) run one after the other. While some wait, new ones
    /// that may write queue behind them, so that nobody loses forever.
    pub(super) async fn wait(&self, lost: bool, input: &Input) -> Option<MutexGuard<'_, ()>> {
        if !lost && (self.waiting.load(Ordering::Relaxed) == 0 || is_safe(input)) {
            return None;
        }
        let _counted = Counted::new(&self.waiting);
        Some(self.turn.lock().await)
    }
}

/// Whether the input's method promises not to write (RFC 9110, 9.2.1).
fn is_safe(input: &Input) -> bool {
    matches!(input, Input::Http(request) if matches!(request.head.method.as_str(), "GET" | "HEAD"))
}

impl Admission {
    /// A place for one invocation of a component.
    pub(super) async fn enter<'a>(&'a self, active: &'a Active) -> Result<Place<'a>, Error> {
        let turns = &active.turns;
        if let (Ok(own), Ok(common)) = (turns.places.try_acquire(), self.places.try_acquire()) {
            return Ok(Place {
                _own: own,
                _common: common,
            });
        }
        if turns.queued.load(Ordering::Relaxed) >= QUEUE_MAX {
            return Err(Error::Busy);
        }
        let _counted = Counted::new(&turns.queued);
        let both = async { (turns.places.acquire().await, self.places.acquire().await) };
        match tokio::time::timeout(WAIT_MAX, both).await {
            Ok((Ok(own), Ok(common))) => Ok(Place {
                _own: own,
                _common: common,
            }),
            Ok(_) => Err(Error::Stopping),
            Err(_) => Err(Error::Busy),
        }
    }
}

/// Counts itself while it lives, cancelled or not.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
