//! Every way a request can fail, and what the caller is told: one table from kind to status, type and
//! title, and, in `conversions`, one conversion for each error of the host. Answers are problem documents (RFC 9457).
//!
//! **Invariants.** No other file chooses an error's status. A problem tells nothing of the host's
//! inside; that goes to the log, from here.

mod conversions;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::Value;

use super::partners::receipt_value;
use crate::dispatch::types::FieldError;
use crate::dispatch::{Culprit, GENERATION_HEADER};
use crate::partners::receipts::Outcome;

/// When to try again after 503 (s): queues are short, so that one second is a long time for them, and a
/// store that has restarted is found again within two.
const RETRY_AFTER_S: &str = "1";
/// When to try again while a stream is full (s): its groups need time to catch up.
const FULL_RETRY_AFTER_S: &str = "5";

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Malformed,
    Unauthorized,
    PaymentRequired,
    Forbidden,
    NotFound,
    NoRoute,
    MethodNotAllowed,
    Timeout,
    Conflict,
    TooLarge,
    PathTooLong,
    UnsupportedMediaType,
    Invalid,
    KeyReused,
    Running,
    Gone,
    GuestError,
    TooMany,
    HeadersTooLarge,
    Internal,
    Trapped,
    Misbehaved,
    FuelUsedUp,
    LimitPassed,
    InvalidReport,
    Busy,
    Lost,
    Stopping,
    Unavailable,
    StoreDown,
    NotReady,
    Full,
    Unresolved,
    Deadline,
}

impl Kind {
    /// **The** table: status, last part of the type, title.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request's syntax is broken"),
            Self::Unauthorized => (401, "unauthorized", "A token is needed"),
            Self::PaymentRequired => (402, "payment-required", "Datapoints do not suffice"),
            Self::Forbidden => (403, "forbidden", "The caller may not do this"),
            Self::NotFound => (404, "not-found", "What the request names does not exist"),
            Self::NoRoute => (404, "no-route", "Nothing answers this path"),
            Self::MethodNotAllowed => (
                405,
                "method-not-allowed",
                "The path does not answer this method",
            ),
            Self::Timeout => (408, "timeout", "The request's body came too slowly"),
            Self::Conflict => (409, "conflict", "The request contradicts what is there"),
            Self::TooLarge => (413, "too-large", "The request's body is too large"),
            Self::PathTooLong => (414, "path-too-long", "The request's path is too long"),
            Self::UnsupportedMediaType => (
                415,
                "unsupported-media-type",
                "The body's media type is not served",
            ),
            Self::Invalid => (422, "invalid", "A value breaks a rule"),
            Self::KeyReused => (
                422,
                "key-reused",
                "The idempotency key belongs to another request",
            ),
            Self::Running => (409, "running", "A run of the same key is still under way"),
            Self::Gone => (410, "gone", "What was there is kept no longer"),
            Self::GuestError => (422, "guest-error", "The plugin gave no report"),
            Self::TooMany => (429, "too-many", "The caller asks for too much at once"),
            Self::HeadersTooLarge => (
                431,
                "headers-too-large",
                "The request's headers are too large",
            ),
            Self::Internal => (500, "internal", "The host failed"),
            Self::Trapped => (502, "trapped", "The component trapped"),
            Self::Misbehaved => (502, "misbehaved", "The component broke a rule of the host"),
            Self::FuelUsedUp => (502, "fuel", "The plugin used up its fuel"),
            Self::LimitPassed => (502, "limit", "The plugin passed a limit"),
            Self::InvalidReport => (502, "invalid-report", "The plugin's report is none"),
            Self::Busy => (503, "busy", "The host is busy"),
            Self::Lost => (503, "host-fault", "The host lost the run"),
            Self::Stopping => (503, "stopping", "The host is shutting down"),
            Self::Unavailable => (503, "unavailable", "The host cannot answer now"),
            Self::StoreDown => (503, "store-down", "The store does not answer"),
            Self::NotReady => (503, "not-ready", "The host is not ready"),
            Self::Full => (503, "full", "A stream is full"),
            Self::Unresolved => (
                503,
                "unresolved",
                "Whether the request took effect is not known",
            ),
            Self::Deadline => (504, "deadline", "The component took too long"),
        }
    }

    /// When the caller may try again (s): where the answer will be another then.
    const fn retry_after_s(self) -> Option<&'static str> {
        match self {
            Self::Full => Some(FULL_RETRY_AFTER_S),
            Self::Running | Self::TooMany => Some(RETRY_AFTER_S),
            _ if self.row().0 == 503 => Some(RETRY_AFTER_S),
            _ => None,
        }
    }
}

/// A failed request, ready to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    kind: Kind,
    told: Box<Told>,
}

/// What else is told. Apart from the kind, so that results stay small where all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    detail: String,
    errors: Vec<FieldError>,
    culprit: Option<Culprit>,
    allow: Option<String>,
    accepted: Option<u64>,
    run: Option<FailedRun>,
    tried: Option<Value>,
    generation: Option<String>,
}

/// A run that ended without a report, or whose report is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FailedRun {
    id: String,
    outcome: Option<Outcome>,
    receipt: Option<Value>,
}

/// The document, as RFC 9457 and its extension members have it.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a Value>,
    /// What a candidate would have decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<&'a Value>,
}

impl Problem {
    /// A problem without more to say than a sentence.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let told = Told {
            detail: detail.into(),
            ..Told::default()
        };
        Self {
            kind,
            told: Box::new(told),
        }
    }

    /// A problem with one field: header, parameter or member.
    pub(super) fn field(kind: Kind, field: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        let detail = format!("{field}: {rule}");
        Self::new(kind, detail).with(vec![FieldError {
            row: None,
            field: field.to_owned(),
            rule,
        }])
    }

    /// The store does not answer, and why.
    pub(super) fn store_down(why: &str) -> Self {
        Self::new(
            Kind::StoreDown,
            format!("the store is not available: {why}"),
        )
    }

    /// A component that broke a rule of the host.
    pub(super) fn misbehaved(culprit: Culprit, detail: &str) -> Self {
        tracing::warn!(component = %culprit, detail, "a component misbehaved");
        Self::new(Kind::Misbehaved, format!("{culprit} {detail}")).by(culprit)
    }

    /// A plugin's run that ended without a report. What it read is charged all the same, as the receipt says.
    pub(super) fn failed(outcome: Outcome, detail: &str, run: &str, receipt: &[u8]) -> Self {
        let kind = match outcome {
            Outcome::Trapped => Kind::Trapped,
            Outcome::Deadline => Kind::Deadline,
            Outcome::Fuel => Kind::FuelUsedUp,
            Outcome::Limit => Kind::LimitPassed,
            Outcome::InvalidReport => Kind::InvalidReport,
            Outcome::NotGranted => Kind::Forbidden,
            Outcome::HostFault => Kind::Lost,
            Outcome::GuestError | Outcome::Report | Outcome::Answer => Kind::GuestError,
        };
        Self::new(kind, detail).of_run(run, Some(outcome), Some(receipt))
    }

    /// A report that was given once under the same key and is kept no longer.
    pub(super) fn gone(run: &str, receipt: &[u8]) -> Self {
        let detail =
            "the report of this run is kept no longer; its receipt still tells what it cost";
        Self::new(Kind::Gone, detail).of_run(run, Some(Outcome::Report), Some(receipt))
    }

    /// With the run that it is about.
    fn of_run(mut self, run: &str, outcome: Option<Outcome>, receipt: Option<&[u8]>) -> Self {
        self.told.run = Some(FailedRun {
            id: run.to_owned(),
            outcome,
            receipt: receipt.map(receipt_value),
        });
        self
    }

    /// With the fields at fault.
    fn with(mut self, errors: Vec<FieldError>) -> Self {
        self.told.errors = errors;
        self
    }

    /// In other words.
    fn saying(mut self, detail: String) -> Self {
        self.told.detail = detail;
        self
    }

    /// With the component to blame.
    fn by(mut self, culprit: Culprit) -> Self {
        self.told.culprit = Some(culprit);
        self
    }

    /// With the methods that the path answers.
    pub(super) fn allowing(mut self, allow: String) -> Self {
        self.told.allow = Some(allow);
        self
    }

    /// With the number of an upload's rows that were kept before it failed.
    pub(super) fn after(mut self, accepted: u64) -> Self {
        self.told.accepted = Some(accepted);
        self
    }

    /// With what a candidate would have decided.
    fn telling_tried(mut self, report: Value) -> Self {
        self.told.tried = Some(report);
        self
    }

    /// With the generation that the answer comes from.
    pub(super) fn of_generation(mut self, generation: String) -> Self {
        self.told.generation = Some(generation);
        self
    }

    /// The problem's status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn document(&self) -> Vec<u8> {
        let (status, name, title) = self.kind.row();
        let (culprit, run) = (self.told.culprit.as_ref(), self.told.run.as_ref());
        let document = Document {
            r#type: format!("urn:leyden:problem:{name}"),
            title,
            status,
            detail: &self.told.detail,
            errors: &self.told.errors,
            component: culprit.map(|culprit| culprit.component.as_str()),
            version: culprit.map(|culprit| culprit.version.to_string()),
            accepted: self.told.accepted,
            run: run.map(|run| run.id.as_str()),
            outcome: run.and_then(|run| run.outcome),
            receipt: run.and_then(|run| run.receipt.as_ref()),
            tried: self.told.tried.as_ref(),
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The answer.
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.document().into()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.kind.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self.kind == Kind::Unauthorized {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"leyden\""),
            );
        }
        let generation = self.told.generation.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(generation)) = generation {
            headers.insert(GENERATION_HEADER, generation);
        }
        if let Some(Ok(allow)) = self.told.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        self.answer().map(Body::new)
    }
}

#[cfg(test)]
mod tests;
