//! Glue: joins the component's type to the rule in `logic.rs`. It decides nothing itself and imports nothing.

mod logic;

use exports::leyden::policy::assignment::{Guest, Input};

wit_bindgen::generate!({ path: "wit", world: "policy", generate_all });

/// Which community a new house joins.
struct Policy;

impl Guest for Policy {
    fn assign(input: Input) -> u64 {
        logic::assign(&input)
    }
}

export!(Policy);
