//! Triggers of plugins: set, shown and removed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Gateway;
use super::super::admin::reply;
use super::super::body;
use super::super::members::Members;
use super::super::principal::{NamedPlugin, NamedTrigger, Somebody};
use super::super::problem::{Kind, Problem};
use super::Routes;
use super::runs::{BODY_BYTES_MAX, params};
use crate::ids::{Instant, StreamName};
use crate::partners::triggers::{Cron, On, Shown, Wanted, WantedOn};
use crate::store::SUM_MAX;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/partners/{id}/plugins/{name}/triggers", list)
        .get("/partners/{id}/plugins/{name}/triggers/{trigger}", show)
        .put("/partners/{id}/plugins/{name}/triggers/{trigger}", set)
        .delete("/partners/{id}/plugins/{name}/triggers/{trigger}", remove)
}

/// The triggers of a plugin, by name.
async fn list(State(gateway): Shared, NamedPlugin { partner, name }: NamedPlugin) -> Answer {
    let triggers = gateway.host.triggers.list(&partner, &name).await?;
    let now = gateway.host.clock.now();
    let triggers: Vec<Value> = triggers.iter().map(|shown| value(shown, now)).collect();
    reply(&json!({ "triggers": triggers }))
}

/// A trigger, and what became of its last runs.
async fn show(State(gateway): Shared, NamedTrigger(key): NamedTrigger) -> Answer {
    let shown = gateway.host.triggers.show(&key).await?;
    reply(&value(&shown, gateway.host.clock.now()))
}

/// Sets a trigger, in place of one of the same name.
async fn set(
    Somebody(by): Somebody,
    State(gateway): Shared,
    NamedTrigger(key): NamedTrigger,
    request: Request,
) -> Answer {
    let mut body = request.into_body();
    let held = gateway
        .bodies
        .read(&mut body, BODY_BYTES_MAX, body::WHOLE_MAX)
        .await?;
    let known = ["cron", "stream", "params", "maxSpend"];
    let members = Members::parse(&held.bytes, &known)?;
    let wanted = Wanted {
        on: on(&members)?,
        params: params(&members)?,
        max_spend: members.number("maxSpend", 0..=SUM_MAX)?,
    };
    let shown = gateway.host.triggers.put(&by, &key, wanted).await?;
    reply(&value(&shown, gateway.host.clock.now()))
}

fn on(members: &Members) -> Result<WantedOn, Problem> {
    match (members.text("cron")?, members.text("stream")?) {
        (Some(cron), None) => {
            let cron = Cron::parse(cron);
            let cron = cron.map_err(|rule| Problem::field(Kind::Invalid, "cron", rule.0))?;
            Ok(WantedOn::Schedule(cron.into()))
        }
        (None, Some(stream)) => {
            let stream = StreamName::parse(stream);
            let stream = stream.map_err(|rule| Problem::field(Kind::Invalid, "stream", rule.0))?;
            Ok(WantedOn::Stream(stream))
        }
        _ => Err(Problem::field(
            Kind::Invalid,
            "cron",
            "either cron or stream must be there",
        )),
    }
}

/// Removes a trigger.
async fn remove(
    Somebody(by): Somebody,
    State(gateway): Shared,
    NamedTrigger(key): NamedTrigger,
) -> Answer {
    gateway.host.triggers.remove(&by, &key).await?;
    reply(&json!({ "trigger": key.name.as_str(), "removed": true }))
}

fn value(shown: &Shown, now: Instant) -> Value {
    let Shown {
        name,
        trigger,
        state,
    } = shown;
    let mut value = json!({ "trigger": name.as_str() });
    match &trigger.on {
        On::Schedule { cron } => {
            let next = trigger.cron().and_then(|cron| cron.next(now));
            value["cron"] = json!(cron);
            value["next"] = json!(next.map(|next| next.to_string()));
        }
        On::Stream { stream, .. } => value["stream"] = json!(stream),
    }
    value["params"] = serde_json::from_str(&trigger.params).unwrap_or_default();
    value["maxSpend"] = json!(trigger.max_spend);
    value["changedAt"] = time(trigger.changed_at_ms);
    value["failures"] = json!(state.failures);
    value["waitsUntil"] = match state.waits_until_ms > now.0 {
        true => time(state.waits_until_ms),
        false => Value::Null,
    };
    value["last"] = json!(state.last);
    value["lastRun"] = json!(state.last_run);
    value["lastAt"] = match state.last {
        Some(_) => time(state.last_at_ms),
        None => Value::Null,
    };
    value
}

fn time(ms: u64) -> Value {
    json!(Instant(ms).to_string())
}
