//! What a batch of readings does: what houses produced goes into the series, what has become too old
//! goes out. Readings without production leave no trace. State comes as a trait; no host here.
//!
//! An interval of a community is closed by a producer's reading that says so, or once one begins at or
//! after its end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use leyden_sdk::series::{
    Batch, HousePage, Interval, Kept, Reader, Reading, Result, Span, State, Sweep, houses_between,
    keys, put,
};

/// A community's record, under `l/<community>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What is kept of it.
    kept: Kept,
    /// The newest start of a reading.
    newest_ms: u64,
    /// The latest interval that a reading closed.
    closed: Option<Interval>,
}

impl Record {
    fn first(starts_at_ms: u64, partition: u32) -> Self {
        Self {
            kept: Kept::first(starts_at_ms, partition),
            newest_ms: starts_at_ms,
            closed: None,
        }
    }

    /// Whether an interval can still get readings in the ordinary course.
    pub(crate) fn is_open(&self, interval: Interval) -> bool {
        interval.ends_at_ms > self.newest_ms && self.closed != Some(interval)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        self.kept.encode(&mut bytes);
        put(&mut bytes, self.newest_ms.into());
        if let Some(closed) = self.closed {
            put(&mut bytes, closed.starts_at_ms.into());
            put(&mut bytes, closed.length_ms().into());
        }
        bytes
    }

    /// Records written before openness was kept end after their first member.
    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "record of a community");
        let kept = Kept::decode(&mut reader)?;
        let newest_ms = if reader.is_empty() { 0 } else { reader.u64()? };
        let closed = if reader.is_empty() {
            None
        } else {
            let starts_at_ms = reader.u64()?;
            let ends_at_ms = starts_at_ms.saturating_add(reader.u64()?);
            Some(Interval {
                starts_at_ms,
                ends_at_ms,
            })
        };
        Ok(Self {
            kept,
            newest_ms,
            closed,
        })
    }
}

/// A community's record before and within a batch, and what the batch brought of it.
struct Community {
    stored: Option<Record>,
    record: Record,
    oldest_ms: u64,
    newest_ms: u64,
}

impl Community {
    fn load(state: &impl State, partition: u32, reading: &Reading<'_>) -> Result<Self> {
        let starts_at_ms = reading.interval.starts_at_ms;
        let stored = stored(state, reading.community)?;
        Ok(Self {
            stored,
            record: stored.unwrap_or_else(|| Record::first(starts_at_ms, partition)),
            oldest_ms: starts_at_ms,
            newest_ms: starts_at_ms,
        })
    }

    fn take(&mut self, reading: &Reading<'_>) {
        let starts_at_ms = reading.interval.starts_at_ms;
        self.oldest_ms = self.oldest_ms.min(starts_at_ms);
        self.newest_ms = self.newest_ms.max(starts_at_ms);
        self.record.newest_ms = self.record.newest_ms.max(starts_at_ms);
        if reading.closes {
            self.record.closed = self.record.closed.max(Some(reading.interval));
        }
    }

    fn tidy(mut self, state: &mut impl State, id: u64, sweep: &mut Sweep) -> Result<()> {
        let kept = &mut self.record.kept;
        kept.advance(self.oldest_ms, self.newest_ms);
        sweep.run(state, id, kept)?;
        if self.stored == Some(self.record) {
            return Ok(());
        }
        state.set(&record_key(id), &self.record.encode())
    }
}

fn stored(state: &impl State, community: u64) -> Result<Option<Record>> {
    let bytes = state.get(&record_key(community))?;
    bytes.as_deref().map(Record::decode).transpose()
}

/// Records a batch of a partition's readings; returns how many were left out, for they are older than
/// what is kept of their community.
///
/// # Errors
/// The state cannot be read or written.
pub(crate) fn apply(
    state: &mut impl State,
    partition: u32,
    readings: &[Reading<'_>],
) -> Result<usize> {
    let mut communities = BTreeMap::new();
    let mut batch = Batch::new(partition);
    let readings = readings
        .iter()
        .filter(|reading| reading.production_uj.is_some());
    let ids: BTreeSet<u64> = readings.clone().map(|reading| reading.community).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let records = ids.into_iter().map(record_key).collect();
    batch.prefetch(state, records, readings.clone().map(Reading::production))?;
    let mut expired = 0;
    for reading in readings {
        let community = match communities.entry(reading.community) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Community::load(state, partition, reading)?),
        };
        if community
            .record
            .kept
            .is_expired(reading.interval.starts_at_ms)
        {
            expired += 1;
            continue;
        }
        community.take(reading);
        batch.record(state, &reading.production())?;
    }
    batch.finish(state)?;
    let mut sweep = Sweep::new(partition);
    for (id, community) in communities {
        community.tidy(state, id, &mut sweep)?;
    }
    Ok(expired)
}

/// One page of what houses produced, and which intervals are still open in the communities of the page.
///
/// # Errors
/// The state cannot be read, or too many intervals contain one instant.
pub(crate) fn produced_between(
    state: &impl State,
    span: &Span<'_>,
) -> Result<(HousePage, BTreeMap<u64, Record>)> {
    let page = houses_between(state, span, |row| row.production_uj.is_some())?;
    let ids: BTreeSet<u64> = page.rows.iter().map(|row| row.community).collect();
    let keys: Vec<_> = ids.iter().map(|id| record_key(*id)).collect();
    state.prefetch(&keys)?;
    let mut records = BTreeMap::new();
    for id in ids {
        records.extend(stored(state, id)?.map(|record| (id, record)));
    }
    Ok((page, records))
}

fn record_key(community: u64) -> Vec<u8> {
    keys::numbered(b'l', &[community])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use leyden_sdk::series::{RETENTION_MS, aggregate_of, community_at, total_at};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn reading(
        house: &str,
        community: u64,
        start_ms: u64,
        produced_mw: Option<u64>,
    ) -> Reading<'_> {
        Reading {
            house: Cow::Borrowed(house),
            community,
            interval: Interval::new(start_ms, start_ms + HOUR_MS).expect("an interval"),
            consumption_uj: Some(1),
            production_uj: produced_mw.map(|power_mw| power_mw * HOUR_MS),
            objects: Vec::new(),
            closes: true,
        }
    }

    fn all() -> Span<'static> {
        Span {
            from_ms: 0,
            to_ms: u64::MAX,
            community: None,
            start: None,
            limit: 10,
            objects: false,
        }
    }

    fn total_mw(state: &Map, at_ms: u64) -> Option<u64> {
        total_at(state, at_ms).expect("a power").production_mw
    }

    #[test]
    fn only_producers_leave_a_row() {
        let mut state = Map::new();
        apply(
            &mut state,
            0,
            &[reading("a", 1, 0, None), reading("b", 2, 0, None)],
        )
        .expect("it is applied");
        assert!(state.is_empty());
        apply(
            &mut state,
            0,
            &[
                reading("a", 1, 0, Some(1_700_000)),
                reading("b", 2, 0, Some(0)),
            ],
        )
        .expect("it is applied");
        let (page, _) = produced_between(&state, &all()).expect("a page");
        let houses: Vec<_> = page
            .rows
            .iter()
            .map(|at| {
                let house = &page.houses[at.house as usize];
                (house.as_str(), at.power.production_mw)
            })
            .collect();
        assert_eq!(houses, [("a", Some(1_700_000)), ("b", Some(0))]);
        assert!(page.rows.iter().all(|at| at.power.consumption_mw.is_none()));
    }

    #[test]
    fn sums_follow_corrections_and_ignore_duplicates() {
        let mut state = Map::new();
        let batch = [
            reading("a", 1, 0, Some(5)),
            reading("b", 1, 0, Some(6)),
            reading("c", 2, 0, Some(7)),
        ];
        apply(&mut state, 0, &batch).expect("it is applied");
        let before = state.clone();
        apply(&mut state, 0, &batch).expect("it is applied");
        assert_eq!(state, before);
        apply(
            &mut state,
            0,
            &[reading("a", 1, 0, Some(1)), reading("a", 1, 0, None)],
        )
        .expect("it is applied");
        assert_eq!(total_mw(&state, 0), Some(14));
        assert_eq!(
            community_at(&state, 0, 1).expect("a power").production_mw,
            Some(7)
        );
        assert_eq!(total_mw(&state, HOUR_MS), None);
    }

    #[test]
    fn an_interval_is_open_until_it_is_closed_or_over() {
        let mut state = Map::new();
        let is_open = |state: &Map, community, start_ms| {
            let (_, records) = produced_between(state, &all()).expect("a page");
            let interval = reading("a", 1, start_ms, None).interval;
            records[&community].is_open(interval)
        };
        let open = |house, community, start_ms| Reading {
            closes: false,
            ..reading(house, community, start_ms, Some(1))
        };
        apply(&mut state, 0, &[open("a", 1, 0), open("b", 2, 0)]).expect("it is applied");
        assert!(is_open(&state, 1, 0) && is_open(&state, 2, 0));
        let next = [reading("c", 1, 0, Some(1)), open("b", 2, HOUR_MS)];
        apply(&mut state, 0, &next).expect("it is applied");
        assert!(!is_open(&state, 1, 0) && !is_open(&state, 2, 0));
        assert!(is_open(&state, 2, HOUR_MS));
    }

    #[test]
    fn a_record_of_before_openness_was_kept_is_read() {
        let record = Record {
            newest_ms: 0,
            ..Record::first(DAY_MS, 3)
        };
        let mut old = Vec::new();
        record.kept.encode(&mut old);
        assert_eq!(Record::decode(&old), Ok(record));
        let closed = Record {
            closed: Some(reading("a", 1, 0, None).interval),
            ..record
        };
        assert_eq!(Record::decode(&closed.encode()), Ok(closed));
    }

    #[test]
    fn what_is_too_old_is_left_out_and_removed() {
        let mut state = Map::new();
        let at = |start_ms| reading("a", 1, start_ms, Some(1));
        for month in 0..=14 {
            apply(&mut state, 0, &[at(month * 31 * DAY_MS)]).expect("it is applied");
        }
        const { assert!(14 * 31 * DAY_MS > RETENTION_MS) };
        assert_eq!(aggregate_of(&state, at(0).slot()), Ok(None));
        assert_eq!(total_mw(&state, 2 * 31 * DAY_MS), Some(1));
        assert_eq!(apply(&mut state, 0, &[at(0)]), Ok(1));
        assert_eq!(total_mw(&state, 0), None);
    }
}
