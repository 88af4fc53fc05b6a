//! Removal of old rows, a bounded number at a time. What is old is measured within each community,
//! against its own newest readings and not against the clock: history that is taken in years later
//! stays as long as it is the community's newest.

use std::collections::BTreeSet;

use super::batch::{Slot, read_aggregate};
use super::codec::{Reader, put};
use super::read::aggregate_of;
use super::{Aggregate, Interval, Result, State, keys};
use crate::state::prefix_end;

/// How long readings are kept, ms: 400 days, so that a year can be compared with the one before it
/// and a month of corrections.
pub const RETENTION_MS: u64 = 400 * DAY_MS;
/// How far one batch can move the horizon, ms: a month. One reading dated far in the future then
/// costs at most the oldest month, not all that is recorded.
const HORIZON_STEP_MS: u64 = 31 * DAY_MS;
/// Rows that one batch removes: twice what a batch of the default size adds, so that removal keeps up.
const SWEEP_ROWS_MAX: usize = 1_000;
/// Intervals of the index that one batch looks at for removal.
const SWEEP_INTERVALS_MAX: usize = 2_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What is kept of one community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Retention counts back from here, ms since 1970: the newest start, reached in bounded steps.
    horizon_ms: u64,
    /// Nothing that starts before this is recorded, ms since 1970.
    from_ms: u64,
    /// The partition whose batch recorded the community first, and whose totals may still hold its share.
    home: u32,
}

impl Kept {
    /// A community's first readings start at `oldest_ms` and come by this partition.
    #[must_use]
    pub fn first(oldest_ms: u64, partition: u32) -> Self {
        Self {
            horizon_ms: oldest_ms,
            from_ms: oldest_ms,
            home: partition,
        }
    }

    /// A batch brought readings that start from `oldest_ms` to `newest_ms`.
    pub fn advance(&mut self, oldest_ms: u64, newest_ms: u64) {
        let reachable_ms = newest_ms.min(self.horizon_ms.saturating_add(HORIZON_STEP_MS));
        self.horizon_ms = self.horizon_ms.max(reachable_ms);
        self.from_ms = self.from_ms.min(oldest_ms);
    }

    /// Whether a reading that starts at `starts_at_ms` is too old to be recorded.
    #[must_use]
    pub fn is_expired(&self, starts_at_ms: u64) -> bool {
        starts_at_ms < self.cutoff_ms()
    }

    fn cutoff_ms(&self) -> u64 {
        self.horizon_ms.saturating_sub(RETENTION_MS)
    }

    /// Appends its stored form.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.horizon_ms.into());
        put(
            bytes,
            u128::from(self.home) << 64 | u128::from(self.from_ms),
        );
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where it is not one.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let horizon_ms = reader.u64()?;
        let number = reader.number()?;
        Ok(Self {
            horizon_ms,
            from_ms: number as u64,
            home: u32::try_from(number >> 64).map_err(|_| reader.corrupt())?,
        })
    }
}

/// What one batch of a partition may still remove.
#[derive(Debug)]
pub struct Sweep {
    partition: u32,
    rows_left: usize,
    intervals_left: usize,
}

impl Sweep {
    /// For a batch of this partition.
    #[must_use]
    pub fn new(partition: u32) -> Self {
        Self {
            partition,
            rows_left: SWEEP_ROWS_MAX,
            intervals_left: SWEEP_INTERVALS_MAX,
        }
    }

    /// Removes what a community has before its cutoff, as far as the bounds allow; the next batch
    /// goes on where this one stopped.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn run(&mut self, state: &mut impl State, community: u64, kept: &mut Kept) -> Result<()> {
        let cutoff_ms = kept.cutoff_ms();
        if kept.from_ms >= cutoff_ms || self.intervals_left == 0 {
            return Ok(());
        }
        let limit = self.intervals_left;
        let intervals = self.index(state, kept)?;
        self.intervals_left -= intervals.len();
        for interval in &intervals {
            let slot = Slot {
                interval: *interval,
                community,
            };
            kept.from_ms = interval.starts_at_ms;
            if !self.remove(state, slot, kept.home)? {
                return Ok(());
            }
        }
        if intervals.len() < limit {
            kept.from_ms = cutoff_ms;
        }
        Ok(())
    }

    /// The first intervals before the cutoff in the partition's index, and in that of the community's first
    /// partition where it came by another.
    fn index(&self, state: &impl State, kept: &Kept) -> Result<BTreeSet<Interval>> {
        let mut intervals = BTreeSet::new();
        for partition in BTreeSet::from([self.partition, kept.home]) {
            let start = keys::totals_from(partition, kept.from_ms);
            let end = keys::totals_from(partition, kept.cutoff_ms());
            for (key, _) in state.scan(&start, &end, self.intervals_left)?.iter() {
                intervals.insert(keys::interval_of(key)?);
            }
        }
        Ok(intervals.into_iter().take(self.intervals_left).collect())
    }

    /// Removes a slot; false where the bound on rows came first. Readings of it are expired by then,
    /// so that no sum changes in between.
    fn remove(&mut self, state: &mut impl State, slot: Slot, home: u32) -> Result<bool> {
        let Some(aggregate) = aggregate_of(state, slot)? else {
            return Ok(true);
        };
        let prefix = keys::rows_of(slot);
        let end = prefix_end(&prefix).unwrap_or_default();
        let rows = state.scan(&prefix, &end, self.rows_left)?;
        for (key, _) in rows.iter() {
            state.delete(key)?;
        }
        self.rows_left -= rows.len();
        if self.rows_left == 0 {
            return Ok(false);
        }
        state.delete(&keys::community(slot))?;
        self.take_from_total(state, slot.interval, home, &aggregate)?;
        Ok(true)
    }

    /// Takes a share from the total of the partition that recorded it, as far as that is known: rows of
    /// the community's first partition are emptied first.
    fn take_from_total(
        &self,
        state: &mut impl State,
        interval: Interval,
        home: u32,
        share: &Aggregate,
    ) -> Result<()> {
        let mut key = keys::total(home, interval);
        let mut stored = read_aggregate(state, &key)?;
        if stored.is_none() && home != self.partition {
            key = keys::total(self.partition, interval);
            stored = read_aggregate(state, &key)?;
        }
        let mut total = stored.unwrap_or_default();
        total.shift(share, &Aggregate::default());
        if total == Aggregate::default() {
            state.delete(&key)
        } else {
            state.set(&key, &total.encode())
        }
    }
}
