//! Answers: JSON, text, nothing. A body that cannot be written as JSON is a bug and traps.

use super::Response;
use crate::number::Number;
use serde::Serialize;

fn with_body(content_type: &str, body: Vec<u8>) -> Response {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Response {
        status: 200,
        headers,
        body,
    }
}

/// 200 with a JSON document.
///
/// # Panics
/// Where `value` cannot be JSON, such as a map whose keys are not strings.
#[must_use]
pub fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("the answer's type is JSON");
    with_body("application/json", body)
}

/// 200 with a JSON number without needless fraction, or `null` where there is no data.
#[must_use]
pub fn json_number(value: Option<f64>) -> Response {
    json(&value.map(Number))
}

/// 200 with JSON `null`: there is no data, which is not 0.
#[must_use]
pub fn null() -> Response {
    json(&())
}

/// 200 with plain text.
#[must_use]
pub fn text(body: impl Into<String>) -> Response {
    with_body("text/plain; charset=utf-8", body.into().into_bytes())
}

/// 204: done, nothing to tell.
#[must_use]
pub fn no_content() -> Response {
    Response {
        status: 204,
        headers: Vec::new(),
        body: Vec::new(),
    }
}
