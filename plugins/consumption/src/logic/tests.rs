//! Batches of readings against a map: balances told and not told, closing by flag and by time,
//! duplicates, corrections, late and missing intervals, removal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use leyden_sdk::series::{ObjectReading, RETENTION_MS, house_at, total_at};

use super::*;

const MINUTE_MS: u64 = 60_000;
const HALF_HOUR_MS: u64 = 30 * MINUTE_MS;
const DAY_MS: u64 = 48 * HALF_HOUR_MS;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A house that drew `power_w` in the minute that starts at `minute`.
fn drew(house: &'static str, community: u64, minute: u64, power_w: u64) -> Reading<'static> {
    over(
        house,
        community,
        (minute * MINUTE_MS, (minute + 1) * MINUTE_MS),
        power_w,
    )
}

fn over(
    house: &'static str,
    community: u64,
    (start, end): (u64, u64),
    power_w: u64,
) -> Reading<'static> {
    Reading {
        house: Cow::Borrowed(house),
        community,
        interval: Interval::new(start, end).expect("an interval"),
        consumption_uj: Some(power_w * 1000 * (end - start)),
        production_uj: None,
        objects: Vec::new(),
        closes: false,
    }
}

fn closing(reading: Reading<'static>) -> Reading<'static> {
    Reading {
        closes: true,
        ..reading
    }
}

/// Community, minute, power in mW and whether it is closed, of every balance.
type Told = (u64, u64, Option<u64>, bool);

fn told(state: &mut Map, readings: &[Reading<'_>]) -> Vec<Told> {
    let applied = apply(state, 0, readings).expect("it is applied");
    let one = |balance: &Balance| {
        let minute = balance.interval.starts_at_ms / MINUTE_MS;
        (
            balance.community,
            minute,
            balance.consumption_mw,
            balance.closed,
        )
    };
    applied.balances.iter().map(one).collect()
}

/// The closed ones of those.
fn closed(state: &mut Map, readings: &[Reading<'_>]) -> Vec<(u64, u64, Option<u64>)> {
    let told = told(state, readings).into_iter().filter(|one| one.3);
    told.map(|one| (one.0, one.1, one.2)).collect()
}

#[test]
fn a_tick_of_a_community_tells_one_balance() {
    let mut state = Map::new();
    let tick = [
        drew("a", 4, 0, 500),
        drew("b", 4, 0, 9500),
        closing(drew("c", 4, 0, 3100)),
        drew("d", 5, 0, 1),
    ];
    assert_eq!(closed(&mut state, &tick), [(4, 0, Some(13_100_000))]);
    assert_eq!(
        total_at(&state, 0).expect("a power").consumption_mw,
        Some(13_101_000)
    );
    assert_eq!(latest_consumption_mw(&state, 4), Ok(Some(13_100_000)));
    assert_eq!(latest_consumption_mw(&state, 5), Ok(None));
}

#[test]
fn a_tick_in_two_batches_tells_only_the_whole() {
    let mut state = Map::new();
    assert_eq!(
        closed(&mut state, &[drew("a", 4, 0, 1), drew("b", 4, 0, 2)]),
        []
    );
    assert_eq!(
        closed(&mut state, &[closing(drew("c", 4, 0, 3))]),
        [(4, 0, Some(6_000))]
    );
}

#[test]
fn open_intervals_are_told_as_such() {
    let mut state = Map::new();
    let first = [drew("a", 4, 0, 1), drew("b", 4, 0, 2)];
    assert_eq!(told(&mut state, &first), [(4, 0, Some(3_000), false)]);
    assert_eq!(told(&mut state, &first), [], "nothing has changed");
    let next = [drew("a", 4, 1, 7)];
    let expected = [(4, 0, Some(3_000), true), (4, 1, Some(7_000), false)];
    assert_eq!(told(&mut state, &next), expected);
    assert_eq!(latest_consumption_mw(&state, 4), Ok(Some(3_000)));
}

#[test]
fn a_later_interval_closes_those_that_are_over() {
    let mut state = Map::new();
    assert_eq!(
        closed(&mut state, &[drew("a", 1, 0, 1), drew("a", 2, 0, 1)]),
        []
    );
    assert_eq!(
        closed(&mut state, &[drew("a", 1, 1, 2)]),
        [(1, 0, Some(1_000))]
    );
    // A gap closes just the same, and the batch's own earlier intervals with it.
    assert_eq!(
        closed(&mut state, &[drew("a", 1, 5, 3), drew("a", 1, 7, 4)]),
        [(1, 1, Some(2_000)), (1, 5, Some(3_000))]
    );
}

#[test]
fn an_interval_that_still_runs_is_not_closed() {
    let mut state = Map::new();
    let hour = over("slow", 1, (0, 2 * HALF_HOUR_MS), 7);
    assert_eq!(
        closed(&mut state, &[hour, over("fast", 1, (0, HALF_HOUR_MS), 1)]),
        []
    );
    let next = closed(
        &mut state,
        &[over("fast", 1, (HALF_HOUR_MS, 2 * HALF_HOUR_MS), 2)],
    );
    assert_eq!(
        next,
        [(1, 0, Some(1_000))],
        "the half hour is over, the hour is not"
    );
    let next = closed(
        &mut state,
        &[over("fast", 1, (2 * HALF_HOUR_MS, 3 * HALF_HOUR_MS), 3)],
    );
    assert_eq!(next, [(1, 0, Some(7_000)), (1, 30, Some(2_000))]);
    assert_eq!(
        latest_consumption_mw(&state, 1),
        Ok(Some(9_000)),
        "both meters at its last instant"
    );
}

#[test]
fn late_and_corrected_readings_are_told_again_duplicates_are_not() {
    let mut state = Map::new();
    closed(
        &mut state,
        &[closing(drew("a", 1, 0, 1)), closing(drew("a", 1, 1, 1))],
    );
    let before = state.clone();
    assert_eq!(closed(&mut state, &[closing(drew("a", 1, 0, 1))]), []);
    assert_eq!(state, before);
    assert_eq!(
        closed(&mut state, &[drew("b", 1, 0, 5)]),
        [(1, 0, Some(6_000))]
    );
    assert_eq!(
        closed(&mut state, &[drew("b", 1, 0, 4)]),
        [(1, 0, Some(5_000))]
    );
    assert_eq!(
        latest_consumption_mw(&state, 1),
        Ok(Some(1_000)),
        "the latest stays the latest"
    );
}

#[test]
fn many_changes_of_an_interval_in_a_batch_are_told_once() {
    let mut state = Map::new();
    let batch = [
        closing(drew("a", 1, 0, 1)),
        drew("b", 1, 0, 2),
        drew("a", 1, 0, 3),
        drew("a", 1, 0, 4),
    ];
    assert_eq!(closed(&mut state, &batch), [(1, 0, Some(6_000))]);
}

#[test]
fn production_alone_leaves_consumption_unknown() {
    let mut state = Map::new();
    let producer = Reading {
        consumption_uj: None,
        production_uj: Some(60_000),
        ..closing(drew("a", 1, 0, 0))
    };
    let applied = apply(&mut state, 0, &[producer]).expect("it is applied");
    let balance = &applied.balances[0];
    assert_eq!(
        (
            balance.consumption_mw,
            balance.production_mw,
            balance.houses
        ),
        (None, Some(1), 1)
    );
    assert_eq!(latest_consumption_mw(&state, 1), Ok(None));
}

#[test]
fn a_reading_of_nothing_can_still_close() {
    let mut state = Map::new();
    let nothing = Reading {
        consumption_uj: None,
        ..closing(drew("z", 1, 0, 0))
    };
    assert_eq!(closed(&mut state, std::slice::from_ref(&nothing)), []);
    closed(&mut state, &[drew("a", 1, 0, 2)]);
    assert_eq!(closed(&mut state, &[nothing]), [(1, 0, Some(2_000))]);
}

#[test]
fn too_many_open_intervals_close_the_oldest() {
    let mut state = Map::new();
    let all: Vec<_> = (0..40).map(|n| over("a", 1, (n, DAY_MS), 1)).collect();
    let applied = apply(&mut state, 0, &all).expect("it is applied");
    assert_eq!(applied.balances.len(), 40);
    let starts: Vec<u64> = applied
        .balances
        .iter()
        .filter(|balance| balance.closed)
        .map(|balance| balance.interval.starts_at_ms)
        .collect();
    assert_eq!(starts, (0..8).collect::<Vec<_>>());
}

#[test]
fn objects_are_read_where_the_house_was_measured() {
    let mut state = Map::new();
    let object = |name, power_w: u64| ObjectReading {
        name: Cow::Borrowed(name),
        consumption_uj: power_w * 1000 * MINUTE_MS,
        production_uj: 0,
    };
    let objects = vec![
        object("Car", 1300),
        object("Mixeur", 500),
        object("Vélo d'appartement", 0),
    ];
    apply(
        &mut state,
        0,
        &[Reading {
            objects,
            ..drew("a", 1, 0, 1800)
        }],
    )
    .expect("it is applied");
    let rows = house_at(&state, 30_000, 1, "a").expect("rows");
    assert_eq!(detailed_mw(&rows, None), Ok(Some(1_800_000)));
    assert_eq!(detailed_mw(&rows, Some("Car")), Ok(Some(1_300_000)));
    assert_eq!(detailed_mw(&rows, Some("Vélo d'appartement")), Ok(Some(0)));
    assert_eq!(detailed_mw(&rows, Some("car")), Err(UnknownObject));
    assert_eq!(detailed_mw(&[], Some("Car")), Ok(None));
    assert_eq!(detailed_mw(&[], None), Ok(None));
}

#[test]
fn what_is_too_old_is_left_out_and_removed() {
    let mut state = Map::new();
    let at = |start| over("a", 1, (start, start + HALF_HOUR_MS), 1);
    let other = over("o", 2, (0, HALF_HOUR_MS), 1);
    apply(&mut state, 0, &[at(0), at(HALF_HOUR_MS), other]).expect("it is applied");
    // The horizon follows in steps of a month.
    for month in 1..=14 {
        apply(&mut state, 0, &[at(month * 31 * DAY_MS)]).expect("it is applied");
    }
    let newest_ms = 14 * 31 * DAY_MS;
    assert!(newest_ms > RETENTION_MS + DAY_MS);
    assert_eq!(aggregate_of(&state, at(0).slot()), Ok(None));
    assert_eq!(house_at(&state, 0, 1, "a"), Ok(Vec::new()));
    assert!(house_at(&state, 31 * DAY_MS, 1, "a").is_ok_and(|rows| rows.is_empty()));
    assert!(house_at(&state, 2 * 31 * DAY_MS, 1, "a").is_ok_and(|rows| rows.len() == 1));
    assert!(
        house_at(&state, 0, 2, "o").is_ok_and(|rows| rows.len() == 1),
        "a community ages by its own readings"
    );
    let applied = apply(&mut state, 0, &[at(0)]).expect("it is applied");
    assert_eq!((applied.expired, applied.balances.len()), (1, 0));
    assert_eq!(aggregate_of(&state, at(0).slot()), Ok(None));
}

#[test]
fn a_community_record_reads_back() {
    let mut latest = Latest::first(5, 0);
    latest.begin(9);
    assert_eq!(Latest::decode(&latest.encode()), Ok(latest.clone()));
    let touched = |start, end, closed| Touched {
        slot: Slot {
            interval: Interval::new(start, end).expect("an interval"),
            community: 1,
        },
        aggregate: Aggregate {
            houses: 1,
            closed,
            ..Aggregate::default()
        },
        changed: true,
    };
    assert_eq!(
        latest
            .judge(&[
                touched(5, 6, false),
                touched(9, 12, false),
                touched(10, 12, true)
            ])
            .len(),
        3
    );
    assert_eq!(Latest::decode(&latest.encode()), Ok(latest));
}
