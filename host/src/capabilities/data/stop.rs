//! How a read ends without a page: refused, or with the whole invocation.

use super::super::leyden::data::types;
use super::to_error;
use crate::dispatch::work;
use crate::metering::Refusal;

/// Why a read has no page.
pub(super) enum Stop {
    /// The guest is told; nothing was charged.
    Refused(Refusal),
    /// The invocation is over: the host has failed, or is to run it again.
    Failed(wasmtime::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<work::Error> for Stop {
    fn from(error: work::Error) -> Self {
        match error {
            work::Error::Budget(budget) => Self::Refused(Refusal::Limit(budget.to_string())),
            other => Self::Failed(crate::capabilities::end(other)),
        }
    }
}

/// What the guest gets.
pub(super) fn answer<T>(page: Result<T, Stop>) -> wasmtime::Result<Result<T, types::Error>> {
    match page {
        Ok(page) => Ok(Ok(page)),
        Err(Stop::Refused(refusal)) => Ok(Err(to_error(refusal))),
        Err(Stop::Failed(error)) => Err(error),
    }
}
