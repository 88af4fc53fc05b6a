//! Which records of a subscription were fetched, and by whom, as runs of offsets. Pure.
//!
//! **Invariants.** Runs do not overlap and are in order; two that touch have different holders. So there
//! are as many as holders took turns since the last acknowledgement.

use crate::store::{Holder, Offset};

/// Records that one holder has fetched, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    first: Offset,
    last: Offset,
    holder: Holder,
}

/// What was fetched and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// Forgets what is acknowledged, and gives the records from `first` to `last` to a holder.
    pub(super) fn give(&mut self, done: Offset, first: Offset, last: Offset, holder: &Holder) {
        let mut new = Run {
            first,
            last,
            holder: holder.clone(),
        };
        let mut runs = Vec::with_capacity(self.0.len() + 2);
        for run in self.0.drain(..).filter(|run| run.last > done) {
            let touches = run.first <= new.last.saturating_add(1) && new.first <= run.last + 1;
            if touches && run.holder == new.holder {
                new.first = new.first.min(run.first);
                new.last = new.last.max(run.last);
            } else {
                runs.extend(run.without(first, last));
            }
        }
        runs.push(new);
        runs.sort_unstable_by_key(|run| run.first);
        self.0 = runs;
    }

    /// Whether all of these records are a holder's.
    pub(super) fn are_of(&self, holder: &Holder, offsets: &[Offset]) -> bool {
        let has = |offset: &Offset| {
            self.0
                .iter()
                .any(|run| run.holder == *holder && (run.first..=run.last).contains(offset))
        };
        !offsets.is_empty() && offsets.iter().all(has)
    }

    /// The bounds of all runs, both included.
    pub(super) fn bounds(&self) -> Vec<(Offset, Offset)> {
        self.0.iter().map(|run| (run.first, run.last)).collect()
    }
}

impl Run {
    /// What is left on both sides when the records from `first` to `last` become somebody else's.
    fn without(self, first: Offset, last: Offset) -> impl Iterator<Item = Self> {
        let before = Self {
            last: self.last.min(first.saturating_sub(1)),
            ..self.clone()
        };
        let after = Self {
            first: self.first.max(last.saturating_add(1)),
            ..self
        };
        [before, after]
            .into_iter()
            .filter(|run| run.first <= run.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder(name.into())
    }

    fn of(runs: &Runs, name: &str) -> Vec<Offset> {
        let all = 1..=12;
        all.filter(|offset| runs.are_of(&holder(name), &[*offset]))
            .collect()
    }

    #[test]
    fn the_last_who_fetched_a_record_has_it() {
        let mut runs = Runs::default();
        let (a, b) = (holder("a"), holder("b"));
        runs.give(0, 1, 9, &a);
        runs.give(0, 4, 5, &b);
        assert_eq!(
            (of(&runs, "a"), of(&runs, "b")),
            (vec![1, 2, 3, 6, 7, 8, 9], vec![4, 5])
        );
        assert_eq!(runs.bounds(), [(1, 3), (4, 5), (6, 9)]);
        runs.give(0, 5, 12, &b);
        assert_eq!(
            (of(&runs, "a"), runs.bounds()),
            (vec![1, 2, 3], vec![(1, 3), (4, 12)])
        );
        runs.give(2, 3, 4, &a);
        assert_eq!(
            (of(&runs, "a"), runs.bounds()),
            (vec![1, 2, 3, 4], vec![(1, 4), (5, 12)])
        );
        runs.give(12, 13, 13, &a);
        assert_eq!(runs.bounds(), [(13, 13)]);
    }

    #[test]
    fn runs_of_one_holder_grow_together() {
        let mut runs = Runs::default();
        for first in [1, 5, 3] {
            runs.give(0, first, first + 1, &holder("a"));
        }
        assert_eq!(runs.bounds(), [(1, 6)]);
        assert!(runs.are_of(&holder("a"), &[1, 6]));
        assert!(!runs.are_of(&holder("a"), &[6, 7]));
        assert!(!runs.are_of(&holder("a"), &[]));
    }
}
