//! Key layout: a letter, a slash, numbers big-endian.
//!
//! Rows of partition 0 carry no partition: a store with one partition has no other.

use super::{Error, Interval, Result, Slot};

/// What all keys of longest intervals start with.
const LONGEST: &[u8] = b"i/longest";

/// `<letter>/` followed by numbers, big-endian: the first key of everything under them.
#[must_use]
pub fn numbered(letter: u8, numbers: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + 8 * numbers.len() + 40);
    key.extend_from_slice(&[letter, b'/']);
    for number in numbers {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

/// A house's row.
#[must_use]
pub fn row(slot: Slot, house: &str) -> Vec<u8> {
    let mut key = rows_of(slot);
    key.extend_from_slice(house.as_bytes());
    key
}

/// The prefix of all rows of a community in an interval.
#[must_use]
pub fn rows_of(slot: Slot) -> Vec<u8> {
    of_slot(b'r', slot)
}

/// The community and interval that a row's key stands for.
///
/// # Errors
/// The key is not one.
pub fn slot_of(key: &[u8]) -> Result<Slot> {
    let number = |at: usize| {
        let bytes = key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or(Error::Corrupt("key"))
    };
    Ok(Slot {
        interval: Interval {
            starts_at_ms: number(2)?,
            ends_at_ms: number(10)?,
        },
        community: number(18)?,
    })
}

/// The house in a row's key.
///
/// # Errors
/// The key is not one.
pub fn house_of(key: &[u8]) -> Result<&str> {
    let name = key
        .get(26..)
        .and_then(|name| std::str::from_utf8(name).ok());
    name.ok_or(Error::Corrupt("key"))
}

/// A community's aggregate.
#[must_use]
pub fn community(slot: Slot) -> Vec<u8> {
    of_slot(b'c', slot)
}

fn of_slot(letter: u8, slot: Slot) -> Vec<u8> {
    let Interval {
        starts_at_ms,
        ends_at_ms,
    } = slot.interval;
    numbered(letter, &[starts_at_ms, ends_at_ms, slot.community])
}

/// The aggregate of all houses that a partition's readings are of.
#[must_use]
pub fn total(partition: u32, interval: Interval) -> Vec<u8> {
    let mut key = totals_from(partition, interval.starts_at_ms);
    key.extend_from_slice(&interval.ends_at_ms.to_be_bytes());
    key
}

/// The first key of a partition's totals of intervals that start at `starts_at_ms` or later.
#[must_use]
pub fn totals_from(partition: u32, starts_at_ms: u64) -> Vec<u8> {
    if partition == 0 {
        return numbered(b't', &[starts_at_ms]);
    }
    let mut key = b"p/".to_vec();
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(&starts_at_ms.to_be_bytes());
    key
}

/// The interval that a total's key stands for.
///
/// # Errors
/// The key is not one.
pub fn interval_of(key: &[u8]) -> Result<Interval> {
    let number = |from_end: usize| {
        let at = key.len().checked_sub(from_end)?;
        let bytes = key.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_be_bytes(bytes))
    };
    let ends = (number(16), number(8));
    let (Some(starts_at_ms), Some(ends_at_ms)) = ends else {
        return Err(Error::Corrupt("key"));
    };
    Ok(Interval {
        starts_at_ms,
        ends_at_ms,
    })
}

/// The longest interval that a partition has ever recorded.
#[must_use]
pub fn longest(partition: u32) -> Vec<u8> {
    let mut key = LONGEST.to_vec();
    if partition != 0 {
        key.extend_from_slice(&partition.to_be_bytes());
    }
    key
}

/// The partition that a key of [`longest`] belongs to.
///
/// # Errors
/// The key is not one.
pub fn partition_of(key: &[u8]) -> Result<u32> {
    match key.strip_prefix(LONGEST) {
        Some([]) => Ok(0),
        Some(number) => number
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| Error::Corrupt("key")),
        None => Err(Error::Corrupt("key")),
    }
}
