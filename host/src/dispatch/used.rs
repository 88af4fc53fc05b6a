//! Which component versions an invocation has used, kept outside the transaction: it is known of invocations that fail,
//! too.

use std::sync::{Arc, Mutex, PoisonError};

use crate::registry::{Active, Generation, Kind};

/// The header that names the generation an answer came from, and the versions that made it: a structured item (RFC
/// 9651), the generation's number with a parameter for each component, its digest.
pub(crate) const GENERATION_HEADER: &str = "leyden-generation";

/// Versions used besides the one that the invocation began with, each once.
#[derive(Default)]
pub(crate) struct Used(Mutex<Vec<Arc<Active>>>);

impl Used {
    /// A version was called.
    pub(crate) fn note(&self, active: &Arc<Active>) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.iter().any(|known| Arc::ptr_eq(known, active)) {
            used.push(active.clone());
        }
    }

    /// The invocation has come to its end. Policies are told, for the guards of their promotion.
    pub(super) fn end(&self, failed: bool) {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let policies = used.iter().filter(|active| active.kind == Kind::Policy);
        policies.for_each(|active| active.health.invoked(failed));
    }

    /// The header's value.
    pub(super) fn header(&self, generation: &Generation, first: &Active) -> String {
        self.listed(generation_of(generation, first))
    }

    /// The same for a receipt, which names who began elsewhere.
    pub(crate) fn of_receipt(&self, generation: u64) -> String {
        self.listed(generation.to_string())
    }

    fn listed(&self, mut value: String) -> String {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for active in used.iter() {
            value.push_str(&active.label);
        }
        value
    }
}

/// The header's value where nothing is known but who was to answer.
pub(crate) fn generation_of(generation: &Generation, first: &Active) -> String {
    generation.number.to_string() + &first.label
}
