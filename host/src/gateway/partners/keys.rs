//! The operator's routes about partners' API keys.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Gateway;
use super::super::admin::reply;
use super::super::principal::{Acting, Named, NamedKey};
use super::super::problem::Problem;
use super::accounts::accounts;
use super::{Routes, created};
use crate::ids::Instant;
use crate::keys::ApiKey;
use crate::partners::keys::Listed;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/admin/partners/{id}/keys", list)
        .post("/admin/partners/{id}/keys", issue)
        .delete("/admin/partners/{id}/keys/{keyId}", revoke)
}

/// A partner's keys, those revoked lately included.
async fn list(_: Acting, State(gateway): Shared, Named(id): Named) -> Answer {
    let keys = accounts(&gateway).keys(&id).await?;
    let keys: Vec<Value> = keys.iter().map(listed_value).collect();
    reply(&json!({ "keys": keys }))
}

/// Makes a key. The answer is the only place where it is told.
async fn issue(Acting(by): Acting, State(gateway): Shared, Named(id): Named) -> Answer {
    created(&revealed(&accounts(&gateway).issue_key(&by, &id).await?))
}

/// Revokes a key.
async fn revoke(Acting(by): Acting, State(gateway): Shared, key: NamedKey) -> Answer {
    let revoked = accounts(&gateway)
        .revoke_key(&by, &key.partner, &key.id)
        .await?;
    reply(&listed_value(&revoked))
}

/// A whole key, for the one answer that tells it.
pub(in super::super) fn revealed(key: &ApiKey) -> Value {
    json!({ "id": key.id(), "key": key.reveal() })
}

fn listed_value(key: &Listed) -> Value {
    json!({
        "id": key.id,
        "createdAt": Instant(key.created_at_ms).to_string(),
        "revokedAt": key.revoked_at_ms.map(|at| Instant(at).to_string()),
    })
}
