//! Transitions both ways, zero, late and corrected balances; rates against figures by hand.

use super::*;
use leyden_sdk::grid::events::Interval;

fn balance(minute: u64, consumption_w: Option<u64>, production_w: Option<u64>) -> Balance {
    Balance {
        community: 4,
        interval: Interval {
            starts_at_ms: minute * 60_000,
            ends_at_ms: (minute + 1) * 60_000,
        },
        consumption_mw: consumption_w.map(|w| w * 1_000),
        production_mw: production_w.map(|w| w * 1_000),
        houses: 3,
        closed: true,
    }
}

/// Judges (consumption, production) in W minute by minute and returns what was notified.
fn notified(minutes: &[(u64, u64)]) -> Vec<Option<bool>> {
    let mut state = None;
    let mut judge_minute = |(minute, &(drawn, produced)): (u64, &(u64, u64))| {
        let (next, change) = judge(state, &balance(minute, Some(drawn), Some(produced)))?;
        state = Some(next);
        change
    };
    (0..).zip(minutes).map(&mut judge_minute).collect()
}

#[test]
fn transitions_are_notified_both_ways_and_only_transitions() {
    let minutes = [
        (1_500, 0),
        (1_500, 1_700),
        (1_500, 1_800),
        (1_500, 0),
        (1_500, 0),
    ];
    assert_eq!(
        notified(&minutes),
        [None, Some(true), None, Some(false), None]
    );
}

#[test]
fn zero_is_autarkic_and_a_watt_less_is_not() {
    assert_eq!(
        notified(&[(1_500, 1_500), (1_500, 1_499)]),
        [Some(true), Some(false)]
    );
}

#[test]
fn a_community_starts_as_not_autarkic() {
    assert_eq!(notified(&[(1_500, 0)]), [None]);
    assert_eq!(notified(&[(1_500, 1_600)]), [Some(true)]);
}

#[test]
fn open_and_unmeasured_balances_are_not_judged() {
    let open = Balance {
        closed: false,
        ..balance(0, Some(1), Some(2))
    };
    assert_eq!(judge(None, &open), None);
    assert_eq!(judge(None, &balance(0, None, Some(2))), None);
}

#[test]
fn a_missing_production_is_none_produced_and_a_missing_consumption_unknown() {
    assert_eq!(
        net_mw(power(&balance(0, Some(1_500), None))),
        Some(-1_500_000)
    );
    assert_eq!(net_mw(power(&balance(0, None, Some(5)))), None);
}

#[test]
fn a_correction_of_the_last_interval_is_judged_and_an_older_one_is_not() {
    let state = Some(Judgement {
        judged_ms: 5 * 60_000,
        autarkic: false,
    });
    let (_, change) = judge(state, &balance(5, Some(1), Some(2))).expect("a correction is judged");
    assert_eq!(change, Some(true));
    assert_eq!(judge(state, &balance(4, Some(1), Some(2))), None);
}

const UJ_PER_WH: u128 = 3_600_000_000;

/// Sums of intervals given as (consumption, production) in Wh.
fn energies(intervals: &[(Option<u128>, Option<u128>)]) -> Energies {
    let mut sums = Energies::default();
    for (consumption_wh, production_wh) in intervals {
        let uj = |wh: &Option<u128>| wh.map(|wh| wh * UJ_PER_WH);
        sums.add(uj(consumption_wh), uj(production_wh));
    }
    sums
}

#[test]
fn rates_come_from_each_interval_and_not_from_the_sums() {
    // Noon exports 2 Wh and night imports 3 Wh: over the day 4 are drawn and 3 produced.
    let sums = energies(&[(Some(1), Some(3)), (Some(3), Some(0))]);
    assert_eq!((sums.consumed_wh(), sums.produced_wh()), (4.0, 3.0));
    assert_eq!((sums.imported_wh(), sums.exported_wh()), (3.0, 2.0));
    assert_eq!(sums.self_consumed_wh(), 1.0);
    assert_eq!(sums.autarky_rate(), Some(0.25));
    assert_eq!(sums.self_consumption_rate(), Some(1.0 / 3.0));
}

#[test]
fn rates_that_are_undefined_are_none() {
    assert_eq!(energies(&[]).autarky_rate(), None);
    let nothing_produced = energies(&[(Some(1), None)]);
    assert_eq!(nothing_produced.self_consumption_rate(), None);
    assert_eq!(nothing_produced.autarky_rate(), Some(0.0));
    assert_eq!(energies(&[(Some(0), Some(1))]).autarky_rate(), None);
}

#[test]
fn an_interval_without_consumption_is_left_out() {
    let sums = energies(&[(None, Some(9)), (Some(1), Some(1))]);
    assert_eq!((sums.intervals, sums.produced_wh()), (1, 1.0));
}
