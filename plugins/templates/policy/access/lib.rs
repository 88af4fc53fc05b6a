//! Glue: joins the component's type to the rule in `logic.rs`. It decides nothing itself and imports nothing.

mod logic;

use exports::leyden::policy::access::{Compute, Decision, Guest, Input};

wit_bindgen::generate!({ path: "wit", world: "policy", generate_all });

/// What a partner's read of a dataset needs and costs.
struct Policy;

impl Guest for Policy {
    fn decide(input: Input) -> Decision {
        logic::decide(&input)
    }

    fn compute_price(input: Compute) -> u64 {
        logic::compute_price(&input)
    }
}

export!(Policy);
