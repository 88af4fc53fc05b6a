//! How a version of a policy has done since this host loaded it: for those who watch it and for the guards of its
//! promotion. In memory; each host knows its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Failure, Outcome, Shadowed};
use crate::clock::{self, Monotonic};

/// Buckets of the time that decisions took: up to 2^n ns each, the last one all that is longer.
const BUCKETS: usize = 36;

/// After so many failures in a row a version is not asked for a while: each may cost whoever asks the whole time of a
/// decision.
const SUSPENDED_AFTER: u64 = 3;

/// How long; then it is asked once more.
const SUSPENDED: Duration = Duration::from_secs(5);

/// The last failure.
#[derive(Debug, Clone)]
struct Last {
    why: String,
    at: Monotonic,
}

/// Counts decisions and failures.
#[derive(Debug)]
pub struct Health {
    decisions: AtomicU64,
    failures: AtomicU64,
    /// Decisions that the version beside it would have made otherwise, and how many were compared.
    differing: AtomicU64,
    compared: AtomicU64,
    /// Invocations that it decided in, and those of them that failed.
    invocations: AtomicU64,
    errors: AtomicU64,
    took: [AtomicU64; BUCKETS],
    /// Failures since the last decision.
    in_a_row: AtomicU64,
    last_failure: Mutex<Option<Last>>,
    shadowed: Mutex<Shadowed>,
    stage: Mutex<Stage>,
}

/// A stage of its promotion: when it began, and how many decisions had been made when this host first looked at it.
#[derive(Debug, Default)]
struct Stage {
    since_ms: u64,
    decisions: u64,
}

impl Default for Health {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            decisions: zero(),
            failures: zero(),
            differing: zero(),
            compared: zero(),
            invocations: zero(),
            errors: zero(),
            took: std::array::from_fn(|_| zero()),
            in_a_row: zero(),
            last_failure: Mutex::default(),
            shadowed: Mutex::default(),
            stage: Mutex::default(),
        }
    }
}

/// What was counted up to one instant.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Decisions.
    pub decisions: u64,
    /// Times it trapped, ran too long or broke its contract.
    pub failures: u64,
    /// Why it failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Decisions that were made by the version beside it, too.
    pub compared: u64,
    /// Of these, those that differ.
    pub differing: u64,
    /// Invocations that it decided in.
    pub invocations: u64,
    /// Of these, those that failed.
    pub errors: u64,
    /// What half of its decisions took at most, µs; a power of two of nanoseconds.
    pub median_us: f64,
    /// What 99 % of its decisions took at most, µs; a power of two of nanoseconds.
    pub p99_us: f64,
}

impl Health {
    /// A decision was made.
    pub(crate) fn decided(&self, took: Duration) {
        add(&self.decisions);
        if self.in_a_row.load(Ordering::Relaxed) > 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - ns.leading_zeros()) as usize;
        add(&self.took[bucket.min(BUCKETS - 1)]);
    }

    /// A decision was not made. Returns how many were not, this one included.
    pub(crate) fn failed(&self, failure: &Failure) -> u64 {
        let last = Last {
            why: failure.to_string(),
            at: clock::monotonic(),
        };
        let kept = self.last_failure.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = Some(last);
        add(&self.in_a_row);
        self.failures.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Why it is not asked now, if it is not: it has failed too often in a row, and lately.
    pub(crate) fn suspended(&self) -> Option<String> {
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        if in_a_row < SUSPENDED_AFTER {
            return None;
        }
        let last = self.last()?;
        let since = clock::monotonic().saturating_duration_since(last.at);
        let why = last.why;
        (since < SUSPENDED).then(|| format!("it has failed {in_a_row} times in a row, last: {why}"))
    }

    fn last(&self) -> Option<Last> {
        let last = self.last_failure.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The version beside it was asked the same.
    pub(crate) fn compared(&self, differs: bool) {
        add(&self.compared);
        if differs {
            add(&self.differing);
        }
    }

    /// An invocation that it decided in came to its end.
    pub(crate) fn invoked(&self, failed: bool) {
        add(&self.invocations);
        if failed {
            add(&self.errors);
        }
    }

    /// Decisions since this host first looked at the stage that began then.
    pub(crate) fn in_stage(&self, since_ms: u64) -> u64 {
        let decisions = self.decisions.load(Ordering::Relaxed);
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.since_ms != since_ms {
            *stage = Stage {
                since_ms,
                decisions,
            };
        }
        decisions.saturating_sub(stage.decisions)
    }

    /// An invocation was run in its shadow.
    pub(crate) fn shadowed(&self, outcome: Outcome) {
        let shadowed = self.shadowed.lock();
        shadowed
            .unwrap_or_else(PoisonError::into_inner)
            .enter(outcome);
    }

    /// How it did in the shadow of the active version.
    #[must_use]
    pub fn in_shadow(&self) -> Shadowed {
        let shadowed = self.shadowed.lock();
        shadowed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Observed {
            decisions: get(&self.decisions),
            failures: get(&self.failures),
            last_failure: self.last().map(|last| last.why),
            compared: get(&self.compared),
            differing: get(&self.differing),
            invocations: get(&self.invocations),
            errors: get(&self.errors),
            median_us: self.quantile_us(50),
            p99_us: self.quantile_us(99),
        }
    }

    /// The upper end of the bucket that the given percent of the decisions lie up to, µs; 0 where there was none.
    fn quantile_us(&self, percent: u64) -> f64 {
        let counts = self.took.each_ref().map(|c| c.load(Ordering::Relaxed));
        let all: u64 = counts.iter().sum();
        let needed = (all * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= needed && seen > 0 {
                return f64::exp2(bucket as f64) / 1_000.0;
            }
        }
        0.0
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_within_a_power_of_two() {
        let health = Health::default();
        assert_eq!(health.observed().p99_us, 0.0);
        for _ in 0..98 {
            health.decided(Duration::from_nanos(1_000));
        }
        health.decided(Duration::from_millis(1));
        health.decided(Duration::from_secs(600));
        let observed = health.observed();
        assert_eq!((observed.decisions, observed.median_us), (100, 1.024));
        assert!(observed.p99_us > 1_000.0 && observed.p99_us < 2_000.0);
    }

    #[test]
    fn decisions_are_counted_anew_in_each_stage() {
        let health = Health::default();
        health.decided(Duration::from_nanos(1));
        assert_eq!(health.in_stage(7), 0);
        health.decided(Duration::from_nanos(1));
        assert_eq!((health.in_stage(7), health.in_stage(8)), (1, 0));
    }

    #[test]
    fn a_version_that_fails_over_and_over_is_not_asked_for_a_while() {
        let health = Health::default();
        for _ in 0..SUSPENDED_AFTER {
            assert_eq!(health.suspended(), None);
            health.failed(&Failure::TooLong);
        }
        assert!(
            health
                .suspended()
                .is_some_and(|why| why.contains("3 times in a row"))
        );
        health.decided(Duration::from_nanos(1));
        assert_eq!(health.suspended(), None);
    }

    #[test]
    fn the_last_failure_is_kept() {
        let health = Health::default();
        health.failed(&Failure::TooLong);
        assert_eq!(health.failed(&Failure::Trapped("unreachable".into())), 2);
        let last = health.observed().last_failure.expect("a failure");
        assert!(last.contains("unreachable"), "{last}");
    }
}
