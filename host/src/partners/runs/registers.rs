//! Which of its own runs are under way, as a host remembers it.
//!
//! **Invariant.** Whatever way a run ends, a panic included, it is not under way afterwards.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs that are under way, by id. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Register {
    runs: Arc<Mutex<HashSet<String>>>,
}

/// A run that is under way until this is dropped.
pub(super) struct UnderWay {
    pub(super) run: String,
    register: Register,
}

impl Register {
    /// A new run.
    pub(super) fn begin(&self) -> UnderWay {
        let run = uuid::Uuid::new_v4().simple().to_string();
        self.lock().insert(run.clone());
        UnderWay {
            run,
            register: self.clone(),
        }
    }

    /// Whether a run is under way.
    pub(super) fn has(&self, run: &str) -> bool {
        self.lock().contains(run)
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.register.lock().remove(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_under_way_until_it_is_dropped() {
        let register = Register::default();
        let (one, other) = (register.begin(), register.begin());
        assert!(register.has(&one.run) && register.has(&other.run));
        assert_eq!(register.count(), 2);
        let run = one.run.clone();
        drop(one);
        assert!(!register.has(&run) && register.has(&other.run));
    }
}
