//! How an invocation ends without an answer, and how wasmtime's errors become that.

use crate::dispatch::Culprit;
use crate::dispatch::types::Problem;

/// Why an invocation has no output. None of its effects is kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The component refuses the input.
    #[error("refused: {}", .0.detail)]
    Rejected(Problem),
    /// The component asks to be run later.
    #[error("{0} asks to try again later: {1}")]
    Retry(Culprit, String),
    /// It trapped, for this reason.
    #[error("{0} trapped: {1}")]
    Trapped(Culprit, String),
    /// It ran past its deadline, ms.
    #[error("{0} ran past its deadline of {1} ms")]
    Deadline(Culprit, u64),
    /// It broke a rule of the host, in words.
    #[error("{0} {1}")]
    Misbehaved(Culprit, String),
    /// The host has no room for another instance.
    #[error("no room for another instance")]
    Full,
}

/// The epoch's callback ends a guest with this.
#[derive(Debug, thiserror::Error)]
#[error("past its deadline")]
pub(super) struct PastDeadline;

impl Failure {
    /// What a wasmtime error of this component means. A nested component's failure stays its own.
    pub(super) fn from_error(error: &wasmtime::Error, culprit: &Culprit, deadline_ms: u64) -> Self {
        if let Some(nested) = error.downcast_ref::<Self>() {
            return nested.clone();
        }
        if error.is::<PastDeadline>() {
            return Self::Deadline(culprit.clone(), deadline_ms);
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::Full;
        }
        let reason = match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        Self::Trapped(culprit.clone(), reason)
    }
}
