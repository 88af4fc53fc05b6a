//! Reads at the edges of intervals, sums over a time, and removal of what is old.

use super::*;

#[test]
fn the_interval_that_contains_the_instant_is_read() {
    let mut state = Map::new();
    record(&mut state, &[measured(slot(1, 2, 4), "a", Some(100), None)]);
    assert_eq!(consumption_mw(total_at(&state, HOUR_MS - 1)), None);
    assert_eq!(consumption_mw(total_at(&state, HOUR_MS)), Some(100_000));
    assert_eq!(
        consumption_mw(total_at(&state, 2 * HOUR_MS - 1)),
        Some(100_000)
    );
    assert_eq!(consumption_mw(total_at(&state, 2 * HOUR_MS)), None);
    assert_eq!(
        consumption_mw(community_at(&state, HOUR_MS, 4)),
        Some(100_000)
    );
    assert_eq!(consumption_mw(community_at(&state, HOUR_MS, 5)), None);
    assert_eq!(consumption_mw(total_at(&state, u64::MAX)), None);
}

#[test]
fn meters_of_different_lengths_add_up() {
    let mut state = Map::new();
    let day = slot(0, 24, 1);
    record(
        &mut state,
        &[
            measured(day, "day", Some(2400), None),
            measured(slot(1, 2, 1), "hour", Some(7), None),
        ],
    );
    record(
        &mut state,
        &[measured(slot(20, 22, 2), "two", Some(10), None)],
    );
    assert_eq!(consumption_mw(total_at(&state, 0)), Some(100_000));
    assert_eq!(consumption_mw(total_at(&state, HOUR_MS)), Some(107_000));
    assert_eq!(
        consumption_mw(total_at(&state, 23 * HOUR_MS)),
        Some(100_000)
    );
    assert_eq!(
        consumption_mw(total_at(&state, 21 * HOUR_MS)),
        Some(105_000)
    );
    assert_eq!(
        consumption_mw(community_at(&state, 21 * HOUR_MS, 2)),
        Some(5_000)
    );
}

#[test]
fn zero_is_data() {
    let mut state = Map::new();
    record(&mut state, &[measured(slot(0, 1, 1), "a", Some(0), None)]);
    assert_eq!(consumption_mw(total_at(&state, 0)), Some(0));
    assert_eq!(total_at(&state, 0).expect("a power").production_mw, None);
}

#[test]
fn energy_sums_the_intervals_that_lie_inside() {
    let mut state = Map::new();
    for (hour, wh) in [(0, 5), (1, 9), (2, 9), (4, 1)] {
        record(
            &mut state,
            &[measured(slot(hour, hour + 1, 1), "a", Some(wh), None)],
        );
    }
    record(&mut state, &[measured(slot(1, 2, 2), "b", None, Some(4))]);
    let all = energy(&state, 0, 5 * HOUR_MS, None).expect("energy");
    assert_eq!(
        (all.consumption_uj, all.production_uj),
        (Some(u128::from(24 * WH)), Some(u128::from(4 * WH)))
    );
    assert_eq!(
        (all.intervals, all.highest),
        (4, Some((slot(1, 2, 1).interval, 9_000)))
    );
    let some = energy(&state, 1, 3 * HOUR_MS - 1, Some(1)).expect("energy");
    assert_eq!(
        (some.consumption_uj, some.production_uj, some.intervals),
        (Some(u128::from(9 * WH)), None, 1)
    );
    assert_eq!(energy(&state, 0, HOUR_MS, Some(9)), Ok(Energy::default()));
}

#[test]
fn energy_over_too_many_intervals_is_refused() {
    let mut state = Map::new();
    for start in 0..=10_000_u64 {
        let slot = Slot {
            interval: Interval::new(start, start + 1).expect("an interval"),
            community: 1,
        };
        record(&mut state, &[measured(slot, "a", Some(1), None)]);
    }
    assert_eq!(
        energy(&state, 0, 10_000, None).map(|energy| energy.intervals),
        Ok(10_000)
    );
    assert_eq!(
        energy(&state, 0, 10_001, None),
        Err(Error::TooManyIntervals(10_000))
    );
}

#[test]
fn old_rows_go_a_bounded_number_at_a_time() {
    let mut state = Map::new();
    let names: Vec<String> = (0..1_500).map(|house| format!("{house:05}")).collect();
    let rows: Vec<_> = names
        .iter()
        .map(|name| measured(slot(0, 1, 1), name, Some(1), None))
        .collect();
    record(&mut state, &rows);
    record(
        &mut state,
        &[
            measured(slot(0, 1, 2), "other", Some(1), None),
            measured(slot(1, 2, 1), "young", Some(1), None),
        ],
    );
    let mut kept = Kept::first(0, 0);
    let newest_ms = RETENTION_MS + HOUR_MS;
    for _ in 0..20 {
        kept.advance(0, newest_ms);
    }
    assert!(kept.is_expired(HOUR_MS - 1) && !kept.is_expired(HOUR_MS));
    let before = state.len();
    Sweep::new(0)
        .run(&mut state, 1, &mut kept)
        .expect("a sweep");
    assert_eq!(state.len(), before - 1_000);
    Sweep::new(0)
        .run(&mut state, 1, &mut kept)
        .expect("a sweep");
    assert_eq!(aggregate_of(&state, slot(0, 1, 1)), Ok(None));
    assert_eq!(
        consumption_mw(total_at(&state, 0)),
        Some(1_000),
        "the other community keeps its own"
    );
    assert_eq!(
        consumption_mw(community_at(&state, HOUR_MS, 1)),
        Some(1_000)
    );
    let swept = state.clone();
    Sweep::new(0)
        .run(&mut state, 1, &mut kept)
        .expect("a sweep");
    assert_eq!(state, swept);
}

#[test]
fn an_emptied_interval_leaves_the_index() {
    let mut state = Map::new();
    record(&mut state, &[measured(slot(0, 1, 1), "a", Some(1), None)]);
    let mut kept = Kept::first(0, 0);
    for _ in 0..20 {
        kept.advance(0, RETENTION_MS + DAY_MS);
    }
    Sweep::new(0)
        .run(&mut state, 1, &mut kept)
        .expect("a sweep");
    assert_eq!(state.keys().collect::<Vec<_>>(), [&keys::longest(0)]);
}

#[test]
fn one_date_far_ahead_costs_a_month_at_most() {
    let mut kept = Kept::first(RETENTION_MS, 0);
    kept.advance(RETENTION_MS, 100 * RETENTION_MS);
    assert!(kept.is_expired(31 * DAY_MS - 1) && !kept.is_expired(31 * DAY_MS));
}
