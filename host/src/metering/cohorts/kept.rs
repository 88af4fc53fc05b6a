//! How what a partner was told is kept, in the space `leyden.cohorts`. Keys begin with the partner's id
//! and a zero byte; then
//! - `i`, start and end (8 bytes each, big-endian): how many values were told for an interval (4 bytes); each
//!   of them in 24 bytes: the cohort's name, the sum in mW; its parts in 40 bytes each: which values they are in,
//!   their households, sum and largest draw in mW;
//! - `c` and a cohort's name: its members, 8 bytes each;
//! - `u` and a cohort's name: until when (ms) it may be asked for, and its size in bytes, 8 bytes each;
//! - `m`: [`Meta`], as JSON. Every transaction that adds something reads and writes it, so that of two that
//!   do so at once one is run again.

use serde::{Deserialize, Serialize};

use super::super::{Group, Interval};
use super::{Bounds, Cohort, CohortId, Here, Outcome, Part, Told, Value, Values};
use crate::dispatch::work::{self, SCAN_LIMIT_MAX, Work};
use crate::ids::PartnerId;
use crate::store::{self, Entry, Order, Range, Space};

/// The space of it all.
pub(crate) const SPACE: &str = "leyden.cohorts";

/// Most intervals looked at for one read: two days of seconds.
const INTERVALS_MAX: usize = 200_000;

/// Intervals that are forgotten at once where there are too many: as many as a page adds.
const FORGOTTEN_MAX: usize = 1_000;

/// How much longer a cohort is kept than it has to be, ms, so that not every read moves its end: a day.
const GRAIN_MS: u64 = 24 * 60 * 60 * 1000;

/// What is known of all that was told to a partner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    /// The longest interval told, ms.
    pub(super) longest_ms: u64,
    /// What starts before this is forgotten, ms since 1970: nothing is told of it any more.
    pub(super) floor_ms: u64,
    intervals: u64,
    cohorts: u64,
    cohort_bytes: u64,
}

/// Where what a partner was told is kept.
pub(super) struct Shelf {
    space: Space,
    prefix: Vec<u8>,
}

impl Shelf {
    pub(super) fn new(partner: &PartnerId) -> Self {
        Self {
            space: Space::from(SPACE),
            prefix: [partner.as_str().as_bytes(), &[0]].concat(),
        }
    }

    pub(super) async fn meta(&self, work: &mut Work) -> Result<Meta, work::Error> {
        let stored = work.read(&self.space, &self.key(b'm', &[])).await?;
        let meta = stored.map(|bytes| serde_json::from_slice(&bytes));
        Ok(meta.transpose().map_err(|_| broken())?.unwrap_or_default())
    }

    /// Values told for intervals that overlap any from the first to the last of these.
    pub(super) async fn values(
        &self,
        work: &mut Work,
        meta: &Meta,
        intervals: impl Iterator<Item = Interval>,
    ) -> Result<Values, work::Error> {
        let (mut first_ms, mut last_ms) = (u64::MAX, 0);
        for interval in intervals {
            first_ms = first_ms.min(interval.starts_at_ms);
            last_ms = last_ms.max(interval.ends_at_ms);
        }
        let first_ms = first_ms.saturating_sub(meta.longest_ms);
        let mut range = Range {
            start: self.key(b'i', &first_ms.to_be_bytes()),
            end: Some(self.key(b'i', &last_ms.to_be_bytes())),
        };
        let mut values = Values::default();
        loop {
            let entries = self.scan(work, &range, SCAN_LIMIT_MAX).await?;
            for entry in &entries {
                let interval = self.interval_of(&entry.key)?;
                values.0.insert(interval, decode(&entry.value)?);
            }
            match entries.last() {
                Some(last) if entries.len() == SCAN_LIMIT_MAX => {
                    range.start = [last.key.as_slice(), &[0]].concat();
                }
                _ => return Ok(values),
            }
            if values.0.len() > INTERVALS_MAX {
                return Err(work::Error::Budget(work::Budget::ReadBytes));
            }
        }
    }

    pub(super) async fn cohort(
        &self,
        work: &mut Work,
        id: CohortId,
    ) -> Result<Cohort, work::Error> {
        let stored = work.read(&self.space, &self.key(b'c', &id.0)).await?;
        let bytes = stored.ok_or_else(broken)?;
        let (members, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(broken());
        }
        Ok(members
            .iter()
            .map(|member| u64::from_be_bytes(*member))
            .collect())
    }

    /// Writes what is `added`: intervals, and whether each is new; `values` has all that is told of them.
    pub(super) async fn put(
        &self,
        work: &mut Work,
        mut meta: Meta,
        values: &Values,
        added: &[(Interval, bool)],
        told: &Told,
        bounds: Bounds,
    ) -> Result<Outcome, work::Error> {
        let Some((first, _)) = added.first() else {
            return Ok(Outcome::Kept);
        };
        let new = added.iter().filter(|(_, is_new)| *is_new).count();
        meta.intervals += u64::try_from(new).unwrap_or(u64::MAX);
        for (id, cohort) in &told.cohorts {
            let until_ms = until(told, *id);
            self.put_cohort(work, &mut meta, *id, cohort, until_ms)
                .await?;
        }
        self.make_room(work, &mut meta, bounds).await?;
        if first.starts_at_ms < meta.floor_ms {
            return Ok(Outcome::NoRoom);
        }
        for (interval, _) in added {
            let bytes = values.0.get(interval).map(encode);
            work.write(&self.space, self.interval_key(*interval), bytes)?;
        }
        let bytes = serde_json::to_vec(&meta).unwrap_or_default();
        work.write(&self.space, self.key(b'm', &[]), Some(bytes))?;
        Ok(Outcome::Kept)
    }

    /// Keeps a cohort at least until an instant.
    async fn put_cohort(
        &self,
        work: &mut Work,
        meta: &mut Meta,
        id: CohortId,
        cohort: &Cohort,
        until_ms: u64,
    ) -> Result<(), work::Error> {
        let key = self.key(b'u', &id.0);
        let stored = work.read(&self.space, &key).await?;
        let known = stored.as_deref().map(Use::decode).transpose()?;
        let known_until_ms = known.map(|known| known.until_ms);
        if known_until_ms.is_some_and(|known_ms| known_ms >= until_ms) {
            return Ok(());
        }
        let bytes: Vec<u8> = cohort.iter().flat_map(|id| id.to_be_bytes()).collect();
        let used = Use {
            until_ms: until_ms.div_ceil(GRAIN_MS).saturating_mul(GRAIN_MS),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        work.write(&self.space, key, Some(used.encode()))?;
        if known_until_ms.is_none() {
            meta.cohorts += 1;
            meta.cohort_bytes += used.bytes;
            work.write(&self.space, self.key(b'c', &id.0), Some(bytes))?;
        }
        Ok(())
    }

    /// Forgets the oldest where there is too much, and raises the floor over it.
    async fn make_room(
        &self,
        work: &mut Work,
        meta: &mut Meta,
        bounds: Bounds,
    ) -> Result<(), work::Error> {
        let oldest = if meta.intervals > bounds.intervals {
            let entries = self.scan(work, &self.all(b'i'), FORGOTTEN_MAX).await?;
            let ends = entries.iter().map(|entry| self.interval_of(&entry.key));
            let ends = ends.collect::<Result<Vec<_>, _>>()?;
            ends.iter().map(|interval| interval.ends_at_ms).max()
        } else {
            None
        };
        meta.floor_ms = meta.floor_ms.max(oldest.unwrap_or(0));
        self.forget_cohorts(work, meta, bounds).await?;
        if meta.floor_ms > 0 {
            self.forget_intervals(work, meta).await?;
        }
        Ok(())
    }

    /// Removes the cohorts that are needed least long, until the others are within their bounds.
    async fn forget_cohorts(
        &self,
        work: &mut Work,
        meta: &mut Meta,
        bounds: Bounds,
    ) -> Result<(), work::Error> {
        let is_within = |meta: &Meta| {
            meta.cohorts <= bounds.cohorts && meta.cohort_bytes <= bounds.cohort_bytes
        };
        if is_within(meta) {
            return Ok(());
        }
        let prefix = self.key(b'u', &[]);
        let mut uses = Vec::new();
        for Entry { key, value } in self.scan(work, &self.all(b'u'), SCAN_LIMIT_MAX).await? {
            uses.push((Use::decode(&value)?, key[prefix.len()..].to_vec()));
        }
        uses.sort_unstable_by_key(|(used, _)| used.until_ms);
        for (used, id) in uses {
            if is_within(meta) && used.until_ms > meta.floor_ms {
                break;
            }
            meta.floor_ms = meta.floor_ms.max(used.until_ms);
            meta.cohorts = meta.cohorts.saturating_sub(1);
            meta.cohort_bytes = meta.cohort_bytes.saturating_sub(used.bytes);
            work.write(&self.space, self.key(b'u', &id), None)?;
            work.write(&self.space, self.key(b'c', &id), None)?;
        }
        Ok(())
    }

    /// Removes intervals before the floor, a bounded number at a time: none of them can be asked for.
    async fn forget_intervals(&self, work: &mut Work, meta: &mut Meta) -> Result<(), work::Error> {
        let mut range = self.all(b'i');
        range.end = Some(self.key(b'i', &meta.floor_ms.to_be_bytes()));
        for entry in self.scan(work, &range, FORGOTTEN_MAX).await? {
            if self.interval_of(&entry.key)?.ends_at_ms <= meta.floor_ms {
                meta.intervals = meta.intervals.saturating_sub(1);
                work.write(&self.space, entry.key, None)?;
            }
        }
        Ok(())
    }

    async fn scan(
        &self,
        work: &mut Work,
        range: &Range,
        limit: usize,
    ) -> Result<Vec<Entry>, work::Error> {
        work.scan(&self.space, range.clone(), Order::Ascending, limit)
            .await
    }

    fn key(&self, tag: u8, rest: &[u8]) -> Vec<u8> {
        [&self.prefix, &[tag][..], rest].concat()
    }

    /// All keys of a kind.
    fn all(&self, tag: u8) -> Range {
        Range {
            start: self.key(tag, &[]),
            end: Some(self.key(tag + 1, &[])),
        }
    }

    fn interval_key(&self, interval: Interval) -> Vec<u8> {
        let Interval {
            starts_at_ms,
            ends_at_ms,
        } = interval;
        let numbers = [starts_at_ms.to_be_bytes(), ends_at_ms.to_be_bytes()];
        self.key(b'i', &numbers.concat())
    }

    fn interval_of(&self, key: &[u8]) -> Result<Interval, work::Error> {
        let numbers = key.get(self.prefix.len() + 1..).unwrap_or_default();
        match numbers.as_chunks::<8>() {
            ([starts_at, ends_at], []) => Ok(Interval {
                starts_at_ms: u64::from_be_bytes(*starts_at),
                ends_at_ms: u64::from_be_bytes(*ends_at),
            }),
            _ => Err(broken()),
        }
    }
}

/// Until when a read may need a cohort again: the end of the last interval told of it.
fn until(told: &Told, id: CohortId) -> u64 {
    let of_cohort = told.values.iter().filter(|new| new.value.cohort == id);
    let ends = of_cohort.map(|new| new.interval.ends_at_ms);
    ends.max().unwrap_or(0)
}

/// How long a cohort is needed, and how large it is.
struct Use {
    until_ms: u64,
    bytes: u64,
}

impl Use {
    fn encode(&self) -> Vec<u8> {
        [self.until_ms.to_be_bytes(), self.bytes.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, work::Error> {
        match bytes.as_chunks::<8>() {
            ([until, bytes], []) => Ok(Self {
                until_ms: u64::from_be_bytes(*until),
                bytes: u64::from_be_bytes(*bytes),
            }),
            _ => Err(broken()),
        }
    }
}

fn encode(here: &Here) -> Vec<u8> {
    let count = u32::try_from(here.values.len()).unwrap_or(u32::MAX);
    let mut bytes = count.to_be_bytes().to_vec();
    for value in &here.values {
        bytes.extend(value.cohort.0);
        bytes.extend(value.sum_mw.to_be_bytes());
    }
    for Part { of, group } in here.parts.iter() {
        bytes.extend(of.to_be_bytes());
        // A sum that is cut is too small, and so tells too little.
        let sum_mw = u64::try_from(group.sum_mw).unwrap_or(u64::MAX);
        for number in [group.households, sum_mw, group.max_mw] {
            bytes.extend(number.to_be_bytes());
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Here, work::Error> {
    decoded(bytes).ok_or_else(broken)
}

fn decoded(bytes: &[u8]) -> Option<Here> {
    let (count, rest) = bytes.split_first_chunk()?;
    let values_bytes = usize::try_from(u32::from_be_bytes(*count))
        .ok()?
        .checked_mul(24)?;
    let (values, parts) = rest.split_at_checked(values_bytes)?;
    let (parts, []) = parts.as_chunks::<40>() else {
        return None;
    };
    let value = |bytes: &[u8; 24]| {
        let (cohort, sum) = bytes.split_first_chunk()?;
        Some(Value {
            cohort: CohortId(*cohort),
            sum_mw: u64::from_be_bytes(sum.try_into().ok()?),
        })
    };
    let part = |bytes: &[u8; 40]| {
        let (of, numbers) = bytes.split_first_chunk()?;
        let [households, sum_mw, max_mw] = *numbers.as_chunks::<8>().0 else {
            return None;
        };
        Some(Part {
            of: u128::from_be_bytes(*of),
            group: Group {
                households: u64::from_be_bytes(households),
                sum_mw: u64::from_be_bytes(sum_mw).into(),
                max_mw: u64::from_be_bytes(max_mw),
            },
        })
    };
    Some(Here {
        values: values
            .as_chunks()
            .0
            .iter()
            .map(value)
            .collect::<Option<_>>()?,
        parts: parts.iter().map(part).collect::<Option<_>>()?,
    })
}

/// What is kept is not what this file writes.
fn broken() -> work::Error {
    let broken = store::Error::Unavailable("it holds a broken record of what a partner was told");
    work::Error::Store(broken)
}
