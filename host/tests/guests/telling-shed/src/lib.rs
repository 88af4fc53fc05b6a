//! A shed policy of `leyden:policy@0.2.0` that stops the loads of which it is not told when they were last
//! shed. It has no other purpose.

use leyden_sdk::exports::shed::Guest;
use leyden_sdk::policy::shed::Input;

leyden_sdk::bump_allocator!();

/// The component.
struct Component;

impl Guest for Component {
    fn shed(input: Input) -> Vec<u32> {
        let loads = (0..).zip(&input.loads);
        let unknown = loads.filter(|(_, load)| load.last_shed_at_ms.is_none());
        unknown.map(|(index, _)| index).collect()
    }
}

leyden_sdk::export_interface!(shed, Component);
