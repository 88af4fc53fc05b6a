//! Who may run a plugin now: so many at once as the machine has room for, and a line before them in which
//! partners take turns, so that however many runs one partner asks for, the next place goes to somebody else who
//! waits.
//!
//! A run passes two queues. The first bounds how many are under way, from their holds to their settlements; the
//! second how many of these compute, which is what takes memory and cores. So the machine's room does not stand
//! empty while commits are on their way.
//!
//! **Invariants.** Never more run than there is room for. A partner that waits gets a place before another gets
//! two, and those that have many running leave half of the room to those that have none. Lines are
//! bounded; who leaves one leaves no trace.

mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use self::line::{Line, Ticket};
use super::limits::{self, RunLimits, UNIT_BYTES};
use crate::ids::PartnerId;

pub(crate) use self::line::Claim;

/// Longest wait for a place: shorter than what clients wait for an answer as a rule.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

/// Runs that are under way for each unit of room: as many as are on their way to and from the disk while one
/// computes, and few enough that all their reports, 8 MiB at most each, fit into memory.
const UNDER_WAY_PER_UNIT: usize = 4;

/// Most runs that are under way on a machine with so many cores.
pub(crate) const fn under_way(cores: usize) -> usize {
    limits::room(cores).saturating_mul(UNDER_WAY_PER_UNIT)
}

impl Claim {
    /// What a run within these limits takes up.
    pub(crate) fn of(limits: &RunLimits) -> Self {
        Self {
            room: limits.memory_bytes.div_ceil(UNIT_BYTES),
            runs: usize::try_from(limits.concurrent_runs).unwrap_or(usize::MAX),
        }
    }

    /// What a run takes up among those that are under way.
    pub(crate) fn under_way(limits: &RunLimits) -> Self {
        Self {
            room: 1,
            ..Self::of(limits)
        }
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The partner itself waits for too many runs.
    #[error("too many runs of this partner wait already")]
    Own,
    /// Too many runs of all partners wait.
    #[error("too many runs wait already")]
    All,
    /// No place became free for too long.
    #[error("no place became free in time")]
    Late,
}

/// Gives places. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    line: Line,
    /// Those who wait, to be called.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A place, given back when dropped.
pub(crate) struct Place {
    queue: Queue,
    partner: PartnerId,
    room: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let (partner, room) = (&self.partner, self.room);
        self.queue.lock().leave(partner, room);
    }
}

/// Somebody who waits; dropped, they are gone from the line, or give back the place that they were just given.
struct Waiting {
    queue: Queue,
    partner: PartnerId,
    room: usize,
    ticket: Ticket,
    has_place: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.has_place {
            return;
        }
        let mut shared = self.queue.lock();
        if shared.waiting.remove(&self.ticket).is_some() {
            shared.line.give_up(&self.partner, self.ticket);
            shared.call();
        } else {
            shared.leave(&self.partner, self.room);
        }
    }
}

impl Shared {
    fn leave(&mut self, partner: &PartnerId, room: usize) {
        self.line.leave(partner, room);
        self.call();
    }

    /// Tells those who may go.
    fn call(&mut self) {
        for ticket in self.line.call() {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Who does not listen any more gives the place back itself.
                let _ = waiting.send(());
            }
        }
    }
}

impl Queue {
    /// A queue before so many units of room.
    pub(crate) fn new(room: usize) -> Self {
        let shared = Shared {
            line: Line::new(room),
            waiting: HashMap::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// A place for a partner's run.
    ///
    /// # Errors
    /// The line is full, or no place became free in time.
    pub(crate) async fn enter(&self, partner: &PartnerId, claim: Claim) -> Result<Place, Full> {
        self.enter_within(partner, claim, WAIT_MAX).await
    }

    async fn enter_within(
        &self,
        partner: &PartnerId,
        claim: Claim,
        patience: Duration,
    ) -> Result<Place, Full> {
        let (mut waiting, called) = self.stand(partner, claim)?;
        match tokio::time::timeout(patience, called).await {
            Ok(Ok(())) => {
                waiting.has_place = true;
                Ok(Place {
                    queue: self.clone(),
                    partner: partner.clone(),
                    room: waiting.room,
                })
            }
            _ => Err(Full::Late),
        }
    }

    /// Stands in line; called at once where there is room.
    fn stand(
        &self,
        partner: &PartnerId,
        claim: Claim,
    ) -> Result<(Waiting, oneshot::Receiver<()>), Full> {
        let mut shared = self.lock();
        let ticket = shared.line.arrive(partner, claim)?;
        let (call, called) = oneshot::channel();
        shared.waiting.insert(ticket, call);
        shared.call();
        let waiting = Waiting {
            queue: self.clone(),
            partner: partner.clone(),
            room: shared.line.room_for(claim),
            ticket,
            has_place: false,
        };
        Ok((waiting, called))
    }

    /// Units of room that are taken, and runs that wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.lock().line.load()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
