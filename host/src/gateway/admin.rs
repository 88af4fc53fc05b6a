//! What operators ask of a running host. JSON in, JSON out; deciding is left to registry, streams and
//! store.
//!
//! **Invariant.** What has begun to change the host is not left half done because its caller goes
//! away: deployments and single ticks run to their end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::control::{Parameter, text};
use super::members::Members;
use super::principal::Acting;
use super::problem::{Kind, Problem};
use super::{Gateway, body, headers};
use crate::clock::{TICK_MS_MAX, TICK_MS_MIN};
use crate::dispatch;
use crate::ids::{ComponentName, Digest, Instant};
use crate::registry::Active;
use crate::telemetry::request::carried;

/// Longest component (bytes): one from a language with a large runtime has some ten MB.
const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest time for such an upload: 64 MiB over a slow line.
const COMPONENT_UPLOAD_MAX: Duration = Duration::from_secs(600);
/// Longest JSON body (bytes): a few short members.
const JSON_BYTES_MAX: usize = 16 * 1024;
/// Most ticks of one request: ten weeks of minutes.
const TICKS_MAX: u64 = 100_000;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Whether the process lives and serves, whatever the store does: what restarts hosts asks here. Tells
/// nothing else, since it is open to everybody.
pub(super) async fn health(State(gateway): Shared) -> Answer {
    if gateway.stopping.is_cancelled() {
        return Err(dispatch::Error::Stopping.into());
    }
    reply(&json!({ "status": "ok" }))
}

/// What runs here.
pub(super) async fn status(State(gateway): Shared) -> Answer {
    let generation = gateway.host.registry.generation();
    reply(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": generation.number,
        "components": generation.components.len(),
        "clock": clock_value(&gateway),
    }))
}

/// The active components.
pub(super) async fn components(State(gateway): Shared) -> Answer {
    let generation = gateway.host.registry.generation();
    let components: Vec<Value> = generation
        .components
        .values()
        .map(|active| component_value(active))
        .collect();
    reply(&components)
}

pub(super) fn component_value(active: &Active) -> Value {
    let manifest = &active.manifest;
    let names = |streams: &[crate::ids::StreamName]| {
        streams.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    json!({
        "name": active.name.as_str(),
        "description": manifest.description,
        "kind": active.kind,
        "digest": active.digest.to_string(),
        "activatedAt": active.activated_at.to_string(),
        "exports": active.exports,
        "routes": manifest.routes,
        "subscribe": names(&manifest.subscribe),
        "publish": names(&manifest.publish),
        "grants": manifest.grants,
        "limits": manifest.limits,
        "reuse": manifest.reuse,
        "env": manifest.env,
        "secrets": manifest.secrets,
        "outbound": manifest.outbound,
    })
}

/// Takes a component's new version and activates it.
pub(super) async fn deploy(
    Acting(by): Acting,
    State(gateway): Shared,
    name: Parameter,
    request: Request,
) -> Answer {
    let name = component_name(&text(name)?)?;
    let held = wasm_body(&gateway, request).await?;
    let registry = gateway.host.registry.clone();
    let activation = to_the_end(&gateway, async move {
        let _share = held.share;
        registry.deploy(&by, &name, held.bytes).await
    });
    reply(&activation.await??)
}

/// A component that is uploaded.
pub(super) async fn wasm_body(gateway: &Gateway, request: Request) -> Result<body::Held, Problem> {
    headers::wasm(request.headers())?;
    let mut body = request.into_body();
    let bodies = &gateway.bodies;
    let held = bodies.read(&mut body, COMPONENT_BYTES_MAX, COMPONENT_UPLOAD_MAX);
    Ok(held.await?)
}

/// A component's versions.
pub(super) async fn versions(State(gateway): Shared, name: Parameter) -> Answer {
    let name = component_name(&text(name)?)?;
    reply(&gateway.host.registry.versions(&name).await?)
}

/// Activates an earlier version of a component.
pub(super) async fn rollback(
    Acting(by): Acting,
    State(gateway): Shared,
    name: Parameter,
    request: Request,
) -> Answer {
    let name = component_name(&text(name)?)?;
    let members = members(&gateway, request, &["to"]).await?;
    let to = members.text("to")?.map(Digest::parse).transpose();
    let to = to.map_err(|rule| Problem::field(Kind::Invalid, "to", rule.0))?;
    let registry = gateway.host.registry.clone();
    let activation = to_the_end(
        &gateway,
        async move { registry.rollback(&by, &name, to).await },
    );
    reply(&activation.await??)
}

/// The host's clock.
pub(super) async fn clock(State(gateway): Shared) -> Answer {
    reply(&clock_value(&gateway))
}

fn clock_value(gateway: &Gateway) -> Value {
    let clock = &gateway.host.clock;
    json!({ "now": clock.now().to_string(), "mode": clock.mode(), "tickMs": clock.tick_ms() })
}

/// Sets the simulated clock; what is not named stays.
pub(super) async fn set_clock(State(gateway): Shared, request: Request) -> Answer {
    let members = members(&gateway, request, &["now", "tickMs"]).await?;
    let now = members.text("now")?.map(Instant::parse).transpose();
    let now = now.map_err(|rule| Problem::field(Kind::Invalid, "now", rule.0))?;
    let tick_ms = members.number("tickMs", TICK_MS_MIN..=TICK_MS_MAX)?;
    let clock = &gateway.host.clock;
    let (now, tick_ms) = (
        now.unwrap_or_else(|| clock.now()),
        tick_ms.unwrap_or_else(|| clock.tick_ms()),
    );
    gateway.host.streams.set_clock(now, tick_ms).await?;
    reply(&clock_value(&gateway))
}

/// Moves the simulated clock on, and answers when every stream has come to rest.
pub(super) async fn tick(State(gateway): Shared, request: Request) -> Answer {
    let members = members(&gateway, request, &["count"]).await?;
    let count = members.number("count", 1..=TICKS_MAX)?.unwrap_or(1);
    // Dropped with this answer, if the caller goes away: the ticks end after the one that runs.
    let gone = CancellationToken::new();
    let _caller = gone.clone().drop_guard();
    to_the_end(&gateway, ticks(gateway.clone(), count, gone)).await??;
    let mut value = clock_value(&gateway);
    value["ticks"] = json!(count);
    reply(&value)
}

async fn ticks(gateway: Arc<Gateway>, count: u64, gone: CancellationToken) -> Result<(), Problem> {
    let _turn = gateway.ticking.lock().await;
    for _ in 0..count {
        if gone.is_cancelled() || gateway.stopping.is_cancelled() {
            return Err(dispatch::Error::Stopping.into());
        }
        gateway.host.streams.tick().await?;
    }
    Ok(())
}

/// Answers when every stream has come to rest.
pub(super) async fn settle(State(gateway): Shared) -> Answer {
    gateway.host.streams.settle().await?;
    reply(&json!({ "settled": true }))
}

/// All streams, and how far each component is with them.
pub(super) async fn streams(State(gateway): Shared) -> Answer {
    reply(&gateway.host.streams.list().await?)
}

pub(super) fn component_name(text: &str) -> Result<ComponentName, Problem> {
    ComponentName::parse(text).map_err(|rule| Problem::field(Kind::Invalid, "name", rule.0))
}

/// The members of a JSON body.
pub(super) async fn members(
    gateway: &Gateway,
    request: Request,
    known: &[&str],
) -> Result<Members, Problem> {
    let mut body = request.into_body();
    let held = gateway
        .bodies
        .read(&mut body, JSON_BYTES_MAX, body::WHOLE_MAX)
        .await?;
    Members::parse(&held.bytes, known)
}

/// Runs something to its end, even if the caller goes away meanwhile.
pub(super) async fn to_the_end<T: Send + 'static>(
    gateway: &Gateway,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let ended = gateway.tasks.spawn(carried(work)).await;
    ended.map_err(|error| {
        tracing::error!(%error, "an operator's request failed");
        Problem::new(Kind::Internal, "the host failed; its log says more")
    })
}

/// An answer in JSON.
pub(super) fn reply<T: Serialize + ?Sized>(value: &T) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::new(Kind::Internal, "the host failed; its log says more")
    })?;
    Ok(json_response(bytes.into()))
}

/// An answer that is JSON already.
pub(super) fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
