//! The description of the interface for partners and of the operator's part of it, as OpenAPI 3.1.
//! Written by hand in `openapi.json`; a test compares it with the routes that there are.

use axum::response::Response;

use super::admin::json_response;
use super::problem::Problem;

/// The document.
const DOCUMENT: &str = include_str!("openapi.json");

/// Answers with the document, to everybody.
pub(super) async fn show() -> Result<Response, Problem> {
    Ok(json_response(DOCUMENT.into()))
}
