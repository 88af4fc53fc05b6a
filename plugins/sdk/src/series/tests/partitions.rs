//! Batches of several partitions: their totals add up, also where a community moves from one to
//! another, and they never touch each other's keys.

use std::cell::RefCell;

use super::*;

/// First key, and first key after it.
type Span = (Vec<u8>, Vec<u8>);

/// A map that remembers what was read and written.
#[derive(Default)]
struct Watched {
    map: Map,
    read: RefCell<Vec<Span>>,
    written: BTreeSet<Vec<u8>>,
}

impl Watched {
    /// Forgets what was touched so far and returns it: ranges read (a key is one too), keys written.
    fn take(&mut self) -> (Vec<Span>, BTreeSet<Vec<u8>>) {
        (self.read.take(), std::mem::take(&mut self.written))
    }
}

impl State for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let after = state::key_after(key);
        self.read.borrow_mut().push((key.to_vec(), after));
        State::get(&self.map, key)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.written.insert(key.to_vec());
        State::set(&mut self.map, key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.written.insert(key.to_vec());
        State::delete(&mut self.map, key)
    }

    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block> {
        self.read.borrow_mut().push((start.to_vec(), end.to_vec()));
        State::scan(&self.map, start, end, limit)
    }
}

/// A batch of a community's readings in a partition, and removal of what is too old then.
fn batch(state: &mut impl State, partition: u32, kept: &mut Kept, at: Slot) {
    record_in(partition, state, &[measured(at, "a", Some(1), Some(2))]);
    let starts_at_ms = at.interval.starts_at_ms;
    kept.advance(starts_at_ms, starts_at_ms);
    let swept = Sweep::new(partition).run(state, at.community, kept);
    swept.expect("a sweep");
}

#[test]
fn totals_of_partitions_add_up() {
    let mut state = Map::new();
    for partition in [0, 3, 700] {
        let community = u64::from(partition) + 1;
        let of = |wh| [measured(slot(1, 2, community), "a", Some(wh), None)];
        record_in(partition, &mut state, &of(7));
        record_in(partition, &mut state, &of(5));
    }
    record_in(
        3,
        &mut state,
        &[measured(slot(0, 24, 9), "b", Some(2_400), None)],
    );
    assert_eq!(consumption_mw(total_at(&state, HOUR_MS)), Some(115_000));
    assert_eq!(
        consumption_mw(community_at(&state, HOUR_MS, 4)),
        Some(5_000)
    );
    let intervals = intervals_at(&state, HOUR_MS).expect("intervals");
    let counts: Vec<_> = intervals.iter().map(|(_, sum)| sum.houses).collect();
    assert_eq!(counts, [1, 3], "each interval once");
    let hours = energy(&state, 0, 5 * HOUR_MS, None).expect("energy");
    assert_eq!(
        (hours.intervals, hours.consumption_uj),
        (1, Some(15 * u128::from(WH)))
    );
}

#[test]
fn a_correction_by_another_partition_adds_up() {
    let mut state = Map::new();
    let (early, late) = (slot(0, 1, 1), slot(1, 2, 1));
    let of = |at, wh| [measured(at, "a", Some(wh), Some(9))];
    record_in(0, &mut state, &of(early, 7));
    record_in(5, &mut state, &of(early, 3));
    record_in(5, &mut state, &of(late, 4));
    assert_eq!(consumption_mw(total_at(&state, 0)), Some(3_000));
    assert_eq!(consumption_mw(total_at(&state, HOUR_MS)), Some(4_000));
    let all = energy(&state, 0, DAY_MS, None).expect("energy");
    assert_eq!(all.production_uj, Some(18 * u128::from(WH)));
    assert_eq!(all.intervals, 2);
}

#[test]
fn what_moved_to_another_partition_is_removed_in_time() {
    let mut state = Map::new();
    let mut kept = Kept::first(0, 0);
    for day in 0..200 {
        batch(&mut state, 0, &mut kept, slot(day * 24, day * 24 + 1, 1));
    }
    for day in 200..1_000 {
        batch(&mut state, 6, &mut kept, slot(day * 24, day * 24 + 1, 1));
    }
    let kept_days = 1_000 - RETENTION_MS / DAY_MS;
    let first_ms = (kept_days - 1) * DAY_MS;
    assert_eq!(intervals_at(&state, first_ms - DAY_MS), Ok(Vec::new()));
    assert_eq!(consumption_mw(total_at(&state, first_ms)), Some(1_000));
    let intervals = (RETENTION_MS / DAY_MS) as usize + 1;
    // A row, a community's sum and a total each; the longest interval of both partitions.
    assert_eq!(state.len(), 3 * intervals + 2);
}

#[test]
fn an_encoded_record_names_its_partition_and_old_ones_are_of_the_first() {
    let mut bytes = Vec::new();
    let moved = Kept::first(DAY_MS, 6);
    moved.encode(&mut bytes);
    assert_eq!(Kept::decode(&mut Reader::new(&bytes, "kept")), Ok(moved));
    let mut old = Vec::new();
    [DAY_MS, DAY_MS]
        .iter()
        .for_each(|ms| put(&mut old, u128::from(*ms)));
    let first = Kept::first(DAY_MS, 0);
    assert_eq!(Kept::decode(&mut Reader::new(&old, "kept")), Ok(first));
}

/// Neither new intervals nor corrections nor the removal of old ones read what another partition
/// writes.
#[test]
fn partitions_stay_out_of_each_others_way() {
    let mut state = Watched::default();
    let mut communities = [0, 1, 2].map(|partition: u32| (partition, Kept::first(0, partition)));
    for day in 0..500 {
        let mut touched = Vec::new();
        for (partition, kept) in &mut communities {
            let at = slot(day * 24, day * 24 + 1, u64::from(*partition));
            batch(&mut state, *partition, kept, at);
            touched.push(state.take());
        }
        for (one, (reads, _)) in touched.iter().enumerate() {
            for (other, (_, writes)) in touched.iter().enumerate() {
                let is_met = |(start, end): &Span| {
                    writes
                        .range(start.clone()..end.clone().max(start.clone()))
                        .next()
                };
                let met = reads.iter().find_map(is_met);
                assert!(one == other || met.is_none(), "on day {day}: {met:?}");
            }
        }
    }
    assert_eq!(consumption_mw(total_at(&state, 499 * DAY_MS)), Some(3_000));
    assert_eq!(consumption_mw(total_at(&state, DAY_MS)), None);
}
