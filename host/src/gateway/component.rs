//! Requests that components answer: the hot path. It drives the dispatcher straight from the
//! connection, without a web framework in between.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode, request};
use http_body_util::{Either, Full};

use super::answer::Reply;
use super::body::Arriving;
use super::exchange::{Exchange, TRACE_PARENT};
use super::principal::Principal;
use super::problem::Problem;
use super::{Gateway, body, function, headers, upload};
use crate::dispatch::types::{Request, RequestHead, Response as Answer};
use crate::dispatch::{self, IdempotencyKey};
use crate::ids::ComponentName;
use crate::logs::LogLevel;
use crate::operators::audit::{Change, Entry};
use crate::registry::router::{Matched, RouteError};
use crate::registry::{Active, Generation};

/// Most characters of a call's path and query, and of what was sent, in the audit: what it says of one thing.
const AUDITED_CHARS_MAX: usize = 512;

/// Answers a request with the component whose route it is. One generation of components serves it
/// from start to end.
pub(super) async fn answer(
    gateway: &Gateway,
    exchange: &mut Exchange,
    principal: &Principal,
    parts: request::Parts,
    mut body: Arriving,
) -> Result<Response<Reply>, Problem> {
    let generation = gateway.host.registry.generation();
    if let Some(target) = function::named(&generation, parts.uri.path()) {
        let request = (parts, body);
        return function::answer(gateway, exchange, &generation, target?, request).await;
    }
    let routed = route(&generation, &parts);
    if let Ok((active, matched)) = &routed
        && let Some(target) = function::routed(active, matched)
    {
        let request = (parts, body);
        return function::answer(gateway, exchange, &generation, target, request).await;
    }
    store_answers(gateway)?;
    let request = (principal, &parts);
    let answer = serve(gateway, exchange, &generation, routed?, request, &mut body).await;
    answer.map(|response| response.map(Either::Left))
}

/// The component whose route a request leads to.
fn route<'g>(
    generation: &'g Generation,
    parts: &request::Parts,
) -> Result<(&'g Arc<Active>, Matched<'g>), RouteError> {
    let router = &generation.router;
    let matched = router.route(parts.method.as_str(), parts.uri.path())?;
    let active = generation.components.get(matched.component);
    Ok((active.ok_or(RouteError::NotFound)?, matched))
}

/// Answers a request with a service.
async fn serve(
    gateway: &Gateway,
    exchange: &mut Exchange,
    generation: &Arc<Generation>,
    (active, matched): (&Arc<Active>, Matched<'_>),
    (principal, parts): (&Principal, &request::Parts),
    body: &mut Arriving,
) -> Result<Response<Full<Bytes>>, Problem> {
    let Matched { route, params, .. } = matched;
    exchange.answered_by(active, generation.number, || route.path.clone());
    let key = headers::idempotency_key(&parts.headers)?;
    let mut head = RequestHead {
        method: parts.method.as_str().to_owned(),
        route: route.path.clone(),
        path: parts.uri.path().to_owned(),
        params,
        query: parts.uri.query().map(str::to_owned),
        headers: headers::fields(&parts.headers, gateway.token.is_none())?,
    };
    if let Some(parent) = exchange.trace_parent() {
        head.headers.retain(|(name, _)| name != TRACE_PARENT);
        head.headers.push((TRACE_PARENT.to_owned(), parent));
    }
    if route.rows {
        let format = headers::row_format(&parts.headers)?;
        let target = upload::Target {
            generation,
            active,
            head: &head,
            key: key.as_ref(),
        };
        return Box::pin(upload::answer(gateway, target, format, body)).await;
    }
    let invocation = Invocation {
        active,
        head,
        key,
        body_limit_bytes: route.body_limit_bytes,
        audited: (route.audited && !parts.method.is_safe()).then_some(principal),
    };
    whole(gateway, generation, invocation, body).await
}

/// What a component is to be run for.
pub(super) struct Invocation<'a> {
    pub(super) active: &'a Arc<Active>,
    pub(super) head: RequestHead,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) body_limit_bytes: usize,
    /// Who calls, where the audit is to know.
    pub(super) audited: Option<&'a Principal>,
}

/// Answers a request whole, in a transaction.
pub(super) async fn whole(
    gateway: &Gateway,
    generation: &Arc<Generation>,
    invocation: Invocation<'_>,
    body: &mut Arriving,
) -> Result<Response<Full<Bytes>>, Problem> {
    let Invocation {
        active,
        head,
        key,
        body_limit_bytes,
        audited,
    } = invocation;
    let held = gateway
        .bodies
        .read(body, body_limit_bytes, body::WHOLE_MAX)
        .await?;
    let request = Request {
        head,
        body: held.bytes,
    };
    let entry = audited.and_then(|principal| entry(principal, &active.name, &request));
    // A refusal that is repeated under a key may come from an earlier generation.
    let is_repeatable = key.is_some();
    let answer = gateway
        .host
        .dispatch
        .audited(generation, active, request, key, entry.as_ref())
        .await;
    let answer = answer.map_err(|error| {
        note_failure(gateway, &error);
        let is_known = !(is_repeatable && matches!(error, dispatch::Error::Rejected(_)));
        let problem = Problem::from(error);
        match is_known {
            true => problem.of_generation(dispatch::generation_of(generation, active)),
            false => problem,
        }
    })?;
    checked(answer).map_err(|rule| Problem::misbehaved(active.culprit(), &rule))
}

/// What the audit says of a call, once it has changed something.
fn entry(principal: &Principal, component: &ComponentName, request: &Request) -> Option<Entry> {
    let head = &request.head;
    let query = head.query.as_ref().map(|query| format!("?{query}"));
    let called = format!("{} {}{}", head.method, head.path, query.unwrap_or_default());
    let entry = Entry::of(principal.by()?, Change::Call, component.as_str());
    let sent = Some(cut(&String::from_utf8_lossy(&request.body))).filter(|sent| !sent.is_empty());
    Some(entry.with(None, sent).because(Some(cut(&called))))
}

/// The beginning of what may be long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(AUDITED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A component's failure stands in its log, beside what it wrote before.
pub(super) fn note_failure(gateway: &Gateway, error: &dispatch::Error) {
    if let Some(culprit) = error.failed() {
        let log = gateway.host.logs.of(&culprit.component);
        log.write(LogLevel::Error, &error.to_string());
    }
}

/// While the store is down nothing can be read or kept: callers are told at once, and no component runs
/// into it.
pub(super) fn store_answers(gateway: &Gateway) -> Result<(), Problem> {
    let health = *gateway.health.borrow();
    health.map_err(Problem::store_down)
}

/// A component's answer as HTTP. Its rules were checked before its effects were committed
/// ([`Answer::check`]); what still does not fit is named.
fn checked(answer: Answer) -> Result<Response<Full<Bytes>>, String> {
    let status = StatusCode::from_u16(answer.status)
        .map_err(|_| format!("answered with status {}", answer.status))?;
    let body = if is_bodiless(status) {
        Vec::new()
    } else {
        answer.body
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        let refused = || {
            format!(
                "answered with a header '{}' that HTTP does not allow",
                name.escape_debug()
            )
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let value = HeaderValue::try_from(value).map_err(|_| refused())?;
        // The length follows from the body.
        if header != CONTENT_LENGTH {
            let kept = response.headers_mut().try_append(header, value);
            kept.map_err(|_| "answered with too many headers".to_owned())?;
        }
    }
    Ok(response)
}

/// Whether answers with this status have no content (RFC 9110, 15.3.5, 15.3.6 and 15.4.5).
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_the_hosts_and_an_answer_without_content_has_no_body() {
        let answer = |status, headers: &[(&str, &str)]| Answer {
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: b"text".to_vec(),
        };
        let headers = [
            ("Content-Type", "text/plain"),
            ("content-length", "99"),
            ("x-a", "é"),
        ];
        let response = checked(answer(200, &headers)).unwrap();
        assert_eq!(response.headers().len(), 2);
        assert_eq!(response.headers()["content-type"], "text/plain");
        let empty = checked(answer(204, &[])).unwrap();
        assert!(hyper::body::Body::size_hint(empty.body()).exact() == Some(0));
    }
}
