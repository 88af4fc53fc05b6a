//! Decisions of policies: calls of pure functions. A policy gets its input and nothing of the invocation, so a decision that
//! fails leaves the invocation as it was, and another version can be asked.
//!
//! Instances are reused. One that fails after it has decided before is not held against its version: it may have used up its
//! memory, which a version that frees nothing does. A fresh one is asked then, and its word counts.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{ComponentExportIndex, Val};

use super::adapt::{self, Seam};
use super::failure::PastDeadline;
use super::guest::{Call, Guest};
use super::instance::Instance;
use super::loaded::Loaded;
use super::values;
use crate::clock;
use crate::dispatch::{Culprit, Error, Notes};
use crate::policies::{self, DECISION_MAX, Decision, Failed, Failure, Kind};
use crate::registry::{Active, Policy};

/// A function that a policy is asked, and with what.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The interface as the caller knows it, with its version.
    pub(super) interface: &'a str,
    pub(super) function: &'a str,
    /// The function's type as the caller has it; none: the caller takes any version's answer.
    pub(super) of: Option<&'a ComponentFunc>,
    pub(super) params: &'a [Val],
    /// Whom the fuel is told that it takes, where fuel is counted.
    pub(super) burns_for: Option<&'a Arc<Notes>>,
}

/// Asks the policy that an invocation's generation has: the version that is tried, if the decision's subject is on its
/// side, else the active one; and where that fails, what the kind's rule says. The decision is noted in the invocation.
/// Returns who decided.
///
/// # Errors
/// [`Error`]: nobody decided.
pub(super) async fn ask(
    call: &mut Call,
    policy: &Policy,
    question: Question<'_>,
    results: &mut [Val],
) -> wasmtime::Result<Arc<Active>> {
    let notes = call.work.notes().cloned();
    let question = Question {
        burns_for: notes.as_ref(),
        ..question
    };
    let input = question.params.first().map_or(Value::Null, values::to_json);
    let mut failed: Option<Failed> = None;
    let mut first = None;
    for active in policy.asked(&input) {
        let began = clock::monotonic();
        let answer = decide_checked(active, policy.kind, question, &input, results).await;
        match answer {
            Ok(output) => {
                let took = clock::monotonic().saturating_duration_since(began);
                if policy.counts(active, call.work.is_shadow()) {
                    active.health.decided(took);
                    compare(policy, active, question, &output).await;
                }
                let decision = Decision {
                    interface: question.interface.to_owned(),
                    function: question.function.to_owned(),
                    policy: active.digest.to_string(),
                    failed,
                    input,
                    output,
                    took_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
                };
                call.work.used.note(active);
                call.work.decided(decision)?;
                return Ok(active.clone());
            }
            Err(Failure::Busy) => return Err(wasmtime::Error::new(Error::Busy)),
            Err(failure) => {
                let was_asked = !matches!(failure, Failure::Suspended(_));
                if was_asked && policy.counts(active, call.work.is_shadow()) {
                    tell(active, policy.kind, &failure);
                }
                failed.get_or_insert_with(|| Failed {
                    policy: active.digest.to_string(),
                    reason: failure.to_string(),
                });
                first.get_or_insert((active.culprit(), failure));
            }
        }
    }
    let (culprit, failure) = first.unwrap_or_else(|| {
        let nobody = Failure::Trapped("nobody was asked".into());
        (policy.active.culprit(), nobody)
    });
    Err(wasmtime::Error::new(undecided(culprit, failure)))
}

/// Asks the active version what a candidate has decided, where a guard of its promotion wants to know how often they
/// differ.
async fn compare(policy: &Policy, decided: &Arc<Active>, question: Question<'_>, output: &Value) {
    let Some(active) = policy.compared(decided) else {
        return;
    };
    let mut results = vec![Val::Bool(false); usize::from(!output.is_null())];
    let other = active.loaded.decide(question, &mut results).await;
    let other = other.map(|()| results.first().map_or(Value::Null, values::to_json));
    decided.health.compared(other.as_ref() != Ok(output));
}

/// Logs a failure: the first ones of a version, then rarely.
fn tell(active: &Arc<Active>, kind: Kind, failure: &Failure) {
    let failures = active.health.failed(failure);
    if failures.is_power_of_two() {
        let (component, version) = (&active.name, active.digest.short());
        tracing::warn!(%component, %version, %kind, failures, %failure, "a policy failed");
    }
}

/// What the invocation fails with.
pub(super) fn undecided(culprit: Culprit, failure: Failure) -> Error {
    match failure {
        Failure::Trapped(reason) => Error::Trapped(culprit, reason),
        Failure::Suspended(why) => Error::Misbehaved(culprit, format!("is not asked: {why}")),
        Failure::TooLong => {
            let ms = u64::try_from(DECISION_MAX.as_millis()).unwrap_or(u64::MAX);
            Error::Deadline(culprit, ms)
        }
        Failure::Broke(rule) => Error::Misbehaved(culprit, format!("broke its contract: {rule}")),
        Failure::Busy => Error::Busy,
    }
}

/// A decision that keeps its contract, unless this version has failed too often lately; `results` holds it, too.
async fn decide_checked(
    active: &Active,
    kind: Kind,
    question: Question<'_>,
    input: &Value,
    results: &mut [Val],
) -> Result<Value, Failure> {
    if let Some(why) = active.health.suspended() {
        return Err(Failure::Suspended(why));
    }
    active.loaded.decide(question, results).await?;
    let output = results.first().map_or(Value::Null, values::to_json);
    policies::check(kind, question.function, input, &output).map_err(Failure::Broke)?;
    Ok(output)
}

impl Loaded {
    /// Asks this version.
    async fn decide(&self, question: Question<'_>, results: &mut [Val]) -> Result<(), Failure> {
        let (interface, function) = (question.interface, question.function);
        let Some((exported, index)) = self.function(interface, function) else {
            return Err(Failure::Trapped(format!(
                "it has no {interface}.{function}"
            )));
        };
        let seam = Seam {
            called: interface,
            exported,
            function,
        };
        let mut idle = self.idle();
        loop {
            let is_fresh = idle.is_none();
            let mut instance = match idle.take() {
                Some(instance) => instance,
                None => self.instantiate().await.map_err(|error| failure(&error))?,
            };
            if self.counts_fuel {
                let notes = question.burns_for.cloned();
                instance
                    .count_fuel(notes)
                    .map_err(|error| failure(&error))?;
            }
            match instance.decide(index, seam, question, results).await {
                Ok(()) => {
                    drop(self.keep(instance));
                    return Ok(());
                }
                Err(error) if is_fresh || error.is::<PastDeadline>() => {
                    return Err(failure(&error));
                }
                Err(_) => {}
            }
        }
    }

    /// Asks this version what is given as JSON, and answers in JSON. What an earlier version of the interface did not
    /// have is what `adapt.rs` declares for it.
    ///
    /// # Errors
    /// It fails, or `input` is no input of its function.
    pub async fn decide_json(
        &self,
        interface: &str,
        function: &str,
        input: &Value,
    ) -> Result<Value, Failure> {
        let functions = self.signatures.get(interface);
        let Some(signature) = functions.and_then(|all| all.get(function)) else {
            return Err(Failure::Trapped(format!(
                "it has no {interface}.{function}"
            )));
        };
        let absent = |field: &str| {
            let place = format!("{function}: {}.{field}", signature.name);
            adapt::default(interface, &place)
        };
        let param = values::from_json(input, &signature.param, &absent)
            .map_err(|mismatch| Failure::Trapped(format!("the input does not fit: {mismatch}")))?;
        let question = Question {
            interface,
            function,
            of: None,
            params: &[param],
            burns_for: None,
        };
        let mut answer = vec![Val::Bool(false); signature.results];
        self.decide(question, &mut answer).await?;
        Ok(answer.first().map_or(Value::Null, values::to_json))
    }

    /// The interface of a kind that this version exports.
    #[must_use]
    pub fn interface_of(&self, kind: Kind) -> &str {
        let mut exports = self.exports().iter();
        let found = exports.find(|name| Kind::of_interface(name) == Some(kind));
        found.map_or("", String::as_str)
    }

    /// Forgets the instances that have served, so that the next decision is made by a fresh one.
    pub fn forget_instances(&self) {
        while self.idle().is_some() {}
    }
}

impl Instance {
    async fn decide(
        &mut self,
        index: &ComponentExportIndex,
        seam: Seam<'_>,
        question: Question<'_>,
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        self.limit();
        let missing = || wasmtime::Error::msg("the function is not there");
        let func = self.instance.get_func(&mut self.store, index);
        let func = func.ok_or_else(missing)?;
        let params = seam.params(|| func.ty(&self.store), question.params)?;
        func.call_async(&mut self.store, &params, results).await?;
        match question.of {
            Some(caller) => Ok(seam.results(caller, results)?),
            None => Ok(()),
        }
    }

    /// Gives it the time of one decision from now on.
    pub(super) fn limit(&mut self) {
        let store: &mut Store<Guest> = &mut self.store;
        store.data_mut().until = Some(clock::monotonic() + DECISION_MAX);
        self.begin();
    }
}

/// What an error of the engine says of a policy.
pub(super) fn failure(error: &wasmtime::Error) -> Failure {
    if error.is::<PastDeadline>() {
        return Failure::TooLong;
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Failure::Busy;
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => Failure::Trapped(trap.to_string()),
        None => Failure::Trapped(error.root_cause().to_string()),
    }
}
