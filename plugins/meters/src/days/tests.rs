//! Intervals against what was taken in before: across batches, across midnight, in any order.

use super::*;

const HOUR_MS: u64 = 3_600_000;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const SERIES: Series<'static> = Series {
    house: "h",
    kind: Kind::Consumption,
};

fn one(start_h: u64, end_h: u64, energy_uj: u64) -> Taken {
    Taken {
        interval: Interval::new(start_h * HOUR_MS, end_h * HOUR_MS).expect("an interval"),
        energy_uj,
    }
}

/// Each in a batch of its own.
fn take(state: &mut Map, series: Series<'_>, one: Taken) -> Outcome {
    let mut days = Days::default();
    let outcome = days.take(state, series, one).expect("it is taken");
    days.save(state).expect("it is saved");
    outcome
}

#[test]
fn new_unchanged_replaced() {
    let mut state = Map::new();
    assert_eq!(take(&mut state, SERIES, one(1, 2, 5)), Outcome::New);
    assert_eq!(take(&mut state, SERIES, one(1, 2, 5)), Outcome::Unchanged);
    assert_eq!(take(&mut state, SERIES, one(1, 2, 6)), Outcome::Replaced);
    assert_eq!(take(&mut state, SERIES, one(1, 2, 6)), Outcome::Unchanged);
    let production = Series {
        kind: Kind::Production,
        ..SERIES
    };
    assert_eq!(
        take(&mut state, production, one(1, 3, 6)),
        Outcome::New,
        "kinds are apart"
    );
    assert_eq!(
        take(
            &mut state,
            Series {
                house: "g",
                ..SERIES
            },
            one(1, 4, 6)
        ),
        Outcome::New,
        "houses are apart"
    );
}

#[test]
fn overlaps_are_found_on_both_sides_and_across_midnight() {
    let mut state = Map::new();
    for hours in [(10, 11), (23, 25), (47, 48)] {
        assert_eq!(
            take(&mut state, SERIES, one(hours.0, hours.1, 5)),
            Outcome::New
        );
    }
    let saved = state.clone();
    for ((start, end), (other_start, other_end)) in [
        ((10, 12), (10, 11)),
        ((9, 11), (10, 11)),
        ((9, 12), (10, 11)),
        ((24, 26), (23, 25)),
        ((22, 24), (23, 25)),
        ((23, 24), (23, 25)),
        ((24, 25), (23, 25)),
        ((25, 49), (47, 48)),
        ((2, 24), (10, 11)),
    ] {
        let outcome = take(&mut state, SERIES, one(start, end, 5));
        assert_eq!(
            outcome,
            Outcome::Overlap(one(other_start, other_end, 0).interval),
            "{start} to {end}"
        );
    }
    assert_eq!(state, saved);
    for (start, end) in [(11, 23), (25, 47), (48, 72), (0, 10)] {
        assert_eq!(
            take(&mut state, SERIES, one(start, end, 5)),
            Outcome::New,
            "{start} to {end}"
        );
    }
}

#[test]
fn an_interval_at_the_end_of_a_day_sees_the_next_day() {
    let mut state = Map::new();
    take(&mut state, SERIES, one(24, 25, 5));
    assert_eq!(
        take(&mut state, SERIES, one(20, 25, 5)),
        Outcome::Overlap(one(24, 25, 0).interval)
    );
    assert_eq!(take(&mut state, SERIES, one(20, 24, 5)), Outcome::New);
}

#[test]
fn a_day_of_half_hours_is_small_and_reads_back() {
    let mut state = Map::new();
    let mut days = Days::default();
    let taken: Vec<Taken> = (0..96)
        .map(|half| Taken {
            interval: Interval::new(half * HOUR_MS / 2, (half + 1) * HOUR_MS / 2)
                .expect("an interval"),
            energy_uj: half * 3_600_000_000,
        })
        .collect();
    for one in taken.iter().rev() {
        assert_eq!(days.take(&state, SERIES, *one), Ok(Outcome::New));
    }
    days.save(&mut state).expect("it is saved");
    assert_eq!(state.len(), 2);
    assert!(state.values().all(|chunk| chunk.len() < 48 * 9));
    assert_eq!(
        between(&state, SERIES, (0, 2 * DAY_MS), 1_000),
        Ok(taken.clone())
    );
    assert_eq!(
        between(&state, SERIES, (HOUR_MS, 2 * HOUR_MS + 1), 1_000),
        Ok(taken[2..5].to_vec())
    );
    assert_eq!(
        between(&state, SERIES, (0, 2 * DAY_MS), 7),
        Ok(taken[..7].to_vec())
    );
    assert_eq!(
        between(&state, SERIES, (5 * DAY_MS, 9 * DAY_MS), 7),
        Ok(Vec::new())
    );
}

#[test]
fn a_long_time_is_read_over_many_scans() {
    let mut state = Map::new();
    for day in 0..100 {
        take(&mut state, SERIES, one(day * 24 + 5, day * 24 + 6, day));
    }
    let all = between(&state, SERIES, (0, 100 * DAY_MS), 1_000).expect("intervals");
    assert_eq!(
        all.iter().map(|one| one.energy_uj).collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn old_days_go() {
    let mut state = Map::new();
    for day in 0..KEPT_DAYS + 10 {
        take(&mut state, SERIES, one(day * 24, day * 24 + 1, 1));
    }
    let first = between(&state, SERIES, (0, u64::from(u32::MAX) * DAY_MS), 1).expect("intervals");
    assert_eq!(first[0].interval.starts_at_ms / DAY_MS, 9);
}
