//! Removal of old rows, a bounded number at a time. What is old is measured within each community,
//! against its own newest readings and not against the clock: history that is taken in years later
//! stays as long as it is the community's newest.

use super::batch::{Slot, read_aggregate};
use super::codec::{Reader, put};
use super::read::aggregate_of;
use super::{Aggregate, Result, State, keys};
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
}

impl Kept {
    /// A community's first readings start at `oldest_ms`.
    #[must_use]
    pub fn first(oldest_ms: u64) -> Self {
        Self {
            horizon_ms: oldest_ms,
            from_ms: oldest_ms,
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
        put(bytes, self.from_ms.into());
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where it is not one.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            horizon_ms: reader.u64()?,
            from_ms: reader.u64()?,
        })
    }
}

/// What one batch may still remove.
#[derive(Debug)]
pub struct Sweep {
    rows_left: usize,
    intervals_left: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            rows_left: SWEEP_ROWS_MAX,
            intervals_left: SWEEP_INTERVALS_MAX,
        }
    }
}

impl Sweep {
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
        let end = keys::numbered(b't', &[cutoff_ms]);
        let entries = state.scan(&keys::numbered(b't', &[kept.from_ms]), &end, limit)?;
        self.intervals_left -= entries.len();
        for (key, _) in &entries {
            let slot = Slot {
                interval: keys::interval_of(key)?,
                community,
            };
            kept.from_ms = slot.interval.starts_at_ms;
            if !self.remove(state, slot)? {
                return Ok(());
            }
        }
        if entries.len() < limit {
            kept.from_ms = cutoff_ms;
        }
        Ok(())
    }

    /// Removes a slot; false where the bound on rows came first. Readings of it are expired by then,
    /// so that no sum changes in between.
    fn remove(&mut self, state: &mut impl State, slot: Slot) -> Result<bool> {
        let Some(aggregate) = aggregate_of(state, slot)? else {
            return Ok(true);
        };
        let prefix = keys::rows_of(slot);
        let end = prefix_end(&prefix).unwrap_or_default();
        let rows = state.scan(&prefix, &end, self.rows_left)?;
        for (key, _) in &rows {
            state.delete(key)?;
        }
        self.rows_left -= rows.len();
        if self.rows_left == 0 {
            return Ok(false);
        }
        state.delete(&keys::community(slot))?;
        take_from_total(state, slot, &aggregate)?;
        Ok(true)
    }
}

fn take_from_total(state: &mut impl State, slot: Slot, share: &Aggregate) -> Result<()> {
    let key = keys::total(slot.interval);
    let mut total = read_aggregate(state, &key)?.unwrap_or_default();
    total.swap(share, &Aggregate::default())?;
    if total.houses == 0 {
        state.delete(&key)
    } else {
        state.set(&key, &total.encode())
    }
}
