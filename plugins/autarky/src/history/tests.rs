//! The history against a map instead of the host's state.

use super::*;
use leyden_sdk::grid::events;
use leyden_sdk::series::{Error, community_at, intervals_at};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const HOUR_MS: u64 = 3_600_000;

fn hour(hour: u64) -> Interval {
    Interval {
        starts_at_ms: hour * HOUR_MS,
        ends_at_ms: (hour + 1) * HOUR_MS,
    }
}

/// A closed balance of community 4 in W.
fn balance(interval: Interval, consumption_w: u64, production_w: Option<u64>) -> Balance {
    Balance {
        community: 4,
        interval: events::Interval::from(interval),
        consumption_mw: Some(consumption_w * 1_000),
        production_mw: production_w.map(|power_w| power_w * 1_000),
        houses: 3,
        closed: true,
    }
}

/// Records balances in one batch and returns what changed.
fn record(state: &mut Map, balances: &[Balance]) -> Vec<Option<bool>> {
    let mut batch = Batch::new(0);
    let mut record = |balance: &Balance| {
        let events::Interval {
            starts_at_ms,
            ends_at_ms,
        } = balance.interval;
        batch
            .record(
                state,
                Interval {
                    starts_at_ms,
                    ends_at_ms,
                },
                balance,
            )
            .expect("recorded")
    };
    let changes = balances.iter().map(&mut record).collect();
    batch.finish(state).expect("finished");
    changes
}

fn net_mw(state: &Map, at_ms: u64) -> Option<i128> {
    logic::net_mw(community_at(state, at_ms, 4).expect("read"))
}

fn consumed_wh(state: &Map, from_ms: u64, to_ms: u64) -> f64 {
    energies(state, 4, from_ms, to_ms)
        .expect("read")
        .consumed_wh()
}

#[test]
fn net_power_is_that_of_the_interval_that_contains_the_instant() {
    let mut state = Map::new();
    record(
        &mut state,
        &[
            balance(hour(5), 1_500, None),
            balance(hour(6), 1_500, Some(1_700)),
        ],
    );
    assert_eq!(net_mw(&state, 5 * HOUR_MS), Some(-1_500_000));
    assert_eq!(net_mw(&state, 6 * HOUR_MS - 1), Some(-1_500_000));
    assert_eq!(net_mw(&state, 6 * HOUR_MS), Some(200_000));
    assert_eq!(net_mw(&state, 7 * HOUR_MS), None);
}

#[test]
fn a_correction_changes_power_and_rates() {
    let mut state = Map::new();
    record(
        &mut state,
        &[balance(hour(5), 1_500, None), balance(hour(6), 500, None)],
    );
    assert_eq!(consumed_wh(&state, 0, 24 * HOUR_MS), 2_000.0);
    record(&mut state, &[balance(hour(5), 900, Some(1_000))]);
    assert_eq!(net_mw(&state, 5 * HOUR_MS), Some(100_000));
    let sums = energies(&state, 4, 0, 24 * HOUR_MS).expect("read");
    assert_eq!(
        (sums.consumed_wh(), sums.exported_wh(), sums.intervals),
        (1_400.0, 100.0, 2)
    );
}

#[test]
fn the_same_balance_again_counts_once() {
    let mut state = Map::new();
    let five = balance(hour(5), 1_500, None);
    record(&mut state, std::slice::from_ref(&five));
    let before = state.clone();
    record(&mut state, &[five, five]);
    assert_eq!(state, before);
}

#[test]
fn the_index_counts_each_community_once_through_corrections() {
    let mut state = Map::new();
    let other = Balance {
        community: 5,
        ..balance(hour(5), 7, None)
    };
    record(&mut state, &[balance(hour(5), 1, None), other]);
    record(
        &mut state,
        &[balance(hour(5), 2, None), balance(hour(5), 3, None)],
    );
    let intervals = intervals_at(&state, 5 * HOUR_MS).expect("read");
    let sums: Vec<_> = intervals.iter().map(|(_, sums)| sums).collect();
    assert_eq!((sums.len(), sums[0].houses), (1, 2));
    assert_eq!(sums[0].consumption.mean_mw(HOUR_MS), Some(10_000));
}

#[test]
fn only_intervals_whole_within_the_time_count() {
    let mut state = Map::new();
    record(
        &mut state,
        &[
            balance(hour(5), 1, None),
            balance(hour(6), 2, None),
            balance(hour(7), 4, None),
        ],
    );
    assert_eq!(consumed_wh(&state, 6 * HOUR_MS, 7 * HOUR_MS), 2.0);
    assert_eq!(consumed_wh(&state, 5 * HOUR_MS + 1, 8 * HOUR_MS - 1), 2.0);
}

#[test]
fn other_communities_are_apart() {
    let mut state = Map::new();
    let other = Balance {
        community: 5,
        ..balance(hour(5), 7, None)
    };
    record(&mut state, &[balance(hour(5), 1, None), other]);
    assert_eq!(consumed_wh(&state, 0, 24 * HOUR_MS), 1.0);
}

#[test]
fn judgements_outlast_a_batch() {
    let mut state = Map::new();
    assert_eq!(
        record(&mut state, &[balance(hour(5), 10, Some(10))]),
        [Some(true)]
    );
    assert_eq!(
        record(&mut state, &[balance(hour(6), 10, Some(11))]),
        [None]
    );
    assert_eq!(
        record(&mut state, &[balance(hour(5), 10, Some(9))]),
        [None],
        "older"
    );
    assert_eq!(
        record(&mut state, &[balance(hour(6), 10, Some(9))]),
        [Some(false)],
        "corrected"
    );
}

#[test]
fn more_intervals_than_an_answer_may_sum_are_refused() {
    let mut state = Map::new();
    let minute = |minute: u64| Interval {
        starts_at_ms: minute * 60_000,
        ends_at_ms: (minute + 1) * 60_000,
    };
    let balances: Vec<_> = (0..10_001).map(|n| balance(minute(n), 60, None)).collect();
    record(&mut state, &balances);
    assert_eq!(consumed_wh(&state, 0, 10_000 * 60_000), 10_000.0);
    let refused = energies(&state, 4, 0, 10_001 * 60_000);
    assert_eq!(refused, Err(Error::TooManyIntervals(INTERVALS_MAX)));
}

#[test]
fn what_is_older_than_the_retention_is_removed() {
    let mut state = Map::new();
    let day = |n: u64| balance(hour(n * 24), 1, None);
    let days: Vec<_> = (0..1_000).map(day).collect();
    for batch in days.chunks(10) {
        record(&mut state, batch);
    }
    assert_eq!(net_mw(&state, 0), None);
    assert_eq!(net_mw(&state, 999 * 24 * HOUR_MS), Some(-1_000));
    assert!(state.len() < 2 * 420, "{} entries are left", state.len());
}
