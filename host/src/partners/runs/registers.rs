//! What a host remembers of its own runs: which are under way, and whose turn it is to be settled.
//!
//! **Invariant.** Whatever way a run ends, a panic included, it is not under way afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::ids::PartnerId;

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

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.register.lock().remove(&self.run);
    }
}

/// One lock for each partner that is being settled.
#[derive(Default)]
pub(super) struct Turns {
    partners: Mutex<HashMap<PartnerId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits for the partner's turn, which ends when this is dropped.
    pub(super) async fn wait(&self, partner: &PartnerId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody holds or waits for these: as many as runs are settled at once are left.
            partners.retain(|_, turn| Arc::strong_count(turn) > 1);
            partners.entry(partner.clone()).or_default().clone()
        };
        turn.lock_owned().await
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
        let run = one.run.clone();
        drop(one);
        assert!(!register.has(&run) && register.has(&other.run));
    }

    #[tokio::test]
    async fn partners_take_turns_each_with_itself() {
        let turns = Turns::default();
        let id = |name| PartnerId::parse(name).expect("an id");
        let (a, b) = (id("a"), id("b"));
        let first = turns.wait(&a).await;
        let _other = turns.wait(&b).await;
        let mut second = Box::pin(turns.wait(&a));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        let _again = turns.wait(&a).await;
        let kept = turns.partners.lock().unwrap().len();
        assert!(kept <= 2, "{kept}");
    }
}
