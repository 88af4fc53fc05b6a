//! A schedule policy that traps on every decision. It has no other purpose.

use leyden_sdk::exports::schedule::Guest;
use leyden_sdk::policy::schedule::{Input, Plan};

/// The component.
struct Component;

impl Guest for Component {
    fn decide(_input: Input) -> Plan {
        std::process::abort()
    }
}

leyden_sdk::export_interface!(schedule, Component);
