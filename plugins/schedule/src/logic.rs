//! The rule of the default schedule: a load that a household asks for starts as early as it may;
//! a load that was shed waits until everything planned in its community is over. Always at full
//! power. It does not look at the community's limit: that is what shedding is for.

use leyden_sdk::policy::schedule::{Input, Plan, Reason, Slot};

/// The slot of one load, at its full power.
pub(crate) fn decide(input: &Input) -> Plan {
    let starts_at_ms = match input.reason {
        Reason::Requested => input.not_before_ms,
        Reason::Shed => plan_end_ms(input).max(input.not_before_ms),
    };
    let ends_at_ms = starts_at_ms.saturating_add(input.duration_ms);
    Plan {
        slot: Slot {
            starts_at_ms,
            ends_at_ms,
        },
        power_w: input.power_w,
    }
}

/// When the last load of the plan ends, ms since 1970; 0 where nothing is planned.
fn plan_end_ms(input: &Input) -> u64 {
    input
        .planned
        .iter()
        .map(|load| load.slot.ends_at_ms)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::policy::schedule::PlannedLoad;

    fn check(reason: Reason, not_before_ms: u64, planned: &[(u64, u64)], expected: (u64, u64)) {
        let load = |&(starts_at_ms, ends_at_ms)| PlannedLoad {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w: 9_000.0,
            slot: Slot {
                starts_at_ms,
                ends_at_ms,
            },
        };
        let plan = decide(&Input {
            now_ms: 0,
            community: 4,
            not_before_ms,
            duration_ms: 100,
            power_w: 1_300.0,
            reason,
            limit_w: 10_000.0,
            base_load_w: 1_500.0,
            planned: planned.iter().map(load).collect(),
        });
        assert_eq!((plan.slot.starts_at_ms, plan.slot.ends_at_ms), expected);
        assert_eq!(plan.power_w, 1_300.0);
    }

    #[test]
    fn a_requested_load_starts_at_once_whatever_else_runs() {
        check(Reason::Requested, 50, &[(0, 500), (20, 90)], (50, 150));
    }

    #[test]
    fn a_shed_load_queues_behind_the_slot_that_ends_last() {
        check(Reason::Shed, 50, &[(0, 500), (20, 90)], (500, 600));
    }

    #[test]
    fn a_shed_load_never_starts_before_it_may() {
        check(Reason::Shed, 700, &[(0, 500)], (700, 800));
        check(Reason::Shed, 700, &[], (700, 800));
    }
}
