//! What a partner's read of a dataset needs and costs: it depends on the hour and on its trust.
//!
//! This file only joins the component's type to `logic`; it decides nothing itself and imports
//! nothing, so the same input gives the same decision on any host.

mod logic;

leyden_sdk::bump_allocator!();

use leyden_sdk::exports::access::Guest;
use leyden_sdk::policy::access::{Compute, Decision, Input};

/// The component: one stateless value that carries the export.
struct Component;

impl Guest for Component {
    fn decide(input: Input) -> Decision {
        logic::decide(&input)
    }

    fn compute_price(input: Compute) -> u64 {
        logic::compute_price(&input)
    }
}

leyden_sdk::export_interface!(access, Component);
