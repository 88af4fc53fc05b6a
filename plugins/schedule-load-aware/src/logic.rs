//! An alternative schedule: a load runs at the earliest time at which the base load, what is
//! planned and the load itself stay within the community's limit for the whole slot. A load that
//! is too strong for the room beside the base load runs weaker and longer. The base load is taken
//! as constant: it knows no forecast.

use leyden_sdk::policy::schedule::{Input, Plan, PlannedLoad, Slot};

/// The weakest a load may be made, as a share of its power: its slot grows at most fourfold, so
/// that a charge of five hours still fits into a day.
const POWER_SHARE_MIN: f64 = 0.25;

/// Sums of powers may be off by this much, W: a milliwatt, the unit in which power is measured.
const TOLERANCE_W: f64 = 0.001;

/// A span of time in which the planned power is constant.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// Its end, ms since 1970; it starts where the one before ends.
    ends_at_ms: u64,
    /// Planned power, W.
    power_w: f64,
}

/// The earliest slot that keeps the limit; where no power keeps it, the earliest time at which
/// nothing else is planned.
pub(crate) fn decide(input: &Input) -> Plan {
    let headroom_w = input.limit_w - input.base_load_w;
    let weakest_w = input.power_w * POWER_SHARE_MIN;
    let power_w = input.power_w.min(headroom_w).max(weakest_w);
    let room_w = (headroom_w - power_w).max(0.0);
    let duration_ms = stretched_ms(input, power_w);
    let profile = profile(&input.planned);
    let starts_at_ms = first_fit_ms(&profile, input.not_before_ms, duration_ms, room_w);
    let ends_at_ms = starts_at_ms.saturating_add(duration_ms);
    Plan {
        slot: Slot {
            starts_at_ms,
            ends_at_ms,
        },
        power_w,
    }
}

/// How long the load has to run at `power_w` for the same energy, rounded up to a millisecond.
fn stretched_ms(input: &Input, power_w: f64) -> u64 {
    if power_w >= input.power_w {
        return input.duration_ms;
    }
    // A float-to-integer cast saturates: an absurd duration is cut, never wrapped.
    (input.duration_ms as f64 * (input.power_w / power_w)).ceil() as u64
}

/// The planned power over time, from the beginning of time to the end of the last load; after it
/// nothing is planned.
fn profile(planned: &[PlannedLoad]) -> Vec<Segment> {
    let mut steps: Vec<(u64, f64)> = planned.iter().flat_map(steps).collect();
    steps.sort_by_key(|&(at_ms, _)| at_ms);
    let mut power_w = 0.0;
    let segment = |(at_ms, step_w)| {
        let segment = Segment {
            ends_at_ms: at_ms,
            power_w,
        };
        power_w += step_w;
        segment
    };
    steps.into_iter().map(segment).collect()
}

/// By how much a load changes the planned power when it starts and when it ends, W.
fn steps(load: &PlannedLoad) -> [(u64, f64); 2] {
    [
        (load.slot.starts_at_ms, load.power_w),
        (load.slot.ends_at_ms, -load.power_w),
    ]
}

/// The earliest start from which the planned power stays within `room_w` for `duration_ms`. There
/// always is one: at the latest when the plan is over.
fn first_fit_ms(profile: &[Segment], not_before_ms: u64, duration_ms: u64, room_w: f64) -> u64 {
    let mut starts_at_ms = not_before_ms;
    let mut segment_starts_at_ms = 0;
    for segment in profile {
        let fits_before = segment_starts_at_ms >= starts_at_ms.saturating_add(duration_ms);
        if fits_before {
            break;
        }
        if segment.power_w > room_w + TOLERANCE_W {
            starts_at_ms = starts_at_ms.max(segment.ends_at_ms);
        }
        segment_starts_at_ms = segment.ends_at_ms;
    }
    starts_at_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::policy::schedule::Reason;

    const HOUR_MS: u64 = 3_600_000;

    /// A plan for `power_w` over five hours, not before hour 10, beside `base_load_w` and loads
    /// given as (start hour, end hour, W); limit 10 kW.
    fn planned(power_w: f64, base_load_w: f64, loads: &[(u64, u64, f64)]) -> Plan {
        let load = |&(start, end, power_w)| PlannedLoad {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w,
            slot: Slot {
                starts_at_ms: start * HOUR_MS,
                ends_at_ms: end * HOUR_MS,
            },
        };
        decide(&Input {
            now_ms: 10 * HOUR_MS,
            community: 4,
            not_before_ms: 10 * HOUR_MS,
            duration_ms: 5 * HOUR_MS,
            power_w,
            reason: Reason::Requested,
            limit_w: 10_000.0,
            base_load_w,
            planned: loads.iter().map(load).collect(),
        })
    }

    fn check(plan: &Plan, start: u64, end: u64, power_w: f64) {
        let slot = (plan.slot.starts_at_ms, plan.slot.ends_at_ms);
        assert_eq!(slot, (start * HOUR_MS, end * HOUR_MS));
        assert_eq!(plan.power_w, power_w);
    }

    #[test]
    fn a_load_that_fits_starts_at_once() {
        check(&planned(1_300.0, 1_500.0, &[]), 10, 15, 1_300.0);
        check(
            &planned(1_300.0, 1_500.0, &[(8, 15, 1_300.0)]),
            10,
            15,
            1_300.0,
        );
    }

    #[test]
    fn the_limit_itself_may_be_reached_but_not_passed() {
        check(
            &planned(1_000.0, 1_500.0, &[(8, 15, 7_500.0)]),
            10,
            15,
            1_000.0,
        );
        check(
            &planned(1_000.0, 1_500.0, &[(8, 15, 7_501.0)]),
            15,
            20,
            1_000.0,
        );
    }

    #[test]
    fn the_whole_slot_has_to_fit_not_only_its_start() {
        check(
            &planned(1_300.0, 1_500.0, &[(12, 14, 8_000.0)]),
            14,
            19,
            1_300.0,
        );
    }

    #[test]
    fn a_gap_is_used_where_it_is_long_enough() {
        let loads = [(9, 11, 8_000.0), (16, 20, 8_000.0)];
        check(&planned(1_300.0, 1_500.0, &loads), 11, 16, 1_300.0);
        let loads = [(9, 11, 8_000.0), (15, 20, 8_000.0)];
        check(&planned(1_300.0, 1_500.0, &loads), 20, 25, 1_300.0);
    }

    #[test]
    fn loads_that_overlap_add_up() {
        let loads = [(9, 12, 4_000.0), (10, 13, 4_000.0), (11, 14, 100.0)];
        check(&planned(1_300.0, 1_500.0, &loads), 12, 17, 1_300.0);
    }

    #[test]
    fn what_follows_the_slot_does_not_matter() {
        check(
            &planned(1_300.0, 1_500.0, &[(15, 20, 9_000.0)]),
            10,
            15,
            1_300.0,
        );
    }

    #[test]
    fn a_load_too_strong_for_the_limit_runs_weaker_and_longer() {
        let plan = planned(12_500.0, 0.0, &[]);
        assert_eq!(plan.power_w, 10_000.0);
        assert_eq!(
            plan.slot.ends_at_ms - plan.slot.starts_at_ms,
            25 * HOUR_MS / 4
        );
    }

    #[test]
    fn a_weakened_load_keeps_its_energy() {
        let plan = planned(9_000.0, 1_500.0, &[]);
        let length_ms = plan.slot.ends_at_ms - plan.slot.starts_at_ms;
        assert_eq!(plan.power_w, 8_500.0);
        let missing = 9_000.0 * (5 * HOUR_MS) as f64 - plan.power_w * length_ms as f64;
        assert!((-plan.power_w..=0.0).contains(&missing), "{missing} W·ms");
    }

    #[test]
    fn without_room_it_runs_at_its_weakest_while_nothing_else_does() {
        check(&planned(8_000.0, 9_500.0, &[]), 10, 30, 2_000.0);
        check(
            &planned(8_000.0, 12_000.0, &[(8, 14, 100.0)]),
            14,
            34,
            2_000.0,
        );
    }
}
