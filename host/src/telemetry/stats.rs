//! What one component, or the host's own routes, have done: counters that many tasks add to at once.
//!
//! **Invariants.** Counting takes no lock and allocates nothing. Counters of a component go on over its versions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::clock::{self, Monotonic};
use crate::ids::ComponentName;

/// Upper bounds of a duration's buckets, µs: three for each power of ten, from what an echo takes to the longest
/// deadline that is common. Longer ones are in the last bucket, which has no bound.
pub const BUCKETS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Classes of statuses, from 1xx on.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How a component failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It trapped.
    Trap,
    /// It ran past its deadline.
    Deadline,
    /// It broke a rule of the host.
    Rule,
}

impl Failed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trap, Self::Deadline, Self::Rule];

    /// Its name as a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Rule => "rule",
        }
    }
}

/// A number that tasks add to.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// So many more.
    pub fn add_many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// At least this.
    pub fn raise(&self, to: u64) {
        // Most often it is no news: reading does not take the value away from other cores.
        if self.get() < to {
            self.0.fetch_max(to, Ordering::Relaxed);
        }
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

/// One of them, until dropped.
#[derive(Debug)]
pub struct OneMore<'l>(&'l Level);

impl Level {
    /// One more, for as long as what is returned lives.
    #[must_use]
    pub fn one_more(&self) -> OneMore<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneMore(self)
    }

    /// How many there are.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OneMore<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Stats {
    /// Answers by class of status, as in [`CLASSES`].
    pub answers: [Count; CLASSES.len()],
    /// How many answers took how long, as in [`BUCKETS_US`], then the longer ones.
    pub took: [Count; BUCKETS_US.len() + 1],
    /// How long all answers took, ns.
    pub took_ns: Count,
    /// Instances that were made.
    pub made: Count,
    /// Times that an instance served again.
    pub reused: Count,
    /// Failures, as in [`Failed::ALL`].
    pub failures: [Count; Failed::ALL.len()],
    /// Time that its invocations kept threads busy, ns.
    pub busy_ns: Count,
    /// Most linear memory that an instance has held, bytes.
    pub memory_high_bytes: Count,
    /// Requests that found the queue full, or waited in it too long.
    pub refused: Count,
    /// Whether it has series of its own ([`Stats::is_listed`]).
    listed: AtomicU8,
}

/// [`Stats::listed`]: not decided, one's own, among the others.
const UNDECIDED: u8 = 0;
const OWN: u8 = 1;
const AMONG_OTHERS: u8 = 2;

impl Stats {
    /// A request was answered.
    pub fn answered(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(1);
        self.answers[class.min(CLASSES.len() - 1)].add();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.took[BUCKETS_US.partition_point(|bound| *bound < us)].add();
        self.took_ns
            .add_many(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// It failed.
    pub fn failed(&self, how: Failed) {
        self.failures[how as usize].add();
    }

    /// It has kept a thread busy until now.
    pub fn was_busy_since(&self, began: Monotonic) {
        let took = clock::monotonic().saturating_duration_since(began);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.add_many(took_ns);
    }

    /// Whether anything has ever happened.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.made.get() > 0 || self.took.iter().any(|count| count.get() > 0)
    }

    /// Whether it has series of its own, where that is decided.
    #[must_use]
    pub fn is_listed(&self) -> Option<bool> {
        match self.listed.load(Ordering::Relaxed) {
            UNDECIDED => None,
            decided => Some(decided == OWN),
        }
    }

    /// Decides it. Once only, so that no count ever moves from one series to another.
    pub fn list(&self, own: bool) {
        let decided = if own { OWN } else { AMONG_OTHERS };
        self.listed.store(decided, Ordering::Relaxed);
    }
}

/// The counters of all components, by name: the versions of one share them. They go with the last version.
#[derive(Debug, Clone, Default)]
pub struct Table {
    by_name: Arc<Mutex<HashMap<ComponentName, Weak<Stats>>>>,
}

impl Table {
    /// The counters of a component.
    #[must_use]
    pub fn of(&self, name: &ComponentName) -> Arc<Stats> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_name.get(name).and_then(Weak::upgrade) {
            return known;
        }
        // Now and then, so that starting with many components does not look at all of them for each.
        if by_name.len().is_power_of_two() {
            by_name.retain(|_, stats| stats.strong_count() > 0);
        }
        let stats = Arc::<Stats>::default();
        by_name.insert(name.clone(), Arc::downgrade(&stats));
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class_and_duration() {
        let stats = Stats::default();
        assert!(!stats.is_used());
        for (status, us) in [
            (200, 100),
            (204, 101),
            (404, 0),
            (503, 20_000_000),
            (999, 1),
        ] {
            stats.answered(status, Duration::from_micros(us));
        }
        assert!(stats.is_used());
        let counts = |counts: &[Count]| counts.iter().map(Count::get).collect::<Vec<_>>();
        assert_eq!(counts(&stats.answers), [0, 2, 0, 1, 2]);
        let took = counts(&stats.took);
        assert_eq!((took[0], took[1], took[16]), (3, 1, 1));
        assert_eq!(stats.took_ns.get(), 20_000_202_000);
        assert!(BUCKETS_US.is_sorted());
        assert_eq!(Failed::ALL.map(|how| how as usize), [0, 1, 2]);
    }

    #[test]
    fn versions_of_a_component_share_their_counters() {
        let (table, name) = (Table::default(), ComponentName::parse("house").unwrap());
        let first = table.of(&name);
        first.made.add();
        assert_eq!(table.of(&name).made.get(), 1);
        assert_eq!(
            table.of(&ComponentName::parse("shed").unwrap()).made.get(),
            0
        );
        drop(first);
        assert_eq!(table.of(&name).made.get(), 0, "nobody had it any more");
    }
}
