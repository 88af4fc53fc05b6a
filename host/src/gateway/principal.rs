//! Who sends a request, and whether it may ask for this path at all. Everything but the open documents
//! passes here before anything else looks at it.
//!
//! **Invariants.** A partner is known by its API key alone, never by what a path, a header or a body says
//! it is; so is an operator that has a key, which opens what its role may. A partner's key opens the paths
//! below `/partners/<its own id>` and nothing else, and a refusal does not depend on whether what was asked for exists. Keys are read from the store for each request, so
//! a revoked one ends with the next request on every host; one that was mistyped costs no read at all, an
//! invented one costs a single read.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, Method};
use std::sync::Arc;

use super::problem::{Kind, Problem};
use super::{Gateway, auth, control, roles};
use crate::ids::{ComponentName, PartnerId};
use crate::keys::Of;
use crate::operators::audit::By;
use crate::operators::{self, Operator};
use crate::partners::keys::{self, Rejected};
use crate::partners::triggers;
use crate::percent;
use crate::registry::router::RouteError;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// Anybody: only open documents are answered.
    Anybody,
    /// An operator: by a key of its own, by the host's token, or, where the host has none, from this machine.
    Operator(Operator),
    /// A partner, by an API key of its own, which this names.
    Partner(PartnerId, String),
}

impl Principal {
    /// As the audit names it; nobody changes anything anonymously.
    pub(super) fn by(&self) -> Option<By> {
        match self {
            Self::Anybody => None,
            Self::Operator(operator) => Some(operator.into()),
            Self::Partner(id, key_id) => Some(By::partner(id, key_id)),
        }
    }
}

/// Finds out who sends a request. Whoever may not send it is refused.
pub(super) async fn identify(
    gateway: &Gateway,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Principal, Problem> {
    if control::is_open(path) {
        return Ok(Principal::Anybody);
    }
    let token = gateway.token.as_ref();
    if token.is_some_and(|token| token.admits(headers)) {
        return Ok(Principal::Operator(Operator::with_token()));
    }
    match auth::has_key(headers) {
        Some(Of::Partner) => partner(gateway, path, headers).await,
        Some(Of::Operator) => operator(gateway, method, path, headers).await,
        None if token.is_some() => Err(Problem::new(
            Kind::Unauthorized,
            "this host asks for Authorization: Bearer and its token, an operator's or a partner's key",
        )),
        None => Ok(Principal::Operator(Operator::local())),
    }
}

/// The partner whose key a request carries, where the path is its own.
async fn partner(gateway: &Gateway, path: &str, headers: &HeaderMap) -> Result<Principal, Problem> {
    let found = keys::authenticate(gateway.host.store.as_ref(), key(headers)?).await;
    let (id, key_id) = found.map_err(rejected)?;
    match named_in(path).is_some_and(|named| named == id.as_str()) {
        true => Ok(Principal::Partner(id, key_id)),
        false => Err(not_yours()),
    }
}

/// The operator whose key a request carries, where its role may send it.
async fn operator(
    gateway: &Gateway,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Principal, Problem> {
    let found = operators::authenticate(gateway.host.store.as_ref(), key(headers)?).await;
    let operator = found.map_err(rejected)?;
    let needed = roles::needed(method, path);
    if operator.role < needed {
        let Operator { name, role, .. } = operator;
        let detail = format!("operator '{name}' has the role {role}; this takes the role {needed}");
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(Principal::Operator(operator))
}

fn key(headers: &HeaderMap) -> Result<&[u8], Problem> {
    auth::bearer(headers).ok_or_else(|| unauthorized("must come once"))
}

fn unauthorized(why: &str) -> Problem {
    Problem::field(Kind::Unauthorized, "Authorization", why)
}

fn rejected(rejected: Rejected) -> Problem {
    match rejected {
        Rejected::Mistyped(rule) => unauthorized(rule.0),
        Rejected::Unknown => unauthorized("this key is unknown or was revoked"),
        Rejected::Store(error) => error.into(),
    }
}

/// The id in a path `/partners/<id>…`, decoded once.
fn named_in(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/partners/")?;
    let segment = rest.split('/').next()?;
    percent::text(segment)
}

/// The same words for everything that is not the partner's own, there or not.
fn not_yours() -> Problem {
    Problem::new(
        Kind::Forbidden,
        "a partner's key opens the paths below /partners/<its own id> only",
    )
}

/// The partner that a path names, once it is clear that the caller may speak for it. Whether it is
/// registered, its operations say.
#[derive(Debug)]
pub(super) struct Named(pub(super) PartnerId);

/// A partner and a key of its, as a path names them; checked like [`Named`].
#[derive(Debug)]
pub(super) struct NamedKey {
    /// Whose.
    pub(super) partner: PartnerId,
    /// What names the key.
    pub(super) id: String,
}

/// That an operator asks, and which.
#[derive(Debug)]
pub(super) struct Acting(pub(super) Operator);

impl FromRequestParts<Arc<Gateway>> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Gateway>) -> Result<Self, Problem> {
        match parts.extensions.get() {
            Some(Principal::Operator(operator)) => Ok(Self(operator.clone())),
            _ => Err(not_yours()),
        }
    }
}

/// Who asks, operator or partner, as the audit names it.
#[derive(Debug)]
pub(super) struct Somebody(pub(super) By);

impl FromRequestParts<Arc<Gateway>> for Somebody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Gateway>) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>();
        principal
            .and_then(Principal::by)
            .map(Self)
            .ok_or_else(not_yours)
    }
}

/// A partner and a plugin of its, as a path names them; checked like [`Named`].
#[derive(Debug)]
pub(super) struct NamedPlugin {
    /// Whose.
    pub(super) partner: PartnerId,
    /// Its name.
    pub(super) name: ComponentName,
}

impl FromRequestParts<Arc<Gateway>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let id = parameter(parts, gateway, "id").await?;
        let principal = parts.extensions.get::<Principal>();
        match principal {
            Some(Principal::Operator(_)) => {}
            Some(Principal::Partner(own, _)) if own.as_str() == id => {}
            _ => return Err(not_yours()),
        }
        let id = PartnerId::parse(&id);
        let id = id.map_err(|rule| Problem::field(Kind::Invalid, "id", rule.0))?;
        Ok(Self(id))
    }
}

impl FromRequestParts<Arc<Gateway>> for NamedPlugin {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let Named(partner) = Named::from_request_parts(parts, gateway).await?;
        let name = parameter(parts, gateway, "name").await?;
        let name = ComponentName::parse(&name);
        let name = name.map_err(|rule| Problem::field(Kind::Invalid, "name", rule.0))?;
        Ok(Self { partner, name })
    }
}

impl FromRequestParts<Arc<Gateway>> for NamedKey {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let Named(partner) = Named::from_request_parts(parts, gateway).await?;
        let id = parameter(parts, gateway, "keyId").await?;
        Ok(Self { partner, id })
    }
}

/// A report of a partner's plugin, as a path names it; checked like [`Named`].
#[derive(Debug)]
pub(super) struct NamedReport {
    /// Whose.
    pub(super) plugin: NamedPlugin,
    /// The run that made it.
    pub(super) run: String,
}

impl FromRequestParts<Arc<Gateway>> for NamedReport {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let plugin = NamedPlugin::from_request_parts(parts, gateway).await?;
        let run = parameter(parts, gateway, "run").await?;
        Ok(Self { plugin, run })
    }
}

/// A trigger of a partner's plugin, as a path names it; checked like [`Named`].
#[derive(Debug)]
pub(super) struct NamedTrigger(pub(super) triggers::Key);

impl FromRequestParts<Arc<Gateway>> for NamedTrigger {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let plugin = NamedPlugin::from_request_parts(parts, gateway).await?;
        let name = parameter(parts, gateway, "trigger").await?;
        let name = ComponentName::parse(&name);
        let name = name.map_err(|rule| Problem::field(Kind::Invalid, "trigger", rule.0))?;
        Ok(Self(triggers::Key {
            partner: plugin.partner,
            plugin: plugin.name,
            name,
        }))
    }
}

/// A parameter of the path, decoded.
pub(super) async fn parameter(
    parts: &mut Parts,
    gateway: &Arc<Gateway>,
    wanted: &str,
) -> Result<String, Problem> {
    let broken = || Problem::from(RouteError::Encoding(wanted.to_owned()));
    let params = RawPathParams::from_request_parts(parts, gateway).await;
    let params = params.map_err(|_| broken())?;
    let value = params.iter().find(|(name, _)| *name == wanted);
    value.map(|(_, value)| value.to_owned()).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_partner_by_its_first_segment_decoded_once() {
        for (path, named) in [
            ("/partners/acme", Some("acme")),
            ("/partners/acme/", Some("acme")),
            ("/partners/acme/plugins/x", Some("acme")),
            ("/partners/%61cme/x", Some("acme")),
            ("/partners/a%2Fb/x", Some("a/b")),
            ("/partners/a%252fb", Some("a%2fb")),
            ("/partners/..%2Fb/x", Some("../b")),
            ("/partners/../b", Some("..")),
            ("/partners/%C3%A9", Some("é")),
            ("/partners/a%00", Some("a\0")),
            ("/partners/ACME", Some("ACME")),
            ("/partners/acme;x", Some("acme;x")),
            ("/partners//b", Some("")),
            ("/partners/%ff", None),
            ("/partners/%", None),
            ("/partners/%4", None),
            ("/partners/%zz", None),
            ("/partners/%+1", None),
            ("/partners", None),
            ("/Partners/acme", None),
            ("//partners/acme", None),
            ("/admin/partners/acme", None),
        ] {
            assert_eq!(named_in(path).as_deref(), named, "{path}");
        }
    }
}
