//! Time series of energy per house, per community and in total, as `consumption` and `production`
//! keep them in their state. It holds no decision about peaks or autarky and reads no clock.
//!
//! **Keys**, all time-major so that new rows land next to each other (numbers are 8 bytes, big-endian):
//! - `r/<start><end><community><house>`: one house's [`Row`];
//! - `c/<start><end><community>`: the community's [`Aggregate`];
//! - `t/<start><end>`: the [`Aggregate`] of all houses that partition 0 of the stream brings, and at once
//!   the index of their intervals; `p/<partition 4><start><end>`: that of another partition;
//! - `i/longest`, `i/longest<partition 4>`: the longest interval that the partition ever recorded, ms.
//!
//! A batch holds readings of one partition, and all readings of a community are in one. Batches of
//! different partitions touch different keys, so they run beside each other without conflict.
//!
//! **Invariants.** An aggregate is the exact sum of the rows under it (energies are integers). A
//! house's row exists only where its community's aggregate does, and that only where a total does. A total
//! over all partitions is the sum of their rows, which wrap around; one row by itself says nothing.
//! A row is identified by its house and interval: the same again changes nothing, another value
//! replaces the former in every sum. Intervals are half-open and at most 24 h long.

mod aggregate;
mod batch;
mod codec;
pub mod keys;
mod names;
mod pages;
mod read;
mod reading;
mod retention;
mod row;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use aggregate::{Aggregate, Sum, mean_mw, watt_hours, watts};
pub use batch::{Batch, Measurement, Slot, Touched};
pub use codec::{Reader, put};
pub use pages::{HousePage, HouseRow, ObjectRow, Place, Span, houses_between, page_limit};
pub use read::{
    Energy, HouseAt, ObjectPower, Power, aggregate_of, community_at, energy, house_at,
    intervals_at, total_at,
};
pub use reading::{ObjectReading, Reading};
pub use retention::{Kept, RETENTION_MS, Sweep};
pub use row::Row;
pub use totals::{Totals, intervals_between};

use crate::bindings::leyden::grid::events;
use crate::state::{self, Block};
use crate::time;

/// The longest interval a reading may have, ms. It bounds how far back the intervals that contain
/// an instant can start.
pub const INTERVAL_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Why a series cannot be read or written.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The host refuses a call or cannot answer it now.
    Host(crate::Error),
    /// What is stored is not what this module writes; what is named.
    Corrupt(&'static str),
    /// More intervals than one request may read; the bound is carried.
    TooManyIntervals(usize),
}

/// A value that does not decode was written by a broken version: that traps, so that nothing is
/// built on it.
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        use crate::http::ProblemKind::Invalid;
        match error {
            Error::Host(error) => error,
            Error::Corrupt(what) => panic!("state holds a broken {what}"),
            Error::TooManyIntervals(max) => Self::reject(
                Invalid,
                format!("The request touches more than {max} intervals."),
            ),
        }
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Host(error)
    }
}

/// A series' result.
pub type Result<T> = std::result::Result<T, Error>;

/// The component's ordered map. [`HostState`] is the real one; a `BTreeMap` stands in for it in tests.
pub trait State {
    /// The value under `key`.
    ///
    /// # Errors
    /// The store does not answer.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Reads keys in one go, where a read each would take long: they are got soon.
    ///
    /// # Errors
    /// The store does not answer.
    fn prefetch(&self, keys: &[Vec<u8>]) -> Result<()> {
        let _ = keys;
        Ok(())
    }

    /// Puts `value` under `key`.
    ///
    /// # Errors
    /// The store does not take it.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes `key`.
    ///
    /// # Errors
    /// The store does not take it.
    fn delete(&mut self, key: &[u8]) -> Result<()>;

    /// Up to `limit` entries from `start` (included) to `end` (excluded), smallest key first.
    ///
    /// # Errors
    /// The store does not answer.
    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block>;
}

/// The component's own state in the host, inside the invocation's transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostState;

impl State for HostState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(state::get(key)?)
    }

    fn prefetch(&self, keys: &[Vec<u8>]) -> Result<()> {
        Ok(state::prefetch(keys)?)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(state::set(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(state::delete(key)?)
    }

    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(state::scan_block(start, end, limit)?)
    }
}

impl State for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get(key).cloned())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.remove(key);
        Ok(())
    }

    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block> {
        let range = self.range(start.to_vec()..end.max(start).to_vec());
        let mut block = Block::default();
        range
            .take(limit)
            .for_each(|(key, value)| block.push(key, value));
        Ok(block)
    }
}

/// A half-open interval `[starts_at_ms, ends_at_ms)`, ms since 1970, ordered by start, then end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Start, included.
    pub starts_at_ms: u64,
    /// End, excluded.
    pub ends_at_ms: u64,
}

impl Interval {
    /// The interval, if it ends after it starts, is at most [`INTERVAL_MS_MAX`] long and ends in a
    /// year that can be written.
    ///
    /// # Errors
    /// The rule it breaks, in words.
    pub fn new(starts_at_ms: u64, ends_at_ms: u64) -> std::result::Result<Self, &'static str> {
        let interval = Self {
            starts_at_ms,
            ends_at_ms,
        };
        interval.check().map(|()| interval)
    }

    /// Whether it keeps the rules of [`Interval::new`], for one that was read from elsewhere.
    ///
    /// # Errors
    /// The rule it breaks, in words.
    pub fn check(&self) -> std::result::Result<(), &'static str> {
        if self.ends_at_ms <= self.starts_at_ms {
            Err("must end after it starts")
        } else if self.length_ms() > INTERVAL_MS_MAX {
            Err("must be at most 24 h long")
        } else if self.ends_at_ms > time::INSTANT_MS_MAX {
            Err("must end before the year 10000")
        } else {
            Ok(())
        }
    }

    /// Its length, ms.
    #[must_use]
    pub fn length_ms(&self) -> u64 {
        self.ends_at_ms.saturating_sub(self.starts_at_ms)
    }

    /// Whether an instant (ms since 1970) lies in it.
    #[must_use]
    pub fn contains(&self, at_ms: u64) -> bool {
        self.starts_at_ms <= at_ms && at_ms < self.ends_at_ms
    }
}

impl From<events::Interval> for Interval {
    fn from(interval: events::Interval) -> Self {
        Self {
            starts_at_ms: interval.starts_at_ms,
            ends_at_ms: interval.ends_at_ms,
        }
    }
}

impl From<Interval> for events::Interval {
    fn from(interval: Interval) -> Self {
        Self {
            starts_at_ms: interval.starts_at_ms,
            ends_at_ms: interval.ends_at_ms,
        }
    }
}
