//! The units that this host holds, and the deliveries that run on them.
//!
//! **Invariant.** A delivery runs only while its unit is held here; whoever gives a unit up has waited for
//! its deliveries, within a bound, and what still runs then is refused by the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::delivery::Delivery;
use super::links::Relay;
use super::listeners::Listening;
use crate::store::{Offset, Subscription};

/// Units that are held, by number.
#[derive(Default)]
pub(super) struct Units {
    held: Mutex<BTreeMap<u16, Unit>>,
}

/// A unit that is held.
struct Unit {
    stop: CancellationToken,
    tasks: TaskTracker,
    running: HashMap<Subscription, Running>,
    /// It is being given up.
    leaving: bool,
}

/// A group that is being delivered to.
struct Running {
    /// Everything up to here is handled, as far as its delivery knows.
    seen: watch::Receiver<Offset>,
    tail: watch::Receiver<Offset>,
    stop: CancellationToken,
    /// Nobody waits for it to be idle.
    is_listener: bool,
}

impl Running {
    fn is_idle(&self) -> bool {
        self.is_listener || *self.tail.borrow() <= *self.seen.borrow()
    }
}

/// A unit's deliveries, told to stop.
pub(super) struct Stopping(TaskTracker);

impl Stopping {
    /// Waits until they have.
    pub(super) async fn stopped(&self) {
        self.0.wait().await;
    }
}

impl Unit {
    fn new(parent: &CancellationToken) -> Self {
        Self {
            stop: parent.child_token(),
            tasks: TaskTracker::new(),
            running: HashMap::new(),
            leaving: false,
        }
    }

    fn end(&mut self) -> Stopping {
        self.leaving = true;
        self.stop.cancel();
        self.running.clear();
        self.tasks.close();
        Stopping(self.tasks.clone())
    }
}

impl Units {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Unit>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are held.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Whether one is held, and not being given up.
    pub(super) fn holds(&self, unit: u16) -> bool {
        self.lock().get(&unit).is_some_and(|unit| !unit.leaving)
    }

    /// Begins to give one up; none where it is not held or being given up already.
    pub(super) fn leave(&self, unit: u16) -> Option<Stopping> {
        let mut held = self.lock();
        let unit = held.get_mut(&unit).filter(|unit| !unit.leaving)?;
        Some(unit.end())
    }

    /// Forgets one.
    pub(super) fn remove(&self, unit: u16) {
        if let Some(mut unit) = self.lock().remove(&unit) {
            unit.end();
        }
    }

    /// Forgets all but those that are owned; which ones.
    pub(super) fn keep(&self, owned: &HashSet<u16>) -> Vec<u16> {
        let mut lost = Vec::new();
        self.lock().retain(|number, unit| {
            let keep = owned.contains(number);
            if !keep {
                unit.end();
                lost.push(*number);
            }
            keep
        });
        lost
    }

    /// Whether all deliveries that run here have handled what they know of.
    pub(super) fn are_idle(&self) -> bool {
        let held = self.lock();
        let mut running = held.values().flat_map(|unit| unit.running.values());
        running.all(Running::is_idle)
    }
}

impl Shared {
    /// Holds these units, and starts what is to be delivered on them.
    pub(super) fn hold(self: &Arc<Self>, units: impl IntoIterator<Item = u16>) {
        let mut held = self.units.lock();
        for unit in units {
            held.entry(unit).or_insert_with(|| Unit::new(&self.stop));
        }
        drop(held);
        self.reconcile();
    }

    /// Starts the deliveries of held units that are subscribed to and do not run, and stops the others.
    pub(super) fn reconcile(self: &Arc<Self>) {
        let (groups, listeners) = (self.subscriptions.all(), self.listened());
        let wanted: HashSet<&Subscription> = groups.iter().chain(&listeners).collect();
        let mut held = self.units.lock();
        for unit in held.values_mut() {
            unit.running.retain(|subscription, running| {
                let keep = wanted.contains(subscription);
                if !keep {
                    running.stop.cancel();
                }
                keep
            });
        }
        for subscription in wanted {
            let unit = held.get_mut(&subscription.partition.number);
            let Some(unit) = unit.filter(|unit| !unit.leaving) else {
                continue;
            };
            if !unit.running.contains_key(subscription) {
                let running = self.begin(unit, subscription);
                unit.running.insert(subscription.clone(), running);
            }
        }
    }

    fn listened(&self) -> Vec<Subscription> {
        let listeners = self.listeners.lock();
        let listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        listeners.subscriptions.clone()
    }

    fn begin(self: &Arc<Self>, unit: &Unit, subscription: &Subscription) -> Running {
        let (seen_by, seen) = watch::channel(0);
        let stop = unit.stop.child_token();
        let tail = self.store.tail(&subscription.partition);
        let listening = Listening::new(self, subscription);
        let is_listener = listening.is_some();
        let run: Option<BoxFuture<'static, ()>> = if let Some(listening) = listening {
            Some(listening.run(tail.clone(), stop.clone()).boxed())
        } else if let Some(relay) = Relay::new(self, subscription, &seen_by) {
            Some(relay.run(tail.clone(), stop.clone()).boxed())
        } else {
            let delivery = Delivery::new(self.clone(), subscription.clone(), seen_by);
            delivery.map(|delivery| delivery.run(tail.clone(), stop.clone()).boxed())
        };
        if let Some(run) = run {
            // Both: the unit's holder waits for its own when it gives it up, the host for all at its end.
            unit.tasks.spawn(self.tasks.track_future(run));
        }
        Running {
            seen,
            tail,
            stop,
            is_listener,
        }
    }
}
