//! A bounded number of places that components take in turn: whoever waits gets one when it is its component's turn,
//! however many of another component wait before it. What is last is kept for components that hold few.
//!
//! **Invariant.** A place is free, held, or on its way to one waiter; a waiter that went away passes it on.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::ids::ComponentName;

/// Places that a component may hold of those that are kept back.
const FEW: usize = 4;

/// The places. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rounds {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    free: usize,
    /// Of the free ones, how many are for components that hold few.
    kept: usize,
    components: HashMap<ComponentName, Component>,
    /// Components of which somebody waits, the next first.
    ring: VecDeque<ComponentName>,
}

#[derive(Default)]
struct Component {
    held: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place, passed on when dropped.
pub(crate) struct Place {
    rounds: Rounds,
    holder: ComponentName,
}

impl Rounds {
    /// So many places, some of them kept back for components that hold few.
    pub(crate) fn new(places: usize, kept: usize) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                free: places,
                kept,
                components: HashMap::new(),
                ring: VecDeque::new(),
            })),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one that nobody else is to have before.
    pub(crate) fn try_take(&self, component: &ComponentName) -> Option<Place> {
        let taken = self.inner().take(component);
        taken.then(|| self.place(component.clone()))
    }

    /// A place, when it is the component's turn.
    pub(crate) async fn take(&self, component: &ComponentName) -> Place {
        let waiting = {
            let mut inner = self.inner();
            if inner.take(component) {
                None
            } else {
                Some(inner.wait(component))
            }
        };
        match waiting {
            None => self.place(component.clone()),
            Some(waiting) => match waiting.await {
                Ok(place) => place,
                // A sender goes only with its place: all of them are gone when the process ends.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn place(&self, holder: ComponentName) -> Place {
        Place {
            rounds: self.clone(),
            holder,
        }
    }

    /// Hands free places to whoever is next. Waiters are told outside the lock, since one that is gone gives its place
    /// back at once.
    fn hand_on(&self) {
        loop {
            let next = self.inner().next();
            let Some((holder, waiter)) = next else { return };
            drop(waiter.send(self.place(holder)));
        }
    }
}

impl Inner {
    fn may_take(&self, component: &ComponentName) -> bool {
        let holds_few = || {
            self.components
                .get(component)
                .is_none_or(|component| component.held < FEW)
        };
        self.free > self.kept || self.free > 0 && holds_few()
    }

    fn take(&mut self, component: &ComponentName) -> bool {
        let is_next = self.ring.is_empty() || !self.ring.iter().any(|name| self.may_take(name));
        if !is_next || !self.may_take(component) {
            return false;
        }
        self.free -= 1;
        self.components.entry(component.clone()).or_default().held += 1;
        true
    }

    fn wait(&mut self, component: &ComponentName) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        let waiting = &mut self
            .components
            .entry(component.clone())
            .or_default()
            .waiting;
        // Those who went away are in nobody's way, and do not pile up.
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push_back(sender);
        if !self.ring.contains(component) {
            self.ring.push_back(component.clone());
        }
        receiver
    }

    /// The next waiter who may have a place, which is its from now on.
    fn next(&mut self) -> Option<(ComponentName, oneshot::Sender<Place>)> {
        let mut at = 0;
        while let Some(name) = self.ring.get(at).cloned() {
            if !self.may_take(&name) {
                at += 1;
                continue;
            }
            self.ring.remove(at);
            let Some(component) = self.components.get_mut(&name) else {
                continue;
            };
            component.waiting.retain(|waiter| !waiter.is_closed());
            if let Some(waiter) = component.waiting.pop_front() {
                component.held += 1;
                if !component.waiting.is_empty() {
                    self.ring.push_back(name.clone());
                }
                self.free -= 1;
                return Some((name, waiter));
            }
            if component.held == 0 {
                self.components.remove(&name);
            }
        }
        None
    }

    /// Takes a place back.
    fn give_back(&mut self, holder: ComponentName) {
        self.free += 1;
        let Entry::Occupied(mut component) = self.components.entry(holder) else {
            return;
        };
        let Component { held, waiting } = component.get_mut();
        *held = held.saturating_sub(1);
        if *held == 0 && waiting.is_empty() {
            component.remove();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let somebody_waits = {
            let mut inner = self.rounds.inner();
            inner.give_back(self.holder.clone());
            !inner.ring.is_empty()
        };
        if somebody_waits {
            self.rounds.hand_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn name(name: &str) -> ComponentName {
        ComponentName::parse(name).expect("a name")
    }

    #[tokio::test]
    async fn components_take_turns_however_many_of_one_wait() {
        let rounds = Rounds::new(1, 0);
        let (loud, quiet) = (name("loud"), name("quiet"));
        let held = rounds.try_take(&loud).expect("a place");
        let mut loud_ones: Vec<_> = (0..3).map(|_| Box::pin(rounds.take(&loud))).collect();
        for waiter in &mut loud_ones {
            assert!(waiter.as_mut().now_or_never().is_none());
        }
        let mut quiet_one = Box::pin(rounds.take(&quiet));
        assert!(quiet_one.as_mut().now_or_never().is_none());
        assert!(rounds.try_take(&name("late")).is_none());
        drop(held);
        let held = loud_ones
            .remove(0)
            .now_or_never()
            .expect("the first of the loud");
        drop(held);
        let held = quiet_one
            .now_or_never()
            .expect("the quiet one before the rest");
        // One that went away passes its turn on.
        drop(loud_ones.remove(0));
        drop(held);
        let held = loud_ones.remove(0).now_or_never().expect("the last one");
        drop(held);
        assert!(rounds.inner().components.is_empty() && rounds.inner().free == 1);
    }

    #[tokio::test]
    async fn what_is_kept_is_for_those_who_hold_few() {
        let rounds = Rounds::new(10, 4);
        let (loud, quiet) = (name("loud"), name("quiet"));
        let all: Vec<_> = std::iter::from_fn(|| rounds.try_take(&loud)).collect();
        assert_eq!(all.len(), 6);
        let mut waiting = Box::pin(rounds.take(&loud));
        assert!(waiting.as_mut().now_or_never().is_none());
        let quiet_ones: Vec<_> = std::iter::from_fn(|| rounds.try_take(&quiet)).collect();
        assert_eq!(quiet_ones.len(), FEW);
        drop(quiet_ones);
        assert!(
            waiting.as_mut().now_or_never().is_none(),
            "it holds too many"
        );
        drop(all);
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_place_on_its_way_to_who_went_away_comes_back() {
        let rounds = Rounds::new(1, 0);
        let one = name("one");
        let held = rounds.try_take(&one).expect("a place");
        let mut waiting = Box::pin(rounds.take(&one));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        // It was handed over and never taken out.
        drop(waiting);
        assert!(rounds.try_take(&one).is_some());
    }
}
