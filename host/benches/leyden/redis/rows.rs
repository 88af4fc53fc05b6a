//! What the `consumption` component stores, written once more by hand: keys and bytes of rows, sums and
//! communities. The benchmark compares the two, so what differs is noticed.

use serde::{Deserialize, Serialize};

/// Flag of a row that holds energy drawn, and nothing produced.
const CONSUMPTION_ONLY: u8 = 1;

/// A half-open interval, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interval {
    pub(crate) starts_at_ms: u64,
    pub(crate) ends_at_ms: u64,
}

impl Interval {
    pub(crate) fn length_ms(self) -> u64 {
        self.ends_at_ms - self.starts_at_ms
    }
}

/// An interval of a community, ordered by time first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) interval: Interval,
    pub(crate) community: u64,
}

/// A reading as it comes on `house.readings`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reading<'a> {
    pub(crate) house: &'a str,
    pub(crate) community: u64,
    pub(crate) interval: Interval,
    pub(crate) consumption_uj: u64,
    #[serde(borrow)]
    pub(crate) objects: Vec<Object<'a>>,
    #[serde(default)]
    pub(crate) closes: bool,
}

/// What one object drew.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a> {
    pub(crate) name: &'a str,
    pub(crate) consumption_uj: u64,
    pub(crate) production_uj: u64,
}

impl Reading<'_> {
    pub(crate) fn slot(&self) -> Slot {
        Slot {
            interval: self.interval,
            community: self.community,
        }
    }
}

/// A balance as it is published.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Balance {
    pub(crate) community: u64,
    pub(crate) interval: Interval,
    pub(crate) consumption_mw: u64,
    pub(crate) houses: u32,
    pub(crate) closed: bool,
}

fn key(letter: u8, numbers: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + 8 * numbers.len() + 40);
    key.extend_from_slice(&[letter, b'/']);
    for number in numbers {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

fn of_slot(letter: u8, slot: Slot) -> Vec<u8> {
    let Interval {
        starts_at_ms,
        ends_at_ms,
    } = slot.interval;
    key(letter, &[starts_at_ms, ends_at_ms, slot.community])
}

/// Of a house's row.
pub(crate) fn row_key(slot: Slot, house: &str) -> Vec<u8> {
    let mut key = of_slot(b'r', slot);
    key.extend_from_slice(house.as_bytes());
    key
}

/// Of a community's sums in an interval.
pub(crate) fn sums_key(slot: Slot) -> Vec<u8> {
    of_slot(b'c', slot)
}

/// Of the sums of all houses that come by a partition.
pub(crate) fn total_key(partition: u16, interval: Interval) -> Vec<u8> {
    let mut key = if partition == 0 {
        b"t/".to_vec()
    } else {
        [b"p/".as_slice(), &u32::from(partition).to_be_bytes()].concat()
    };
    key.extend_from_slice(&interval.starts_at_ms.to_be_bytes());
    key.extend_from_slice(&interval.ends_at_ms.to_be_bytes());
    key
}

/// Of the longest interval that came by a partition.
pub(crate) fn longest_key(partition: u16) -> Vec<u8> {
    let mut key = b"i/longest".to_vec();
    if partition != 0 {
        key.extend_from_slice(&u32::from(partition).to_be_bytes());
    }
    key
}

/// Of what is remembered of a community.
pub(crate) fn community_key(community: u64) -> Vec<u8> {
    key(b'l', &[community])
}

/// Appends a number, seven bits a byte, lowest first.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The number at the start, taken off.
pub(crate) fn take(bytes: &mut &[u8]) -> u128 {
    let mut number = 0;
    for shift in (0..128).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn take_u64(bytes: &mut &[u8]) -> u64 {
    take(bytes) as u64
}

/// A row's bytes.
pub(crate) fn row(reading: &Reading<'_>) -> Vec<u8> {
    let mut bytes = vec![CONSUMPTION_ONLY];
    put(&mut bytes, reading.consumption_uj.into());
    for object in &reading.objects {
        put(&mut bytes, object.name.len() as u128);
        bytes.extend_from_slice(object.name.as_bytes());
        put(&mut bytes, object.consumption_uj.into());
    }
    bytes
}

/// The energy that a row's bytes hold.
pub(crate) fn energy_of(mut row: &[u8]) -> u64 {
    assert_eq!(take(&mut row), CONSUMPTION_ONLY.into());
    take_u64(&mut row)
}

/// A row as it lies in the store.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) slot: Slot,
    pub(crate) house: String,
    pub(crate) energy_uj: u64,
    /// Objects by name, each with the energy that it drew.
    pub(crate) objects: Vec<(String, u64)>,
}

/// Reads a row's key and bytes.
pub(crate) fn stored(key: &[u8], mut row: &[u8]) -> Stored {
    let number = |at: usize| u64::from_be_bytes(key[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!(take(&mut row), CONSUMPTION_ONLY.into());
    let energy_uj = take_u64(&mut row);
    let mut objects = Vec::new();
    while !row.is_empty() {
        let length = take(&mut row) as usize;
        let (name, rest) = row.split_at(length);
        row = rest;
        let name = std::str::from_utf8(name).expect("text").to_owned();
        objects.push((name, take_u64(&mut row)));
    }
    Stored {
        slot: Slot {
            interval: Interval {
                starts_at_ms: number(2),
                ends_at_ms: number(10),
            },
            community: number(18),
        },
        house: std::str::from_utf8(&key[26..]).expect("text").to_owned(),
        energy_uj,
        objects,
    }
}

/// Energy drawn by some houses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) energy_uj: u128,
    pub(crate) houses: u32,
    pub(crate) closed: bool,
}

impl Sums {
    /// Puts what is `now` in place of what was `before`.
    pub(crate) fn swap(&mut self, before: Self, now: Self) {
        self.energy_uj = self.energy_uj + now.energy_uj - before.energy_uj;
        self.houses = self.houses + now.houses - before.houses;
    }

    pub(crate) fn mean_mw(&self, length_ms: u64) -> u64 {
        let length_ms = u128::from(length_ms);
        let up = u128::from(self.energy_uj % length_ms * 2 >= length_ms);
        (self.energy_uj / length_ms + up) as u64
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.closed.into()];
        put(&mut bytes, self.houses.into());
        put(&mut bytes, self.houses.into());
        put(&mut bytes, self.energy_uj);
        // Nothing is produced.
        bytes.extend([0, 0]);
        bytes
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Self {
        let closed = take(&mut bytes) != 0;
        let houses = take(&mut bytes) as u32;
        let _consumers = take(&mut bytes);
        Self {
            energy_uj: take(&mut bytes),
            houses,
            closed,
        }
    }
}

/// What is remembered of a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Community {
    horizon_ms: u64,
    /// The oldest start, and above it the partition that came first.
    from: u128,
    newest_start_ms: u64,
    closed: Option<Interval>,
    open: Vec<Interval>,
}

impl Community {
    /// One whose first reading starts at an instant.
    pub(crate) fn first(starts_at_ms: u64, partition: u16) -> Self {
        Self {
            horizon_ms: starts_at_ms,
            from: u128::from(partition) << 64 | u128::from(starts_at_ms),
            newest_start_ms: starts_at_ms,
            closed: None,
            open: Vec::new(),
        }
    }

    /// A reading starts at an instant. Readings come in the order of time here, so nothing is too old.
    pub(crate) fn begin(&mut self, starts_at_ms: u64) {
        self.newest_start_ms = self.newest_start_ms.max(starts_at_ms);
        self.horizon_ms = self.horizon_ms.max(starts_at_ms);
    }

    /// Takes in the intervals that a batch named, each with its sums and whether they changed, and
    /// returns which to tell, each with whether it is closed.
    pub(crate) fn judge(&mut self, touched: &[(Interval, Sums, bool)]) -> Vec<(Interval, bool)> {
        let was_open = std::mem::take(&mut self.open);
        let mut told = Vec::new();
        for (interval, sums, changed) in touched {
            let closed = sums.closed || interval.ends_at_ms <= self.newest_start_ms;
            if *changed || closed && was_open.contains(interval) {
                told.push((*interval, closed));
            }
            if !closed {
                self.open.push(*interval);
            }
        }
        for interval in was_open {
            if touched.iter().all(|(other, ..)| *other != interval) {
                // Every reading of an interval comes before those of the next.
                assert!(interval.ends_at_ms > self.newest_start_ms);
                self.open.push(interval);
            }
        }
        self.open.sort_unstable();
        let closed = told.iter().filter(|(_, closed)| *closed).map(|(i, _)| *i);
        self.closed = self.closed.max(closed.max());
        told
    }

    /// Whether all readings of an interval are there.
    pub(crate) fn is_closed(&self, interval: Interval) -> bool {
        !self.open.contains(&interval)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        put(&mut bytes, self.horizon_ms.into());
        put(&mut bytes, self.from);
        put(&mut bytes, self.newest_start_ms.into());
        put(&mut bytes, self.closed.is_some().into());
        for interval in self.closed.iter().chain(&self.open) {
            put(&mut bytes, interval.starts_at_ms.into());
            put(&mut bytes, interval.length_ms().into());
        }
        bytes
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Self {
        let bytes = &mut bytes;
        let (horizon_ms, from) = (take_u64(bytes), take(bytes));
        let newest_start_ms = take_u64(bytes);
        let has_closed = take(bytes) != 0;
        let mut intervals = Vec::new();
        while !bytes.is_empty() {
            let starts_at_ms = take_u64(bytes);
            let ends_at_ms = starts_at_ms + take_u64(bytes);
            intervals.push(Interval {
                starts_at_ms,
                ends_at_ms,
            });
        }
        let open = intervals.split_off(usize::from(has_closed).min(intervals.len()));
        Self {
            horizon_ms,
            from,
            newest_start_ms,
            closed: intervals.pop(),
            open,
        }
    }
}
