//! Secrets of components: `/admin/components/{name}/secrets`. Values go in and never come out.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::admin::{component_name, reply, to_the_end};
use super::control::{Parameter, text};
use super::principal::Acting;
use super::problem::{Kind, Problem};
use super::{Gateway, body};
use crate::ids::{ComponentName, Instant, VariableName};
use crate::registry::router::RouteError;
use crate::secrets::{Secret, VALUE_BYTES_MAX};

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// The parameters of the path: component and secret.
pub(super) type Parameters =
    Result<Path<(String, String)>, axum::extract::rejection::PathRejection>;

fn names(parameters: Parameters) -> Result<(ComponentName, VariableName), Problem> {
    let encoding = |_| Problem::from(RouteError::Encoding("name".to_owned()));
    let Path((component, secret)) = parameters.map_err(encoding)?;
    let secret = VariableName::parse(&secret);
    let secret = secret.map_err(|rule| Problem::field(Kind::Invalid, "secret", rule.0))?;
    Ok((component_name(&component)?, secret))
}

/// The names of a component's secrets: those that are set, and those that its manifest names.
pub(super) async fn list(State(gateway): Shared, name: Parameter) -> Answer {
    let name = component_name(&text(name)?)?;
    let registry = &gateway.host.registry;
    let known = registry.secrets(&name).await?;
    let generation = registry.generation();
    let active = generation.components.get(&name);
    let needed = active.map_or(&[][..], |active| &active.manifest.secrets);
    let set = known.iter().map(|known| {
        json!({
            "name": known.name,
            "setAt": Instant(known.set_at_ms).to_string(),
            "needed": needed.contains(&known.name),
        })
    });
    let is_unset = |needed: &&VariableName| known.iter().all(|known| known.name != **needed);
    let unset = needed.iter().filter(is_unset);
    let unset = unset.map(|name| json!({ "name": name, "setAt": null, "needed": true }));
    let secrets: Vec<Value> = set.chain(unset).collect();
    reply(&json!({ "secrets": secrets }))
}

/// Sets a secret to the bytes of the body.
pub(super) async fn set(
    Acting(by): Acting,
    State(gateway): Shared,
    parameters: Parameters,
    request: Request,
) -> Answer {
    let (component, name) = names(parameters)?;
    let mut body = request.into_body();
    let held = gateway
        .bodies
        .read(&mut body, VALUE_BYTES_MAX, body::WHOLE_MAX);
    let value = Secret::parse(held.await?.bytes);
    let value = value.map_err(|rule| Problem::field(Kind::Invalid, "value", rule))?;
    let (registry, told) = (
        gateway.host.registry.clone(),
        json!({ "component": component, "secret": name }),
    );
    let set = async move { registry.set_secret(&by, &component, &name, &value).await };
    to_the_end(&gateway, set).await??;
    reply(&told)
}

/// Removes a secret.
pub(super) async fn remove(
    Acting(by): Acting,
    State(gateway): Shared,
    parameters: Parameters,
) -> Answer {
    let (component, name) = names(parameters)?;
    let (registry, told) = (
        gateway.host.registry.clone(),
        json!({ "component": component, "secret": name }),
    );
    let removed = async move { registry.remove_secret(&by, &component, &name).await };
    to_the_end(&gateway, removed).await??;
    reply(&told)
}
