//! The tab of one run or invocation: what it may spend, what it has read and at whose prices, and what it
//! was told of groups.

use std::sync::{Arc, Mutex, PoisonError};

use super::cohorts::Told;
use super::{Dataset, Decision, ReadEntry, Terms};
use crate::ids::Digest;

/// What a run or an invocation has read and may still spend. Shared by whoever runs the guest and the
/// guest's own calls, so that it is not lost with an instance that traps or is cut off.
#[derive(Debug, Clone)]
pub struct Tab(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    left: u64,
    reads: Vec<ReadEntry>,
    policy: Option<Digest>,
    decisions: Vec<(Dataset, Decision)>,
    told: Vec<Told>,
}

impl Tab {
    /// A tab over a hold of so many datapoints.
    #[must_use]
    pub fn over(held: u64) -> Self {
        Self(Arc::new(Mutex::new(Books {
            left: held,
            ..Books::default()
        })))
    }

    /// The same, under terms that the access policy has stated already.
    #[must_use]
    pub fn under(self, terms: &Terms) -> Self {
        let mut books = self.books();
        books.policy = Some(terms.policy);
        books.decisions.clone_from(&terms.datasets);
        drop(books);
        self
    }

    /// What may still be spent, datapoints.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.books().left
    }

    /// What reads have cost so far, datapoints.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.books().reads.iter().map(|read| read.datapoints).sum()
    }

    /// Takes a read's price, before its readings are handed over.
    ///
    /// # Errors
    /// What is left does not cover the price; that much is left.
    pub fn charge(&self, read: ReadEntry) -> Result<(), u64> {
        let mut books = self.books();
        books.left = books.left.checked_sub(read.datapoints).ok_or(books.left)?;
        books.reads.push(read);
        Ok(())
    }

    /// Notes which version of the access policy set prices and trust.
    pub fn decided_by(&self, policy: Digest) {
        self.books().policy = Some(policy);
    }

    /// What was read so far, in order, and the version of the access policy that set the prices.
    #[must_use]
    pub fn reads(&self) -> (Vec<ReadEntry>, Option<Digest>) {
        let books = self.books();
        (books.reads.clone(), books.policy)
    }

    /// What the policy has said of a dataset already: it is pure, so one question is enough.
    #[must_use]
    pub fn decision(&self, dataset: Dataset) -> Option<Decision> {
        let books = self.books();
        let known = books.decisions.iter().find(|(of, _)| *of == dataset);
        known.map(|(_, decision)| *decision)
    }

    /// Notes what the policy says of a dataset.
    pub fn decide(&self, dataset: Dataset, decision: Decision) {
        self.books().decisions.push((dataset, decision));
    }

    /// Notes what a run was told of groups, to be kept when it is settled.
    pub fn tell(&self, told: Told) {
        self.books().told.push(told);
    }

    /// What the run was told of groups so far.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.books().told.clone()
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datapoints: u64) -> ReadEntry {
        ReadEntry {
            dataset: Dataset::Production,
            from_ms: 0,
            to_ms: 1,
            rows: 1,
            datapoints,
        }
    }

    #[test]
    fn what_the_terms_say_is_not_asked_again() {
        let terms = Terms {
            policy: Digest::of(b"access"),
            datasets: vec![(Dataset::Production, Decision::Granted(70))],
            compute_price: 0,
            decisions: Vec::new(),
        };
        let tab = Tab::over(1).under(&terms);
        let granted = Some(Decision::Granted(70));
        assert_eq!(tab.decision(Dataset::Production), granted);
        assert_eq!(tab.decision(Dataset::GlobalConsumption), None);
        assert_eq!(tab.reads(), (Vec::new(), Some(terms.policy)));
    }

    #[test]
    fn a_hold_is_spent_to_the_last_datapoint_and_not_beyond() {
        let tab = Tab::over(140);
        assert_eq!(tab.charge(read(70)), Ok(()));
        assert_eq!(tab.charge(read(71)), Err(70));
        assert_eq!((tab.left(), tab.spent(), tab.reads().0.len()), (70, 70, 1));
        assert_eq!(tab.charge(read(70)), Ok(()));
        assert_eq!(tab.charge(read(1)), Err(0));
        assert_eq!(tab.charge(read(0)), Ok(()), "what is free can be read");
        assert_eq!((tab.left(), tab.spent()), (0, 140));
    }
}
