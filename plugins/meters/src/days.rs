//! What was taken in, per house and kind, in chunks of one day (UTC) each: `m/<house>/<kind>/<day>`, the day
//! as 8 bytes big-endian. It tells a new interval from a repeated, a corrected and an overlapping one.
//!
//! **Invariants.** Intervals of one house and kind do not overlap. A chunk holds the intervals that start
//! on its day, in order. Chunks are read at most once per batch and written once, by [`Days::save`].

use std::collections::{BTreeMap, BTreeSet};

use leyden_sdk::series::{Interval, RETENTION_MS, Reader, Result, State, put};
use leyden_sdk::state::Key;

use crate::rows::Kind;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Days kept of a series before its newest: as long as readings are kept elsewhere.
const KEPT_DAYS: u64 = RETENTION_MS / DAY_MS;
/// Old chunks removed for each new one: enough to catch up after a gap.
const REMOVED_MAX: usize = 4;

/// One interval and its energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When.
    pub(crate) interval: Interval,
    /// How much, µJ.
    pub(crate) energy_uj: u64,
}

/// What an interval is to what was taken in before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there.
    New,
    /// It was there with another energy.
    Replaced,
    /// It was there with the same energy.
    Unchanged,
    /// It overlaps this other interval and is not taken in.
    Overlap(Interval),
}

/// One house's intervals of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series<'a> {
    /// The house's id.
    pub(crate) house: &'a str,
    /// Which way.
    pub(crate) kind: Kind,
}

impl Series<'_> {
    fn key(&self, day: u64) -> Key {
        Key::new("m/")
            .text(self.house)
            .text("/")
            .text(self.kind.name())
            .text("/")
            .u64(day)
    }
}

#[derive(Debug, Default)]
struct Chunk {
    taken: Vec<Taken>,
    was_there: bool,
    is_changed: bool,
}

/// The chunks that a batch touches.
#[derive(Debug, Default)]
pub(crate) struct Days<'a> {
    chunks: BTreeMap<(Series<'a>, u64), Chunk>,
}

impl<'a> Days<'a> {
    /// Reads the chunks that these intervals belong to, in one go.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn prefetch(
        state: &impl State,
        intervals: impl Iterator<Item = (Series<'a>, Interval)>,
    ) -> Result<()> {
        let day = |(series, interval): (Series<'a>, Interval)| {
            let day = interval.starts_at_ms / DAY_MS;
            (series, day)
        };
        let days: BTreeSet<(Series<'a>, u64)> = intervals.map(day).collect();
        let key = |(series, day): &(Series<'a>, u64)| series.key(*day).to_vec();
        let keys: Vec<_> = days.iter().map(key).collect();
        state.prefetch(&keys)
    }

    /// Takes in one interval.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn take(
        &mut self,
        state: &impl State,
        series: Series<'a>,
        one: Taken,
    ) -> Result<Outcome> {
        let day = one.interval.starts_at_ms / DAY_MS;
        let taken = &self.chunk(state, series, day)?.taken;
        let at =
            taken.partition_point(|other| other.interval.starts_at_ms < one.interval.starts_at_ms);
        if let Some(same) = taken
            .get(at)
            .filter(|other| other.interval == one.interval)
            .copied()
        {
            return self.replace(state, series, (day, at), (same, one));
        }
        // Neighbours suffice, for what is there does not overlap. They may lie in the days beside.
        let before = at.checked_sub(1).and_then(|at| taken.get(at)).copied();
        let after = taken.get(at).copied();
        let before = match before {
            None if day > 0 => self.chunk(state, series, day - 1)?.taken.last().copied(),
            before => before,
        };
        let after = match after {
            None if one.interval.ends_at_ms > (day + 1) * DAY_MS => {
                self.chunk(state, series, day + 1)?.taken.first().copied()
            }
            after => after,
        };
        for other in [before, after].into_iter().flatten() {
            if overlap(other.interval, one.interval) {
                return Ok(Outcome::Overlap(other.interval));
            }
        }
        let chunk = self.chunk(state, series, day)?;
        chunk.taken.insert(at, one);
        chunk.is_changed = true;
        Ok(Outcome::New)
    }

    fn replace(
        &mut self,
        state: &impl State,
        series: Series<'a>,
        (day, at): (u64, usize),
        (former, one): (Taken, Taken),
    ) -> Result<Outcome> {
        if former == one {
            return Ok(Outcome::Unchanged);
        }
        let chunk = self.chunk(state, series, day)?;
        chunk.taken[at] = one;
        chunk.is_changed = true;
        Ok(Outcome::Replaced)
    }

    fn chunk(&mut self, state: &impl State, series: Series<'a>, day: u64) -> Result<&mut Chunk> {
        use std::collections::btree_map::Entry;
        match self.chunks.entry((series, day)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let bytes = state.get(&series.key(day))?;
                let taken = bytes
                    .as_deref()
                    .map(|bytes| decode(day, bytes))
                    .transpose()?;
                let was_there = taken.is_some();
                let taken = taken.unwrap_or_default();
                Ok(entry.insert(Chunk {
                    taken,
                    was_there,
                    is_changed: false,
                }))
            }
        }
    }

    /// Writes the chunks that changed; each new day removes a bounded number of days that are too old.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn save(self, state: &mut impl State) -> Result<()> {
        for ((series, day), chunk) in self.chunks {
            if !chunk.is_changed {
                continue;
            }
            state.set(&series.key(day), &encode(day, &chunk.taken))?;
            if !chunk.was_there && day > KEPT_DAYS {
                remove_before(state, series, day - KEPT_DAYS)?;
            }
        }
        Ok(())
    }
}

fn remove_before(state: &mut impl State, series: Series<'_>, day: u64) -> Result<()> {
    let over = state.scan(&series.key(0), &series.key(day), REMOVED_MAX)?;
    for (key, _) in over.iter() {
        state.delete(key)?;
    }
    Ok(())
}

fn overlap(one: Interval, other: Interval) -> bool {
    one.starts_at_ms < other.ends_at_ms && other.starts_at_ms < one.ends_at_ms
}

/// Intervals that start in `[from_ms, to_ms)`, in order, at most `limit`.
///
/// # Errors
/// The state cannot be read.
pub(crate) fn between(
    state: &impl State,
    series: Series<'_>,
    (from_ms, to_ms): (u64, u64),
    limit: usize,
) -> Result<Vec<Taken>> {
    /// Chunks of one scan: a month.
    const CHUNKS: usize = 31;
    let end = series.key(to_ms.div_ceil(DAY_MS));
    let mut day = from_ms / DAY_MS;
    let mut found = Vec::new();
    loop {
        let chunks = state.scan(&series.key(day), &end, CHUNKS)?;
        for (key, value) in chunks.iter() {
            day = day_of(key)?;
            let inside = |one: &Taken| (from_ms..to_ms).contains(&one.interval.starts_at_ms);
            found.extend(decode(day, value)?.into_iter().filter(inside));
        }
        day += 1;
        if chunks.len() < CHUNKS || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

fn day_of(key: &[u8]) -> Result<u64> {
    let corrupt = Reader::new(key, "key").corrupt();
    key.last_chunk()
        .map(|day| u64::from_be_bytes(*day))
        .ok_or(corrupt)
}

/// Each interval as the gap to the end of the former, its length (0 for the former's) and its energy: a
/// regular series costs about eight bytes an interval.
fn encode(day: u64, taken: &[Taken]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(taken.len() * 8);
    let (mut end_ms, mut length_ms) = (day * DAY_MS, 0);
    for Taken {
        interval,
        energy_uj,
    } in taken
    {
        put(&mut bytes, (interval.starts_at_ms - end_ms).into());
        let is_same = interval.length_ms() == length_ms;
        put(
            &mut bytes,
            if is_same {
                0
            } else {
                interval.length_ms().into()
            },
        );
        put(&mut bytes, (*energy_uj).into());
        (end_ms, length_ms) = (interval.ends_at_ms, interval.length_ms());
    }
    bytes
}

fn decode(day: u64, bytes: &[u8]) -> Result<Vec<Taken>> {
    let mut reader = Reader::new(bytes, "day of intervals");
    let mut taken = Vec::new();
    let (mut end_ms, mut length_ms) = (day * DAY_MS, 0);
    while !reader.is_empty() {
        let starts_at_ms = end_ms + reader.u64()?;
        length_ms = match reader.u64()? {
            0 => length_ms,
            length_ms => length_ms,
        };
        end_ms = starts_at_ms + length_ms;
        let interval = Interval {
            starts_at_ms,
            ends_at_ms: end_ms,
        };
        taken.push(Taken {
            interval,
            energy_uj: reader.u64()?,
        });
    }
    Ok(taken)
}

#[cfg(test)]
mod tests;
