//! A schedule policy of `leyden:policy@0.2.0` whose slot starts as many milliseconds after it may as the
//! community's number says. It keeps its contract, and has no other purpose.

use leyden_sdk::exports::schedule::Guest;
use leyden_sdk::policy::schedule::{Input, Plan, Slot};

leyden_sdk::bump_allocator!();

/// The component.
struct Component;

impl Guest for Component {
    fn decide(input: Input) -> Plan {
        let starts_at_ms = input.not_before_ms + input.community;
        let slot = Slot {
            starts_at_ms,
            ends_at_ms: starts_at_ms + input.duration_ms,
        };
        Plan {
            slot,
            power_w: input.power_w,
        }
    }
}

leyden_sdk::export_interface!(schedule, Component);
