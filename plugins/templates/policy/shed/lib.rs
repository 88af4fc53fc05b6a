//! Glue: joins the component's type to the rule in `logic.rs`. It decides nothing itself and imports nothing.

mod logic;

use exports::leyden::policy::shed::{Guest, Input};

wit_bindgen::generate!({ path: "wit", world: "policy", generate_all });

/// Which flexible loads stop when a community peaks.
struct Policy;

impl Guest for Policy {
    fn shed(input: Input) -> Vec<u32> {
        logic::shed(&input)
    }
}

export!(Policy);
