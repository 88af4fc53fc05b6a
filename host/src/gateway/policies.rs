//! What operators ask about policies: `/admin/policies…`. JSON in, JSON out; deciding is left to the registry and to
//! `crate::policies`.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::Gateway;
use super::admin::{members, reply, to_the_end, wasm_body};
use super::control::{Parameter, text};
use super::principal::Acting;
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::clock;
use crate::ids::{Digest, Instant};
use crate::policies::log::{self, Place, Sampling};
use crate::policies::promotion::{self, TRIED, TRIED_MAX, Wish};
use crate::policies::{self, Health};
use crate::registry::rollout::{DECISIONS_MIN, Guards, Plan, STEP_MS_MAX, Share, waits};
use crate::registry::{Active, Policy};

/// Most decisions of one answer.
const PAGE_MAX: u64 = 10_000;

/// Rarest sampling of the log.
const ONE_IN_MAX: u64 = 1_000_000;

/// What `POST …/promote` may be told.
const PROMOTE: [&str; 9] = [
    "canary",
    "stepMs",
    "minDecisions",
    "maxDiff",
    "last",
    "maxFailures",
    "maxErrors",
    "maxLatencyUs",
    "guardDiff",
];

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// All policies.
pub(super) async fn list(State(gateway): Shared) -> Answer {
    let generation = gateway.host.registry.generation();
    let policies: Vec<Value> = generation.policies().map(policy_value).collect();
    reply(&json!({ "policies": policies }))
}

/// One policy.
pub(super) async fn show(State(gateway): Shared, kind: Parameter) -> Answer {
    let kind = kind_of(kind)?;
    let generation = gateway.host.registry.generation();
    reply(&policy_value(policy(&generation, kind)?))
}

fn policy(
    generation: &crate::registry::Generation,
    kind: policies::Kind,
) -> Result<&Policy, Problem> {
    let none = || {
        Problem::new(
            Kind::NotFound,
            format!("no policy of the kind {kind} is active"),
        )
    };
    generation.policy(kind).ok_or_else(none)
}

fn kind_of(kind: Parameter) -> Result<policies::Kind, Problem> {
    let name = text(kind)?;
    policies::Kind::of_name(&name).ok_or_else(|| {
        let names = policies::Kind::ALL.map(policies::Kind::name).join(", ");
        Problem::field(Kind::NotFound, "kind", format!("must be one of {names}"))
    })
}

fn policy_value(policy: &Policy) -> Value {
    let mut value = json!({
        "kind": policy.kind,
        "component": policy.active.name.as_str(),
        "state": state(policy),
        "active": version_value(&policy.active),
        "onFailure": policy.kind.on_failure(),
        "logged": policy.log.0,
    });
    if let Some(former) = &policy.former {
        value["former"] = version_value(former);
    }
    if let Some((candidate, rollout)) = &policy.rollout {
        value["candidate"] = version_value(candidate);
        value["rollout"] = json!({
            "share": rollout.share().to_string(),
            "stages": shares(&rollout.plan.stages),
            "stage": rollout.stage,
            "stageSince": Instant(rollout.stage_since_ms).to_string(),
            "stepMs": rollout.plan.step_ms,
            "minDecisions": rollout.plan.decisions_min,
            "decisionsOnThisHost": candidate.health.in_stage(rollout.stage_since_ms),
            "guards": guards_value(&rollout.plan.guards),
            "by": rollout.by.name,
        });
    }
    if let Some(shadow) = &policy.shadow {
        value["shadow"] = version_value(shadow);
        value["inShadow"] = json!(shadow.health.in_shadow());
    }
    value
}

/// In a few words.
fn state(policy: &Policy) -> String {
    if let Some((candidate, rollout)) = &policy.rollout {
        let in_stage = candidate.health.in_stage(rollout.stage_since_ms);
        let (share, needed) = (rollout.share(), rollout.plan.decisions_min);
        return match waits(rollout, in_stage, clock::system_now().0) {
            true => format!("promoting, {share}, waits for decisions: {in_stage} of {needed}"),
            false => format!("promoting, {share}"),
        };
    }
    let seen = policy.active.health.observed();
    let how = match (seen.failures, seen.decisions) {
        (0, _) => return "serving".into(),
        (_, 0) => "failing",
        _ => "failing at times",
    };
    let then = match (policy.kind.on_failure(), &policy.former) {
        (policies::OnFailure::Closed, _) => "nobody decides then",
        (policies::OnFailure::LastGood, Some(_)) => "the former version decides then",
        (policies::OnFailure::LastGood, None) => "there is no former version",
    };
    format!("{how}: {then}")
}

fn shares(shares: &[Share]) -> Vec<String> {
    shares.iter().map(ToString::to_string).collect()
}

fn guards_value(guards: &Guards) -> Value {
    json!({
        "maxFailures": guards.failures_max,
        "maxErrors": guards.errors_max.map(|share| share.to_string()),
        "maxLatencyUs": guards.latency_us_max,
        "guardDiff": guards.diff_max.map(|share| share.to_string()),
    })
}

/// A version and how it has done on this host.
fn version_value(active: &Active) -> Value {
    let health: &Health = &active.health;
    json!({
        "digest": active.digest.to_string(),
        "description": active.manifest.description,
        "interface": active.exports.first(),
        "activatedAt": active.activated_at.to_string(),
        "onThisHost": health.observed(),
    })
}

/// What was decided, the latest first: `?last=N&before=PLACE`; `next` is where the next page begins.
pub(super) async fn decisions(
    State(gateway): Shared,
    kind: Parameter,
    RawQuery(query): RawQuery,
) -> Answer {
    let kind = kind_of(kind)?;
    let query = Query::parse(query.as_deref(), &["last", "before"])?;
    let last = query.number("last", 1..=PAGE_MAX)?.unwrap_or(100);
    let before = query.text("before").map(|text| {
        let rule = "must be what an answer said in `next`";
        Place::parse(text).ok_or_else(|| Problem::field(Kind::Invalid, "before", rule))
    });
    let before = before.transpose()?;
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let page = log::page(gateway.host.store.as_ref(), kind, before.as_ref(), last).await?;
    let mut value = json!({ "parts": page.parts });
    if let Some(next) = page.next {
        value["next"] = json!(next.to_string());
    }
    reply(&value)
}

/// Tries a version and begins to promote it.
pub(super) async fn promote(
    Acting(by): Acting,
    State(gateway): Shared,
    kind: Parameter,
    RawQuery(query): RawQuery,
    request: Request,
) -> Answer {
    let kind = kind_of(kind)?;
    let wish = wish(&Query::parse(query.as_deref(), &PROMOTE)?)?;
    let held = wasm_body(&gateway, request).await?;
    let (store, registry) = (gateway.host.store.clone(), gateway.host.registry.clone());
    let promoted = to_the_end(&gateway, async move {
        let bytes = held.bytes;
        promotion::promote(store.as_ref(), &registry, &by, kind, bytes, wish).await
    });
    let report = promoted.await??;
    let generation = gateway.host.registry.generation();
    let mut value = policy_value(policy(&generation, kind)?);
    value["tried"] = json!(report);
    reply(&value)
}

fn wish(query: &Query) -> Result<Wish, Problem> {
    let share = |name: &str| {
        let share = query.text(name).map(Share::parse).transpose();
        share.map_err(|rule| Problem::field(Kind::Invalid, name, rule))
    };
    let stages = Share::parse_all(query.text("canary").unwrap_or("100%"));
    let plan = Plan {
        stages: stages.map_err(|rule| Problem::field(Kind::Invalid, "canary", rule))?,
        step_ms: query.number("stepMs", 0..=STEP_MS_MAX)?.unwrap_or(0),
        decisions_min: query
            .number("minDecisions", 0..=u64::MAX)?
            .unwrap_or(DECISIONS_MIN),
        guards: Guards {
            failures_max: query.number("maxFailures", 0..=u64::MAX)?.unwrap_or(0),
            errors_max: share("maxErrors")?.or(Guards::default().errors_max),
            latency_us_max: query.number("maxLatencyUs", 1..=u64::MAX)?,
            diff_max: share("guardDiff")?,
        },
    };
    let tried = query.number("last", 0..=TRIED_MAX as u64)?;
    let tried = tried.and_then(|tried| usize::try_from(tried).ok());
    Ok(Wish {
        plan,
        diff_max: share("maxDiff")?,
        tried: tried.unwrap_or(TRIED),
    })
}

/// Takes back the version that is being promoted; where none is, makes an earlier version active again.
pub(super) async fn rollback(
    Acting(by): Acting,
    State(gateway): Shared,
    kind: Parameter,
    request: Request,
) -> Answer {
    let kind = kind_of(kind)?;
    let members = members(&gateway, request, &["to"]).await?;
    let to = members.text("to")?.map(Digest::parse).transpose();
    let to = to.map_err(|rule| Problem::field(Kind::Invalid, "to", rule.0))?;
    let registry = gateway.host.registry.clone();
    let name = policy(&registry.generation(), kind)?.active.name.clone();
    let rolled_back = to_the_end(&gateway, async move {
        let is_promoting = registry
            .generation()
            .policy(kind)
            .is_some_and(|p| p.rollout.is_some());
        match is_promoting && to.is_none() {
            true => {
                registry
                    .take_back(&by, kind, None, "rolled back by an operator")
                    .await
            }
            false => registry.rollback(&by, &name, to).await.map(|_| ()),
        }
    });
    rolled_back.await??;
    let generation = gateway.host.registry.generation();
    reply(&policy_value(policy(&generation, kind)?))
}

/// Runs a version in the shadow of the active one.
pub(super) async fn shadow(
    Acting(by): Acting,
    State(gateway): Shared,
    kind: Parameter,
    request: Request,
) -> Answer {
    let kind = kind_of(kind)?;
    let held = wasm_body(&gateway, request).await?;
    shadowed(gateway, by, kind, Some(held.bytes)).await
}

/// Ends the shadow.
pub(super) async fn end_shadow(
    Acting(by): Acting,
    State(gateway): Shared,
    kind: Parameter,
) -> Answer {
    let kind = kind_of(kind)?;
    shadowed(gateway, by, kind, None).await
}

async fn shadowed(
    gateway: Arc<Gateway>,
    by: crate::operators::Operator,
    kind: policies::Kind,
    bytes: Option<Vec<u8>>,
) -> Answer {
    let registry = gateway.host.registry.clone();
    let done = to_the_end(&gateway, async move {
        if let Some(bytes) = &bytes {
            registry.candidate(kind, bytes.clone()).await?;
        }
        registry.shadow(&by, kind, bytes).await
    });
    done.await??;
    let generation = gateway.host.registry.generation();
    reply(&policy_value(policy(&generation, kind)?))
}

/// Says how much of what a policy decides is logged: all of one invocation in `oneIn`, 0 for none.
pub(super) async fn log_decisions(
    Acting(by): Acting,
    State(gateway): Shared,
    kind: Parameter,
    request: Request,
) -> Answer {
    let kind = kind_of(kind)?;
    let members = members(&gateway, request, &["oneIn"]).await?;
    let one_in = members.needed_number("oneIn", 0..=ONE_IN_MAX)?;
    let sampling = Sampling(u32::try_from(one_in).unwrap_or(u32::MAX));
    let registry = gateway.host.registry.clone();
    let done = to_the_end(&gateway, async move {
        registry.log_decisions(&by, kind, sampling).await
    });
    done.await??;
    let generation = gateway.host.registry.generation();
    reply(&policy_value(policy(&generation, kind)?))
}
