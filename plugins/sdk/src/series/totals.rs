//! Sums of all houses per interval, which are the index of intervals as well. Each partition of the
//! stream that readings come by has rows of its own, so that no two partitions ever write, or read while
//! they write, the same key; whoever asks for a total adds the partitions' rows up.
//!
//! A community may have been recorded by another partition than the one that corrects it now (its
//! readings were moved to a store with more partitions). A row then falls below zero, which wraps around;
//! the sum over all partitions is right again.

use std::collections::{BTreeMap, BTreeSet};

use super::aggregate::Aggregate;
use super::batch::read_aggregate;
use super::codec::{Reader, put};
use super::{Error, Interval, Result, State, keys};
use crate::state::{key_after, prefix_end};

/// Entries of one scan: enough that most reads need one, small enough to stay far below a megabyte.
pub(super) const PAGE: usize = 1_000;
/// More partitions than any stream has.
const PARTITIONS_MAX: usize = 10_000;

/// What one batch of a partition changes in the totals. Nothing of it is in the state before
/// [`Totals::write`].
#[derive(Debug, Default)]
pub struct Totals {
    partition: u32,
    /// Each interval's share before and after the batch.
    changes: BTreeMap<Interval, (Aggregate, Aggregate)>,
}

impl Totals {
    /// For a batch of this partition.
    #[must_use]
    pub fn new(partition: u32) -> Self {
        Self {
            partition,
            changes: BTreeMap::new(),
        }
    }

    /// A share in an interval's total was `before` and is `now`.
    ///
    /// # Errors
    /// The sums of the batch are past what can be counted.
    pub fn swap(&mut self, interval: Interval, before: &Aggregate, now: &Aggregate) -> Result<()> {
        let change = self.changes.entry(interval).or_default();
        change.0.swap(&Aggregate::default(), before)?;
        change.1.swap(&Aggregate::default(), now)
    }

    /// Writes each total once, and the longest interval where a new one is longer.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn write(self, state: &mut impl State) -> Result<()> {
        let mut longest_new_ms = 0;
        for (interval, (before, now)) in &self.changes {
            let key = keys::total(self.partition, *interval);
            let stored = read_aggregate(state, &key)?;
            if stored.is_none() {
                longest_new_ms = longest_new_ms.max(interval.length_ms());
            }
            let mut total = stored.unwrap_or_default();
            total.shift(before, now);
            state.set(&key, &total.encode())?;
        }
        note_length(state, self.partition, longest_new_ms)
    }
}

fn note_length(state: &mut impl State, partition: u32, length_ms: u64) -> Result<()> {
    let key = keys::longest(partition);
    if length_ms == 0 || length_of(state.get(&key)?.as_deref())? >= length_ms {
        return Ok(());
    }
    let mut bytes = Vec::new();
    put(&mut bytes, length_ms.into());
    state.set(&key, &bytes)
}

fn length_of(stored: Option<&[u8]>) -> Result<u64> {
    stored.map_or(Ok(0), |bytes| Reader::new(bytes, "length").u64())
}

/// Partitions that have recorded something, each with its longest interval, ms.
fn partitions(state: &impl State) -> Result<Vec<(u32, u64)>> {
    let start = keys::longest(0);
    let end = prefix_end(&start).unwrap_or_default();
    let entries = state.scan(&start, &end, PARTITIONS_MAX)?;
    let partition = |(key, value)| Ok((keys::partition_of(key)?, length_of(Some(value))?));
    entries.iter().map(partition).collect()
}

/// All intervals that contain an instant, with the sums of all houses; at most `found_max` of them among
/// at most `seen_max` index entries of one partition.
pub(super) fn containing(
    state: &impl State,
    at_ms: u64,
    found_max: usize,
    seen_max: usize,
) -> Result<BTreeMap<Interval, Aggregate>> {
    let mut found = Found::new(found_max);
    let end_ms = at_ms.saturating_add(1);
    for (partition, longest_ms) in partitions(state)? {
        // One that contains the instant starts less than the longest length before it.
        let span = (end_ms.saturating_sub(longest_ms), end_ms);
        each_row(state, partition, span, seen_max, |interval, row| {
            if interval.contains(at_ms) {
                found.add(interval, row)?;
            }
            Ok(())
        })?;
    }
    Ok(found.into_known())
}

/// All intervals that start in `[from_ms, to_ms)`, with the sums of all houses.
///
/// # Errors
/// The state cannot be read, or there are more than `max`.
pub fn intervals_between(
    state: &impl State,
    from_ms: u64,
    to_ms: u64,
    max: usize,
) -> Result<BTreeMap<Interval, Aggregate>> {
    let mut found = Found::new(max);
    for (partition, _) in partitions(state)? {
        each_row(state, partition, (from_ms, to_ms), max, |interval, row| {
            found.add(interval, row)
        })?;
    }
    Ok(found.into_known())
}

/// The next intervals that start in `[from_ms, to_ms)`, in order, and from where on there may be more.
/// Intervals whose rows have cancelled out may be among them.
///
/// # Errors
/// The state cannot be read, or too many intervals start at one instant.
pub(super) fn starting(
    state: &impl State,
    from_ms: u64,
    to_ms: u64,
) -> Result<(BTreeSet<Interval>, Option<u64>)> {
    let mut found = BTreeSet::new();
    // All partitions are known up to here; beyond it some are only in part.
    let mut known_ms = None;
    for (partition, _) in partitions(state)? {
        let start = keys::totals_from(partition, from_ms);
        let end = keys::totals_from(partition, to_ms);
        let entries = state.scan(&start, &end, PAGE)?;
        for (key, _) in entries.iter() {
            found.insert(keys::interval_of(key)?);
        }
        if let (Some((key, _)), PAGE) = (entries.iter().last(), entries.len()) {
            let last_ms = keys::interval_of(key)?.starts_at_ms;
            known_ms = Some(known_ms.map_or(last_ms, |known: u64| known.min(last_ms)));
        }
    }
    if known_ms == Some(from_ms) {
        return Err(Error::TooManyIntervals(PAGE));
    }
    if let Some(known_ms) = known_ms {
        found.retain(|interval| interval.starts_at_ms < known_ms);
    }
    Ok((found, known_ms))
}

/// Sums of rows by their intervals.
struct Found {
    sums: BTreeMap<Interval, Aggregate>,
    max: usize,
}

impl Found {
    fn new(max: usize) -> Self {
        Self {
            sums: BTreeMap::new(),
            max,
        }
    }

    fn add(&mut self, interval: Interval, row: &Aggregate) -> Result<()> {
        let nothing = Aggregate::default();
        self.sums.entry(interval).or_default().shift(&nothing, row);
        if self.sums.len() > self.max {
            return Err(Error::TooManyIntervals(self.max));
        }
        Ok(())
    }

    /// Without intervals that nothing is recorded of any more: rows of two partitions that cancel out.
    fn into_known(mut self) -> BTreeMap<Interval, Aggregate> {
        self.sums.retain(|_, sum| sum.houses > 0);
        self.sums
    }
}

/// Calls `visit` with every row of a partition whose interval starts in `[first_ms, end_ms)`.
fn each_row(
    state: &impl State,
    partition: u32,
    (first_ms, end_ms): (u64, u64),
    max: usize,
    mut visit: impl FnMut(Interval, &Aggregate) -> Result<()>,
) -> Result<()> {
    let end = keys::totals_from(partition, end_ms);
    let mut start = keys::totals_from(partition, first_ms);
    let mut seen = 0;
    loop {
        let entries = state.scan(&start, &end, PAGE)?;
        seen += entries.len();
        if seen > max {
            return Err(Error::TooManyIntervals(max));
        }
        for (key, value) in entries.iter() {
            visit(keys::interval_of(key)?, &Aggregate::decode(value)?)?;
        }
        match entries.iter().last() {
            Some((key, _)) if entries.len() == PAGE => start = key_after(key),
            _ => return Ok(()),
        }
    }
}
