//! Tests of what callers are told.

use serde_json::{Value, json};

use super::super::rows;
use super::*;
use crate::dispatch::types::{Problem as Refusal, ProblemKind};
use crate::ids::{ComponentName, Digest};
use crate::registry::router::RouteError;
use crate::{dispatch, store};

fn culprit() -> Culprit {
    Culprit {
        component: ComponentName::parse("house").unwrap(),
        version: Digest::of(b"v1"),
    }
}

fn document(problem: &Problem) -> Value {
    serde_json::from_slice(&problem.document()).unwrap()
}

#[test]
fn a_document_has_the_members_of_rfc_9457() {
    let problem = Problem::field(Kind::Invalid, "maxConsumption", "must not be negative");
    let expected = json!({
        "type": "urn:leyden:problem:invalid",
        "title": "A value breaks a rule",
        "status": 422,
        "detail": "maxConsumption: must not be negative",
        "errors": [{"field": "maxConsumption", "rule": "must not be negative"}],
    });
    assert_eq!(document(&problem), expected);
}

#[test]
fn traps_and_deadlines_name_component_and_version() {
    for (error, status) in [
        (
            dispatch::Error::Trapped(culprit(), "unreachable".to_owned()),
            502,
        ),
        (
            dispatch::Error::Misbehaved(culprit(), "answered with status 99".to_owned()),
            502,
        ),
        (dispatch::Error::Retry(culprit(), "later".to_owned()), 503),
        (dispatch::Error::Deadline(culprit(), 2_000), 504),
    ] {
        let document = document(&error.into());
        assert_eq!(document["status"], status);
        assert_eq!(document["component"], "house");
        assert_eq!(document["version"], Digest::of(b"v1").to_string());
    }
}

#[test]
fn nothing_of_the_store_is_told() {
    let inside = std::io::Error::other("/secret/path: disk on fire");
    let problem = Problem::from(store::Error::Backend(Box::new(inside)));
    let text = String::from_utf8(problem.document()).unwrap();
    assert!(
        !text.contains("secret") && problem.status() == 500,
        "{text}"
    );
}

#[test]
fn headers_go_with_their_status() {
    let busy = Problem::from(dispatch::Error::Busy).answer();
    assert_eq!(
        (busy.status().as_u16(), &busy.headers()[RETRY_AFTER]),
        (503, &HeaderValue::from_static("1"))
    );

    let allow = RouteError::MethodNotAllowed {
        allow: "POST".to_owned(),
    };
    let method = Problem::from(allow).answer();
    assert_eq!(
        (method.status().as_u16(), &method.headers()[ALLOW]),
        (405, &HeaderValue::from_static("POST"))
    );

    let token = Problem::new(Kind::Unauthorized, "").answer();
    assert!(token.status() == 401 && token.headers().contains_key(WWW_AUTHENTICATE));
    assert!(!token.headers().contains_key(RETRY_AFTER));
}

#[test]
fn what_the_store_cannot_say_is_told_with_what_to_do() {
    let stream = crate::ids::StreamName::parse("house.readings").unwrap();
    for (problem, kind, retry, says) in [
        (
            store::Error::Unavailable("it is loading its data").into(),
            "store-down",
            "1",
            "it is loading its data",
        ),
        (
            store::Error::Unresolved.into(),
            "unresolved",
            "1",
            "Idempotency-Key",
        ),
        (
            dispatch::Error::LogFull(stream.clone()).into(),
            "full",
            "5",
            "house.readings",
        ),
        (
            store::CommitError::LogFull(stream).into(),
            "full",
            "5",
            "house.readings",
        ),
        (
            Problem::from(store::Error::Overtaken),
            "busy",
            "1",
            "has changed",
        ),
    ] {
        let told = document(&problem);
        assert_eq!(told["type"], format!("urn:leyden:problem:{kind}"));
        assert!(told["detail"].as_str().unwrap().contains(says), "{told}");
        let answer = problem.answer();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[RETRY_AFTER]),
            (503, &HeaderValue::from_static(retry))
        );
    }
}

#[test]
fn refusals_keep_their_kind() {
    for (kind, status) in [
        (ProblemKind::Malformed, 400),
        (ProblemKind::PaymentRequired, 402),
        (ProblemKind::Forbidden, 403),
        (ProblemKind::NotFound, 404),
        (ProblemKind::Conflict, 409),
        (ProblemKind::UnsupportedMediaType, 415),
        (ProblemKind::Invalid, 422),
    ] {
        let refusal = Refusal {
            kind,
            detail: String::new(),
            errors: Vec::new(),
        };
        assert_eq!(
            Problem::from(dispatch::Error::Rejected(refusal)).status(),
            status
        );
    }
}

#[test]
fn rows_at_fault_are_numbered() {
    let problem = Problem::from(rows::Error::RowTooLong { row: Some(7) }).after(5);
    let document = document(&problem);
    assert_eq!(
        (&document["status"], &document["accepted"]),
        (&json!(413), &json!(5))
    );
    assert_eq!(document["errors"][0]["row"], 7);
}
