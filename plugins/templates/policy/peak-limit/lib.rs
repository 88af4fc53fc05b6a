//! Glue: joins the component's type to the rule in `logic.rs`. It decides nothing itself and imports nothing.

mod logic;

use exports::leyden::policy::peak_limit::{Guest, Input, Limits};

wit_bindgen::generate!({ path: "wit", world: "policy", generate_all });

/// From which consumption on a community peaks.
struct Policy;

impl Guest for Policy {
    fn limit(input: Input) -> Limits {
        logic::limit(&input)
    }
}

export!(Policy);
