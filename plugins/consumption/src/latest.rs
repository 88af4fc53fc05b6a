//! What is remembered of a community between batches: how far its readings have come, which of its
//! intervals are open, what is kept.
//!
//! An interval is closed by a reading that says so, or once an interval begins at or after its end:
//! what runs at the same time (a longer interval of another meter) closes nothing. A closed interval
//! stays closed, and every later change of it is told again.

use leyden_sdk::series::{Interval, Kept, Reader, Result, Touched, put};

/// The most intervals that stay open at once. Meters of one community that report in ever different
/// intervals do not grow this without bound: the oldest is closed first.
const OPEN_MAX: usize = 32;

/// A community's record, under `l/<community>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    /// What is kept of it.
    pub(crate) kept: Kept,
    /// The latest closed interval.
    pub(crate) closed: Option<Interval>,
    newest_start_ms: u64,
    open: Vec<Interval>,
}

impl Latest {
    /// A community whose first reading starts at `starts_at_ms` and comes by this partition.
    #[must_use]
    pub(crate) fn first(starts_at_ms: u64, partition: u32) -> Self {
        Self {
            kept: Kept::first(starts_at_ms, partition),
            closed: None,
            newest_start_ms: starts_at_ms,
            open: Vec::new(),
        }
    }

    /// A reading of the community begins at `starts_at_ms`.
    pub(crate) fn begin(&mut self, starts_at_ms: u64) {
        self.newest_start_ms = self.newest_start_ms.max(starts_at_ms);
    }

    /// Takes in what a batch did to the community and returns the intervals to tell of, each with
    /// whether it is closed: those that changed and those that are closed only now.
    pub(crate) fn judge(&mut self, touched: &[Touched]) -> Vec<(Interval, bool)> {
        let was_open = std::mem::take(&mut self.open);
        let mut told = Vec::new();
        for one in touched.iter().filter(|one| one.aggregate.houses > 0) {
            let interval = one.slot.interval;
            let is_closed = one.aggregate.closed || self.is_over(interval);
            if one.changed || is_closed && was_open.contains(&interval) {
                told.push((interval, is_closed));
            }
            if !is_closed {
                self.open.push(interval);
            }
        }
        let is_untouched = |open: &Interval| touched.iter().all(|one| one.slot.interval != *open);
        let untouched = was_open.into_iter().filter(is_untouched);
        let (over, open): (Vec<_>, Vec<_>) =
            untouched.partition(|interval| self.is_over(*interval));
        told.extend(over.into_iter().map(|interval| (interval, true)));
        self.open.extend(open);
        self.bound_open(&mut told);
        let closed = told
            .iter()
            .filter(|(_, is_closed)| *is_closed)
            .map(|(interval, _)| *interval);
        self.closed = self.closed.max(closed.max());
        told
    }

    /// Whether an interval that has readings can still get more of them in the ordinary course.
    pub(crate) fn is_open(&self, interval: Interval) -> bool {
        self.open.contains(&interval)
    }

    /// Closes the oldest of too many open intervals.
    fn bound_open(&mut self, told: &mut Vec<(Interval, bool)>) {
        self.open.sort_unstable();
        let too_many = self.open.len().saturating_sub(OPEN_MAX);
        for interval in self.open.drain(..too_many) {
            told.retain(|(other, _)| *other != interval);
            told.push((interval, true));
        }
    }

    fn is_over(&self, interval: Interval) -> bool {
        interval.ends_at_ms <= self.newest_start_ms
    }

    /// Its stored form.
    #[must_use]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        self.kept.encode(&mut bytes);
        put(&mut bytes, self.newest_start_ms.into());
        put(&mut bytes, self.closed.is_some().into());
        for interval in self.closed.iter().chain(&self.open) {
            put(&mut bytes, interval.starts_at_ms.into());
            put(&mut bytes, interval.length_ms().into());
        }
        bytes
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// It is not one.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "record of a community");
        let kept = Kept::decode(&mut reader)?;
        let newest_start_ms = reader.u64()?;
        let has_closed = reader.u64()? != 0;
        let mut intervals = Vec::new();
        while !reader.is_empty() {
            let starts_at_ms = reader.u64()?;
            let ends_at_ms = starts_at_ms.saturating_add(reader.u64()?);
            intervals.push(Interval {
                starts_at_ms,
                ends_at_ms,
            });
        }
        let mut intervals = intervals.into_iter();
        let closed = if has_closed { intervals.next() } else { None };
        Ok(Self {
            kept,
            closed,
            newest_start_ms,
            open: intervals.collect(),
        })
    }
}
