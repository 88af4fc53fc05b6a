//! What a batch of readings does: what houses produced goes into the series, what has become too old
//! goes out. Readings without production leave no trace. State comes as a trait; no host here.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use leyden_sdk::series::{Batch, Kept, Reader, Reading, Result, State, Sweep, keys};

/// What is kept of a community, and what the batch brought of it.
struct Community {
    stored: Option<Kept>,
    kept: Kept,
    oldest_ms: u64,
    newest_ms: u64,
}

impl Community {
    fn load(state: &impl State, partition: u32, reading: &Reading<'_>) -> Result<Self> {
        let starts_at_ms = reading.interval.starts_at_ms;
        let bytes = state.get(&kept_key(reading.community))?;
        let decode =
            |bytes: &Vec<u8>| Kept::decode(&mut Reader::new(bytes, "record of a community"));
        let stored = bytes.as_ref().map(decode).transpose()?;
        let kept = stored.unwrap_or_else(|| Kept::first(starts_at_ms, partition));
        Ok(Self {
            stored,
            kept,
            oldest_ms: starts_at_ms,
            newest_ms: starts_at_ms,
        })
    }

    fn begin(&mut self, starts_at_ms: u64) {
        self.oldest_ms = self.oldest_ms.min(starts_at_ms);
        self.newest_ms = self.newest_ms.max(starts_at_ms);
    }

    fn tidy(mut self, state: &mut impl State, id: u64, sweep: &mut Sweep) -> Result<()> {
        self.kept.advance(self.oldest_ms, self.newest_ms);
        sweep.run(state, id, &mut self.kept)?;
        if self.stored == Some(self.kept) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.kept.encode(&mut bytes);
        state.set(&kept_key(id), &bytes)
    }
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
    let records = ids.into_iter().map(kept_key).collect();
    batch.prefetch(state, records, readings.clone().map(Reading::production))?;
    let mut expired = 0;
    for reading in readings {
        let starts_at_ms = reading.interval.starts_at_ms;
        let community = match communities.entry(reading.community) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Community::load(state, partition, reading)?),
        };
        if community.kept.is_expired(starts_at_ms) {
            expired += 1;
            continue;
        }
        community.begin(starts_at_ms);
        batch.record(state, &reading.production())?;
    }
    batch.finish(state)?;
    let mut sweep = Sweep::new(partition);
    for (id, community) in communities {
        community.tidy(state, id, &mut sweep)?;
    }
    Ok(expired)
}

fn kept_key(community: u64) -> Vec<u8> {
    keys::numbered(b'l', &[community])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use leyden_sdk::series::{
        Interval, RETENTION_MS, aggregate_of, community_at, houses_at, total_at,
    };

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
        let page = houses_at(&state, 0, None, 10, |_| true).expect("a page");
        let houses: Vec<_> = page
            .houses
            .iter()
            .map(|at| (at.house.as_str(), at.power.production_mw))
            .collect();
        assert_eq!(houses, [("a", Some(1_700_000)), ("b", Some(0))]);
        assert!(
            page.houses
                .iter()
                .all(|at| at.power.consumption_mw.is_none())
        );
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
