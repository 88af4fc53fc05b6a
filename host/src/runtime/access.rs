//! What the active access policy says of partners' reads, asked by the host itself.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Val;

use super::failure::explain;
use super::guest::Call;
use super::policy::{self, Question};
use crate::clock;
use crate::dispatch::Error;
use crate::dispatch::work::Work;
use crate::ids::Digest;
use crate::metering::{Dataset, Decision, Terms};
use crate::policies::{DECISION_MAX, Kind};
use crate::registry::{Generation, Policy};

/// The interface.
pub(super) const ACCESS: &str = "leyden:policy/access@0.2.0";

/// What the access policy says of a dataset, and which version of it says so.
pub(crate) async fn decide(
    call: &mut Option<Box<Call>>,
    dataset: Dataset,
    trust_level: u32,
) -> wasmtime::Result<(Decision, Digest)> {
    let Some(call) = call else {
        return Err(wasmtime::Error::msg("reads data outside an invocation"));
    };
    let generation = call.generation.clone();
    let policy = active(&generation)?;
    decision(call, policy, dataset, trust_level).await
}

/// What the access policy says to a trust level; see [`crate::metering::terms`].
///
/// # Errors
/// No access policy is active, or it fails.
pub async fn terms(
    generation: &Arc<Generation>,
    work: Box<Work>,
    trust_level: u32,
) -> Result<Terms, Error> {
    let deadline_ms = u64::try_from(DECISION_MAX.as_millis()).unwrap_or(u64::MAX);
    let mut call = Call {
        work,
        generation: generation.clone(),
        deadline: clock::monotonic() + Duration::from_millis(deadline_ms),
        deadline_ms,
        depth: 0,
    };
    let stated = stated(&mut call, generation, trust_level).await;
    stated.map_err(|error| match generation.policy(Kind::Access) {
        Some(policy) => explain(error, &policy.active.culprit(), deadline_ms),
        None => Error::NotServed(ACCESS),
    })
}

/// All that it says to a trust level.
async fn stated(
    call: &mut Call,
    generation: &Generation,
    trust_level: u32,
) -> wasmtime::Result<Terms> {
    let policy = active(generation)?;
    let mut datasets = Vec::with_capacity(Dataset::ALL.len());
    for dataset in Dataset::ALL {
        let (decision, _) = decision(call, policy, dataset, trust_level).await?;
        datasets.push((dataset, decision));
    }
    // One trust level is one subject, so one version has said all of it.
    let (compute_price, policy) = compute_price(call, policy, trust_level).await?;
    Ok(Terms {
        policy,
        datasets,
        compute_price,
        decisions: call.work.take_decisions(),
    })
}

fn active(generation: &Generation) -> wasmtime::Result<&Policy> {
    let none = || wasmtime::Error::new(Error::NotServed(ACCESS));
    generation.policy(Kind::Access).ok_or_else(none)
}

async fn decision(
    call: &mut Call,
    policy: &Policy,
    dataset: Dataset,
    trust_level: u32,
) -> wasmtime::Result<(Decision, Digest)> {
    let dataset = Val::Enum(dataset.name().to_owned());
    let input = vec![
        ("dataset".to_owned(), dataset),
        ("trust-level".to_owned(), Val::U32(trust_level)),
        ("at-ms".to_owned(), Val::U64(call.work.now().0)),
    ];
    let (answer, by) = ask(call, policy, "decide", input).await?;
    let Val::Variant(case, Some(value)) = answer else {
        return Err(odd(policy));
    };
    match (case.as_str(), *value) {
        ("granted", Val::U64(price)) => Ok((Decision::Granted(price), by)),
        ("not-trusted", Val::U32(needed)) => Ok((Decision::NotTrusted(needed), by)),
        _ => Err(odd(policy)),
    }
}

/// What computing costs, datapoints for each 1,000,000,000 units of fuel.
async fn compute_price(
    call: &mut Call,
    policy: &Policy,
    trust_level: u32,
) -> wasmtime::Result<(u64, Digest)> {
    let input = vec![
        ("trust-level".to_owned(), Val::U32(trust_level)),
        ("at-ms".to_owned(), Val::U64(call.work.now().0)),
    ];
    match ask(call, policy, "compute-price", input).await? {
        (Val::U64(price), by) => Ok((price, by)),
        _ => Err(odd(policy)),
    }
}

async fn ask(
    call: &mut Call,
    policy: &Policy,
    function: &str,
    input: Vec<(String, Val)>,
) -> wasmtime::Result<(Val, Digest)> {
    let question = Question {
        interface: ACCESS,
        function,
        of: None,
        params: &[Val::Record(input)],
        burns_for: None,
    };
    let mut results = [Val::Bool(false)];
    let by = policy::ask(call, policy, question, &mut results).await?;
    let [result] = results;
    Ok((result, by.digest))
}

/// Only a version of another interface answers with what this one does not have.
fn odd(policy: &Policy) -> wasmtime::Error {
    let why = format!("answers with what {ACCESS} does not have");
    wasmtime::Error::new(Error::Misbehaved(policy.active.culprit(), why))
}
