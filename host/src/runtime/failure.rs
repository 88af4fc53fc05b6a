//! What wasmtime's errors mean to whoever asked for the invocation.

use crate::dispatch::{Culprit, Error};

/// The epoch's callback ends a guest with this.
#[derive(Debug, thiserror::Error)]
#[error("past its deadline")]
pub(super) struct PastDeadline;

/// What a wasmtime error of this component means. A nested component's failure stays its own.
pub(super) fn explain(error: wasmtime::Error, culprit: &Culprit, deadline_ms: u64) -> Error {
    if error.is::<PastDeadline>() {
        return Error::Deadline(culprit.clone(), deadline_ms);
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Error::Busy;
    }
    let error = match error.downcast::<Error>() {
        Ok(nested) => return nested,
        Err(error) => error,
    };
    let reason = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Error::Trapped(culprit.clone(), reason)
}
