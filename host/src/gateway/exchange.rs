//! One request and its answer, as they are told of: the id in the answer's head, counts, a line in the access log, a trace.
//!
//! **Invariants.** Every request is told of exactly once, when its connection has got the last of its answer or whoever asked has gone. What
//! is not wanted is not worked out: without access log and traces, a request costs two readings of a clock and a few atomics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Frame, SizeHint};

use super::answer::Reply;
use super::connection::Running;
use crate::clock::{self, Monotonic};
use crate::registry::Active;
pub(super) use crate::telemetry::trace::TRACE_PARENT;
use crate::telemetry::trace::Value;
use crate::telemetry::{RequestId, Scope};

/// Names a request in its answer; a client's or a proxy's own is taken over.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What else is told of where a trace comes from (W3C Trace Context).
const TRACE_STATE: &str = "tracestate";

/// Status under which a request is told of that nobody waited for; as nginx has it.
const GONE_AWAY: u16 = 499;

/// A request on its way.
pub(super) struct Exchange {
    running: Running,
    scope: Scope,
    began: Monotonic,
    /// For access log and traces; none where neither is wanted.
    asked: Option<Box<Asked>>,
    by: Option<Arc<Active>>,
    /// Whether the connection has to end with it.
    is_last: bool,
    is_head: bool,
    status: u16,
    bytes: u64,
}

/// What was asked for, and of whom.
struct Asked {
    method: Method,
    /// The route's template where there is one, else the path.
    path: String,
    is_template: bool,
    generation: Option<u64>,
}

impl Exchange {
    /// A request has come; whether it has to be its connection's last one.
    pub(super) fn begin<B>(running: Running, request: &Request<B>, is_last: bool) -> Self {
        let connection = &*running.connection;
        let (gateway, headers) = (connection.gateway(), request.headers());
        let given = once(headers, &REQUEST_ID).and_then(|id| RequestId::parse(id.as_bytes()));
        let trace = gateway.tracer.as_ref().and_then(|tracer| {
            let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            let parent = text(TRACE_PARENT).filter(|_| is_once(headers, TRACE_PARENT));
            tracer.begin(parent, text(TRACE_STATE))
        });
        let asked = (gateway.access_log || trace.is_some()).then(|| {
            Box::new(Asked {
                method: request.method().clone(),
                path: request.uri().path().to_owned(),
                is_template: false,
                generation: None,
            })
        });
        Self {
            scope: Scope {
                id: given.unwrap_or_else(|| connection.ids.make()),
                trace,
            },
            began: clock::monotonic(),
            asked,
            by: None,
            is_last,
            is_head: request.method() == Method::HEAD,
            status: GONE_AWAY,
            bytes: 0,
            running,
        }
    }

    /// Work for the request is done in this scope.
    pub(super) fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// What the component that answers goes on with, where the request is traced.
    pub(super) fn trace_parent(&self) -> Option<String> {
        let trace = self.scope.trace.as_ref()?;
        Some(trace.parent().to_string())
    }

    /// A component answers, on this template of paths.
    pub(super) fn answered_by(
        &mut self,
        active: &Arc<Active>,
        generation: u64,
        template: impl FnOnce() -> String,
    ) {
        self.by = Some(active.clone());
        if let Some(asked) = &mut self.asked {
            asked.path = template();
            asked.is_template = true;
            asked.generation = Some(generation);
        }
    }

    /// The answer, with what every answer has. The request runs until the answer's body has ended.
    pub(super) fn end(mut self, mut answer: Response<Reply>) -> Response<Reply> {
        self.status = answer.status().as_u16();
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::from_maybe_shared(self.scope.id.bytes()) {
            headers.insert(&REQUEST_ID, id);
        }
        if self.is_last {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match answer.body() {
            Either::Left(_) if self.is_head => without_body(answer),
            Either::Left(whole) => {
                self.bytes = HttpBody::size_hint(whole).exact().unwrap_or(0);
                answer
            }
            Either::Right(_) => answer.map(|reply| {
                Either::Right(Body::new(Counted {
                    body: Body::new(reply),
                    exchange: self,
                }))
            }),
        }
    }

    /// Tells of it.
    fn tell(&self) {
        let took = clock::monotonic().saturating_duration_since(self.began);
        let gateway = self.running.connection.gateway();
        let stats = match &self.by {
            Some(active) => active.loaded.stats(),
            None => &gateway.stats,
        };
        stats.answered(self.status, took);
        let Some(asked) = &self.asked else { return };
        let component = self.by.as_ref().map(|active| active.name.as_str());
        if gateway.access_log {
            let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.scope.run_now(|| {
                tracing::info!(
                    target: crate::telemetry::ACCESS,
                    method = asked.method.as_str(),
                    path = asked.path,
                    status = self.status,
                    bytes = self.bytes,
                    duration_us,
                    component,
                    generation = asked.generation,
                    "answered"
                );
            });
        }
        self.tell_trace(asked, component);
    }

    /// Names and attributes are those of OpenTelemetry's conventions for HTTP servers.
    fn tell_trace(&self, asked: &Asked, component: Option<&str>) {
        let Some(trace) = &self.scope.trace else {
            return;
        };
        let (method, status) = (asked.method.as_str(), self.status);
        let mut told: Vec<(&'static str, Value)> = vec![
            ("http.request.method", method.to_owned().into()),
            ("http.response.status_code", u64::from(status).into()),
            ("leyden.request", self.scope.id.to_string().into()),
        ];
        let path = match asked.is_template {
            true => "http.route",
            false => "url.path",
        };
        told.push((path, asked.path.clone().into()));
        if let Some(component) = component {
            told.push(("leyden.component", component.to_owned().into()));
        }
        if let Some(generation) = asked.generation {
            told.push(("leyden.generation", generation.into()));
        }
        // A path is not part of a name: names have to stay few.
        let name = match asked.is_template {
            true => format!("{method} {}", asked.path),
            false => method.to_owned(),
        };
        let failed = (status >= 500).then(|| format!("answered with {status}"));
        trace.finish(name, told, failed);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.tell();
    }
}

/// The answer to `HEAD`: its length is told, its body stays here. With HTTP/2 nobody else would see to it.
fn without_body(mut answer: Response<Reply>) -> Response<Reply> {
    let whole = std::mem::replace(answer.body_mut(), Either::Left(Full::default()));
    let length = HttpBody::size_hint(&whole).exact().unwrap_or(0);
    if length > 0 {
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    answer
}

/// A header's value, where it comes once.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    headers
        .get(name)
        .filter(|_| is_once(headers, name.as_str()))
}

fn is_once(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(name).iter().nth(1).is_none()
}

/// An answer's body that comes piece by piece.
struct Counted {
    body: Body,
    exchange: Exchange,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.exchange.bytes += bytes as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
