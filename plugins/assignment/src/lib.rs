//! Which community a new house joins: communities of three, filled in order.
//!
//! This file only joins the component's type to `logic`; it decides nothing itself and imports
//! nothing, so the same input gives the same decision on any host.

mod logic;

leyden_sdk::bump_allocator!();

use leyden_sdk::exports::assignment::Guest;
use leyden_sdk::policy::assignment::Input;

/// The component: one stateless value that carries the export.
struct Component;

impl Guest for Component {
    fn assign(input: Input) -> u64 {
        logic::assign(&input)
    }
}

leyden_sdk::export_interface!(assignment, Component);
