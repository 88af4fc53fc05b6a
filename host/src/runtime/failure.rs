//! What wasmtime's errors mean to whoever asked for the invocation.

use wasmtime::Trap;

use super::adapt::Misfit;
use super::analyst::Analyst;
use super::run::{Limit, RunError};
use crate::dispatch::work;
use crate::dispatch::{Culprit, Error};
use crate::telemetry::Stats;
use crate::telemetry::stats::Failed;

/// The epoch's callback ends a guest with this.
#[derive(Debug, thiserror::Error)]
#[error("past its deadline")]
pub(super) struct PastDeadline;

/// Why a run of a partner's component ended that used up its stack.
const TOO_DEEP: &str = "it called too deep: its stack is used up";

/// Whether a component failed for this reason because it used up its stack.
pub(crate) fn is_too_deep(reason: &str) -> bool {
    // The latter are wasmtime's words.
    reason.ends_with(TOO_DEEP) || reason.ends_with("call stack exhausted")
}

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
    if let Some(misfit) = error.downcast_ref::<Misfit>() {
        let rule = format!("does not fit its caller: {misfit}");
        return Error::Misbehaved(culprit.clone(), rule);
    }
    let reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Error::Trapped(culprit.clone(), reason)
}

/// The same, counted where this component is to blame, and not one that it called.
pub(super) fn explain_counted(
    error: wasmtime::Error,
    culprit: &Culprit,
    deadline_ms: u64,
    stats: &Stats,
) -> Error {
    let error = explain(error, culprit, deadline_ms);
    let failed = match &error {
        Error::Trapped(blamed, _) if blamed == culprit => Some(Failed::Trap),
        Error::Deadline(blamed, _) if blamed == culprit => Some(Failed::Deadline),
        Error::Misbehaved(blamed, _) if blamed == culprit => Some(Failed::Rule),
        _ => None,
    };
    if let Some(failed) = failed {
        stats.failed(failed);
    }
    error
}

/// What an error that ended a run of a partner's component means. `fuel` is what the run was given.
pub(super) fn explain_run(error: wasmtime::Error, analyst: &Analyst, fuel: u64) -> RunError {
    if let Some(limit) = analyst.exceeded() {
        return RunError::Limit(limit);
    }
    if error.is::<PastDeadline>() {
        return past_deadline(analyst);
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return RunError::HostFault(Error::Busy);
    }
    let error = match error.downcast::<Error>() {
        Ok(Error::Deadline(..)) => return past_deadline(analyst),
        Ok(hosts) => return RunError::HostFault(hosts),
        Err(error) => error,
    };
    if let Some(budget) = error.downcast_ref::<work::Error>() {
        return RunError::Trapped(format!("it {budget}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => RunError::Fuel(fuel),
        Some(trap) => RunError::Trapped(in_words(*trap)),
        None => other(&error, analyst),
    }
}

/// The component's fault, unless the run spent most of its time waiting for the store.
fn past_deadline(analyst: &Analyst) -> RunError {
    let deadline_ms = analyst.limits.deadline_ms;
    if analyst.waited().as_millis() > u128::from(deadline_ms / 2) {
        let slow = crate::store::Error::Unavailable("its answers take too long");
        return RunError::HostFault(Error::Store(slow));
    }
    RunError::Deadline(deadline_ms)
}

/// Errors of the engine that have no type of their own are told by their words; tests hold them to it.
fn other(error: &wasmtime::Error, analyst: &Analyst) -> RunError {
    let reason = error.root_cause().to_string();
    if reason.contains("fuel allocated for hostcalls") {
        return RunError::Limit(Limit::HandedOver(analyst.limits.report_bytes));
    }
    if reason.contains("store handle limit exceeded") {
        return RunError::Limit(Limit::Handles(super::analytics::HANDLES_MAX));
    }
    RunError::Trapped(reason)
}

/// A trap for people who have not read the specification.
fn in_words(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => {
            "it gave up (`unreachable`): a panic or an abort, which its log may explain".into()
        }
        Trap::StackOverflow => TOO_DEEP.into(),
        Trap::MemoryOutOfBounds => "it reached outside its memory".into(),
        Trap::TableOutOfBounds => "it reached outside a table".into(),
        Trap::IndirectCallToNull => "it called a function that is not there".into(),
        Trap::BadSignature => "it called a function with another type than it has".into(),
        Trap::IntegerDivisionByZero => "it divided by zero".into(),
        Trap::IntegerOverflow => "an integer operation overflowed".into(),
        Trap::BadConversionToInteger => "it made an integer of a number that is none".into(),
        other => {
            let words = other.to_string();
            words.strip_prefix("wasm trap: ").unwrap_or(&words).into()
        }
    }
}
