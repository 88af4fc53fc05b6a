//! Who may run now: places per component and in all, a bounded queue before them, and turns for those
//! that lost a race.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use super::rounds::{self, Rounds};
use super::types::Input;
use crate::registry::{Active, Kind};

/// Most invocations from outside that run at once, over all components: enough to keep the cores
/// busy while others wait for their commits.
const PLACES: usize = 256;

/// Places that only components get which have few already, so that no storm of one, or of some, takes all of them.
const PLACES_KEPT: usize = PLACES / 4;

/// Most invocations of one component that wait for a place, where its manifest does not say.
const QUEUE_MAX: u32 = 1_024;

/// Longest wait for a place.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Places over all components.
pub(super) struct Admission {
    places: Rounds,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            places: Rounds::new(PLACES, PLACES_KEPT),
        }
    }
}

/// A place, given back when dropped. It is its holder's own, since a run may outlive the call that began it.
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _common: rounds::Place,
}

/// One version's places, and the line of its component.
#[derive(Debug)]
pub struct Turns {
    places: Arc<Semaphore>,
    queued: AtomicU32,
    line: Arc<Line>,
}

/// Where invocations of a component wait that lost a race, whatever version they run on.
#[derive(Debug, Default)]
struct Line {
    turn: Mutex<()>,
    /// Those in line, the one whose turn it is included.
    length: AtomicU32,
}

/// A turn, which ends when dropped.
pub(super) struct Turn<'a> {
    _first: MutexGuard<'a, ()>,
    _counted: Counted<'a>,
}

impl Turns {
    /// For a version that may run `concurrency` invocations at once.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(concurrency)),
            queued: AtomicU32::new(0),
            line: Arc::default(),
        }
    }

    /// The same for the version that follows `former`: what still runs there races with what
    /// runs here, so both stand in one line.
    #[must_use]
    pub fn following(self, former: &Self) -> Self {
        Self {
            line: former.line.clone(),
            ..self
        }
    }

    /// How many invocations wait for a place.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed).into()
    }

    /// Lets invocations that lost a race (`lost`) run one after the other. While there are any, new
    /// ones that may write stand behind them, so that a loser races with those at most that had
    /// begun before it stood in line.
    pub(super) async fn wait(&self, lost: bool, input: &Input) -> Option<Turn<'_>> {
        if !lost && (self.line.length.load(Ordering::Acquire) == 0 || is_safe(input)) {
            return None;
        }
        let _counted = Counted::new(&self.line.length);
        Some(Turn {
            _first: self.line.turn.lock().await,
            _counted,
        })
    }
}

/// Whether the input's method promises not to write (RFC 9110, 9.2.1).
fn is_safe(input: &Input) -> bool {
    matches!(input, Input::Http(request) if matches!(request.head.method.as_str(), "GET" | "HEAD"))
}

impl Admission {
    /// A place for one invocation of a component.
    pub(super) async fn enter(&self, active: &Active) -> Result<Place, Error> {
        if let Ok(own) = active.turns.places.clone().try_acquire_owned()
            && let Some(common) = self.places.try_take(&active.name)
        {
            return Ok(Place {
                _own: own,
                _common: common,
            });
        }
        // In a box, so that who need not wait does not carry about what waiting takes.
        Box::pin(self.wait(active)).await
    }

    /// A place, when there is one.
    async fn wait(&self, active: &Active) -> Result<Place, Error> {
        let turns = &active.turns;
        let queue_max = match active.kind {
            Kind::Function => u32::try_from(active.manifest.limits.queue).unwrap_or(QUEUE_MAX),
            Kind::Service | Kind::Policy => QUEUE_MAX,
        };
        let refused = || {
            active.loaded.stats().refused.add();
            Error::Busy
        };
        if turns.queued.load(Ordering::Relaxed) >= queue_max {
            return Err(refused());
        }
        let _counted = Counted::new(&turns.queued);
        let both = async {
            let own = turns.places.clone().acquire_owned().await;
            (own, self.places.take(&active.name).await)
        };
        match tokio::time::timeout(WAIT_MAX, both).await {
            Ok((Ok(own), common)) => Ok(Place {
                _own: own,
                _common: common,
            }),
            Ok(_) => Err(Error::Stopping),
            Err(_) => Err(refused()),
        }
    }
}

/// Counts itself while it lives, cancelled or not.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
