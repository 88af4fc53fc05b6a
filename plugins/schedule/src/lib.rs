//! When a flexible load runs: at once when asked for, behind the plan when it was shed.
//!
//! This file only joins the component's type to `logic`; it decides nothing itself and imports
//! nothing, so the same input gives the same decision on any host.

mod logic;

// Room for a full plan of loads with the longest names.
leyden_sdk::bump_allocator!(4 * 1024 * 1024);

use leyden_sdk::exports::schedule::Guest;
use leyden_sdk::policy::schedule::{Input, Plan};

/// The component: one stateless value that carries the export.
struct Component;

impl Guest for Component {
    fn decide(input: Input) -> Plan {
        logic::decide(&input)
    }
}

leyden_sdk::export_interface!(schedule, Component);
