//! From which consumption on a community peaks: it depends on the time of day.
//!
//! This file only joins the component's type to `logic`; it decides nothing itself and imports
//! nothing, so the same input gives the same decision on any host.

mod logic;

leyden_sdk::bump_allocator!();

use leyden_sdk::exports::peak_limit::Guest;
use leyden_sdk::policy::peak_limit::{Input, Limits};

/// The component: one stateless value that carries the export.
struct Component;

impl Guest for Component {
    fn limit(input: Input) -> Limits {
        logic::limit(&input)
    }
}

leyden_sdk::export_interface!(peak_limit, Component);
