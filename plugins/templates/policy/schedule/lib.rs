//! Glue: joins the component's type to the rule in `logic.rs`. It decides nothing itself and imports nothing.

mod logic;

use exports::leyden::policy::schedule::{Guest, Input, Plan};

wit_bindgen::generate!({ path: "wit", world: "policy", generate_all });

/// When a flexible load draws its power.
struct Policy;

impl Guest for Policy {
    fn decide(input: Input) -> Plan {
        logic::decide(&input)
    }
}

export!(Policy);
