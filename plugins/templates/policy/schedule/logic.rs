//! The rule: a load that a household asks for starts as early as it may, one that was shed when everything planned in its
//! community is over; always at full power. It begins as the rule that Leyden comes with; change it.

use crate::exports::leyden::policy::schedule::{Input, Plan, Reason, Slot};

/// The slot of one load.
pub fn decide(input: &Input) -> Plan {
    let planned_until_ms = input.planned.iter().map(|load| load.slot.ends_at_ms).max();
    let starts_at_ms = match input.reason {
        Reason::Requested => input.not_before_ms,
        Reason::Shed => input.not_before_ms.max(planned_until_ms.unwrap_or(0)),
    };
    Plan {
        slot: Slot {
            starts_at_ms,
            ends_at_ms: starts_at_ms.saturating_add(input.duration_ms),
        },
        power_w: input.power_w,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exports::leyden::policy::schedule::PlannedLoad;

    /// When a load of 100 ms starts that may at 50 ms, where another one is planned until 500 ms.
    fn starts(reason: Reason) -> u64 {
        let planned = PlannedLoad {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w: 9_000.0,
            slot: Slot {
                starts_at_ms: 0,
                ends_at_ms: 500,
            },
        };
        let plan = decide(&Input {
            now_ms: 0,
            community: 4,
            not_before_ms: 50,
            duration_ms: 100,
            power_w: 1_300.0,
            reason,
            limit_w: 10_000.0,
            base_load_w: 1_500.0,
            planned: vec![planned],
        });
        assert_eq!(
            (plan.slot.ends_at_ms - plan.slot.starts_at_ms, plan.power_w),
            (100, 1_300.0)
        );
        plan.slot.starts_at_ms
    }

    #[test]
    fn a_requested_load_starts_at_once() {
        assert_eq!(starts(Reason::Requested), 50);
    }

    #[test]
    fn a_shed_load_waits_for_all_others() {
        assert_eq!(starts(Reason::Shed), 500);
    }
}
