//! Which flexible loads stop when a community peaks: no more than needed, and not always the same household's.
//!
//! This file only joins the component's type to `logic`; it decides nothing itself and imports
//! nothing, so the same input gives the same decision on any host.

mod logic;

// Room for a full plan of loads with the longest names.
leyden_sdk::bump_allocator!(4 * 1024 * 1024);

use leyden_sdk::exports::shed::Guest;
use leyden_sdk::policy::shed::Input;

/// The component: one stateless value that carries the export.
struct Component;

impl Guest for Component {
    fn shed(input: Input) -> Vec<u32> {
        logic::shed(&input)
    }
}

leyden_sdk::export_interface!(shed, Component);
