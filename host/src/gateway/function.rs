//! Requests that functions answer: under `/fn/<name>/…` always, and under the routes of their manifests. Bodies are
//! streamed in both directions; here is what bounds them, and what a function is told of the request.
//!
//! Under `/fn/<name>` a function sees the path as if it had the server to itself, and the prefix that was taken off in
//! `x-forwarded-prefix`. Under a route of its own it sees the path as it came.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, request};
use http_body_util::{BodyExt as _, Either, Full};

use super::answer::Reply;
use super::body::Arriving;
use super::component::{self, Invocation, is_bodiless};
use super::exchange::{Exchange, TRACE_PARENT};
use super::problem::{Kind, Problem};
use super::{Gateway, body, headers};
use crate::bounded::{Bound, Bounded, Broken};
use crate::dispatch::types::RequestHead;
use crate::dispatch::{self, GENERATION_HEADER};
use crate::registry::manifest::BODY_BYTES_MAX;
use crate::registry::router::{Matched, RouteError};
use crate::registry::{Active, Generation, Kind as ComponentKind};
use crate::runtime::function::{Answer, Fault};

/// Below this every function has a place under its name.
const PREFIX: &str = "/fn/";

/// What was taken off the path.
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A function that is to answer.
pub(super) struct Target<'a> {
    active: &'a Arc<Active>,
    /// The route of its own on which it is asked; none: below its name.
    route: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A component, if it is a function.
    fn of(active: &'a Arc<Active>, route: Option<&'a str>) -> Option<Self> {
        (active.kind == ComponentKind::Function).then_some(Self { active, route })
    }

    /// What of its path is the same for all its requests there.
    fn template(&self) -> String {
        match self.route {
            Some(path) => path.to_owned(),
            None => format!("{PREFIX}{}/{{*path}}", self.active.name),
        }
    }

    /// Length of what is taken off the path.
    fn prefix_bytes(&self) -> usize {
        match self.route {
            Some(_) => 0,
            None => PREFIX.len() + self.active.name.as_str().len(),
        }
    }

    /// Whether its requests are transactions, which are read and answered whole.
    fn keeps_values(&self) -> bool {
        self.active.manifest.grants.keyvalue
    }

    /// Longest body that it takes.
    fn request_bytes_max(&self) -> u64 {
        self.active.manifest.limits.request_body_bytes
    }
}

/// The function that a path below `/fn/` names; `None` where the path is another one.
pub(super) fn named<'g>(
    generation: &'g Generation,
    path: &str,
) -> Option<Result<Target<'g>, RouteError>> {
    let name = path.strip_prefix(PREFIX)?.split('/').next()?;
    let active = generation.components.get(name);
    let target = active.and_then(|active| Target::of(active, None));
    Some(target.ok_or(RouteError::NotFound))
}

/// The component of a route, if it is a function.
pub(super) fn routed<'g>(active: &'g Arc<Active>, matched: &Matched<'g>) -> Option<Target<'g>> {
    Target::of(active, Some(&matched.route.path))
}

/// Answers a request with a function of the generation.
pub(super) async fn answer(
    gateway: &Gateway,
    exchange: &mut Exchange,
    generation: &Arc<Generation>,
    target: Target<'_>,
    (mut parts, mut body): (request::Parts, Arriving),
) -> Result<Response<Reply>, Problem> {
    exchange.answered_by(target.active, generation.number, || target.template());
    if let Some(Ok(parent)) = exchange.trace_parent().map(HeaderValue::try_from) {
        parts.headers.insert(TRACE_PARENT, parent);
    }
    headers::check_size(&parts.headers)?;
    gateway.host.registry.prepare(target.active).await?;
    if target.keeps_values() {
        prepare(gateway, &mut parts, target.prefix_bytes())?;
        let answer = Box::pin(transact(gateway, generation, &target, &parts, &mut body));
        return Ok(answer.await?.map(Either::Left));
    }
    let limit_bytes = target.request_bytes_max();
    if body.size_hint().lower() > limit_bytes {
        return Err(body::Error::TooLarge { limit_bytes }.into());
    }
    prepare(gateway, &mut parts, target.prefix_bytes())?;
    let is_head = parts.method == Method::HEAD;
    let fault = Arc::new(OnceLock::new());
    let noted = fault.clone();
    let body = Bounded::new(body, limit_bytes, body::IDLE_MAX);
    let body = body.map_err(move |broken| *noted.get_or_init(|| body::Error::from(broken)));
    let request = Request::from_parts(parts, body);
    let dispatch = &gateway.host.dispatch;
    let answered = dispatch.function(generation, target.active, request).await;
    // What is wrong with the request is told rather than what a function makes of a body that breaks off.
    let answered = match fault.get() {
        Some(fault) => Err(Problem::from(*fault)),
        None => answered.map_err(|error| {
            component::note_failure(gateway, &error);
            Problem::from(error)
        }),
    };
    let named = dispatch::generation_of(generation, target.active);
    match answered {
        Ok(response) => Ok(reply(response, is_head, named)),
        Err(problem) => Err(problem.of_generation(named)),
    }
}

/// Answers a request with a function that keeps values, as a service would.
async fn transact(
    gateway: &Gateway,
    generation: &Arc<Generation>,
    target: &Target<'_>,
    parts: &request::Parts,
    body: &mut Arriving,
) -> Result<Response<Full<Bytes>>, Problem> {
    component::store_answers(gateway)?;
    let limit_bytes = target.request_bytes_max().min(BODY_BYTES_MAX);
    let invocation = Invocation {
        active: target.active,
        key: headers::idempotency_key(&parts.headers)?,
        head: RequestHead {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: headers::fields(&parts.headers, true)?,
            ..RequestHead::default()
        },
        body_limit_bytes: limit_bytes as usize,
        audited: None,
    };
    component::whole(gateway, generation, invocation, body).await
}

/// Makes a request what a function gets to see.
fn prepare(
    gateway: &Gateway,
    parts: &mut request::Parts,
    prefix_bytes: usize,
) -> Result<(), Problem> {
    // The host's own token is not a function's business.
    if gateway.token.is_some() {
        parts.headers.remove(AUTHORIZATION);
    }
    let host = parts.headers.get(HOST).map(HeaderValue::to_str);
    match (host, parts.uri.authority()) {
        (Some(Err(_)), _) => {
            let rule = "must be printable ASCII";
            return Err(Problem::field(Kind::Malformed, "Host", rule));
        }
        // HTTP/1.0 has none, and `wasi:http` cannot do without.
        (None, None) => {
            parts
                .headers
                .insert(HOST, HeaderValue::from_static("localhost"));
        }
        _ => {}
    }
    if prefix_bytes > 0 {
        take_off(parts, prefix_bytes)?;
    }
    Ok(())
}

/// Takes the prefix off the path and names it in a header field.
fn take_off(parts: &mut request::Parts, prefix_bytes: usize) -> Result<(), Problem> {
    let malformed = || Problem::new(Kind::Malformed, "the path cannot be cut after its prefix");
    let path = parts.uri.path();
    let (prefix, rest) = path.split_at_checked(prefix_bytes).ok_or_else(malformed)?;
    let prefix = HeaderValue::from_str(prefix).map_err(|_| malformed())?;
    let rest = if rest.is_empty() { "/" } else { rest };
    let target = match parts.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let target = PathAndQuery::try_from(target).map_err(|_| malformed())?;
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(target);
    parts.uri = Uri::from_parts(uri).map_err(|_| malformed())?;
    parts.headers.insert(&FORWARDED_PREFIX, prefix);
    Ok(())
}

/// A function's answer on its way to the client.
fn reply(response: Response<Answer>, is_head: bool, generation: String) -> Response<Reply> {
    let (mut parts, answer) = response.into_parts();
    if let Ok(named) = HeaderValue::try_from(generation) {
        parts.headers.insert(GENERATION_HEADER, named);
    }
    let is_bodiless = is_bodiless(parts.status);
    if is_bodiless {
        parts.headers.remove(CONTENT_LENGTH);
    }
    let body = match answer {
        Answer::Whole(_) if is_bodiless => Either::Left(Full::default()),
        Answer::Whole(bytes) => Either::Left(Full::new(bytes)),
        Answer::Streamed(mut streamed) => {
            if is_head || is_bodiless {
                streamed.end_unread();
            }
            match is_bodiless {
                true => Either::Left(Full::default()),
                false => Either::Right(Body::new(streamed)),
            }
        }
    };
    Response::from_parts(parts, body)
}

impl From<Broken<hyper::Error>> for body::Error {
    fn from(broken: Broken<hyper::Error>) -> Self {
        match broken {
            Broken::Met(Bound::Bytes(limit_bytes)) => Self::TooLarge { limit_bytes },
            Broken::Met(Bound::Idle(limit)) => Self::Slow { limit },
            Broken::Body(_) => Self::Cut,
        }
    }
}

impl From<body::Error> for Fault {
    fn from(error: body::Error) -> Self {
        match error {
            body::Error::TooLarge { limit_bytes } => Self::TooLarge(limit_bytes),
            body::Error::Slow { .. } => Self::Slow,
            body::Error::Cut | body::Error::NoRoom => Self::Cut,
        }
    }
}
