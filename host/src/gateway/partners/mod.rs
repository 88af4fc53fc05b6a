//! What partners ask of a running host, and what its operator asks about them: `/partners/…`,
//! `/admin/partners/…` and the audit, which tells of both. JSON in, JSON out; deciding is left to `crate::partners`. The routes are described in
//! `gateway/openapi.json`, and a test compares the two.
//!
//! **Invariants.** A handler learns whose data it deals with from [`Named`](super::principal::Named) or
//! [`NamedPlugin`](super::principal::NamedPlugin), never from the path itself. What tells of a partner's data
//! or keys is not kept by caches on its way.

mod accounts;
mod keys;
mod plugins;
mod records;
mod routes;
mod runs;
mod triggers;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::admin::reply;
use super::problem::Problem;
pub(super) use keys::revealed;
pub(super) use routes::Routes;
pub(super) use runs::receipt_value;

/// All of them; one file each for what belongs together.
pub(super) fn routes() -> Routes {
    Routes::default()
        .and(accounts::routes())
        .and(keys::routes())
        .and(plugins::routes())
        .and(runs::routes())
        .and(records::routes())
        .and(triggers::routes())
        .get("/admin/audit", super::operators::audit)
}

/// An answer about something that was made.
fn created(value: &Value) -> Result<Response, Problem> {
    let mut response = reply(value)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Keeps an answer out of caches.
async fn unstored(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(no_store);
    response
}
