//! Operators and the audit of what they changed: `/admin/operators`, `/admin/audit`. Who may ask for what is
//! decided in `principal`, before any of this.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::Gateway;
use super::admin::{members, reply};
use super::control::{Parameter, text};
use super::partners::revealed;
use super::principal::Acting;
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::ids::Instant;
use crate::operators::audit::{self, Cursor, Entry, LISTED_MAX};
use crate::operators::{Listed, Operators, Role};

/// Entries of one answer, unless told otherwise: what fits on a screen or two.
const ENTRIES: u64 = 50;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

fn operators(gateway: &Gateway) -> Operators {
    Operators::new(gateway.host.store.clone(), gateway.host.clock.clone())
}

/// The keys of operators, by name, those revoked lately included.
pub(super) async fn list(State(gateway): Shared) -> Answer {
    let listed = operators(&gateway).list().await?;
    let listed: Vec<Value> = listed.iter().map(listed_value).collect();
    reply(&json!({ "operators": listed }))
}

/// Registers an operator. The answer is the only place where its key is told.
pub(super) async fn add(Acting(by): Acting, State(gateway): Shared, request: Request) -> Answer {
    let members = members(&gateway, request, &["name", "role"]).await?;
    let name = members.needed_text("name")?;
    let role: Result<Role, _> = members.needed_text("role")?.parse();
    let role = role.map_err(|rule| Problem::field(Kind::Invalid, "role", rule.0))?;
    let (listed, key) = operators(&gateway).add(&by, name, role).await?;
    let mut value = listed_value(&listed);
    value["key"] = revealed(&key);
    let mut response = reply(&value)?;
    *response.status_mut() = StatusCode::CREATED;
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// Revokes an operator's keys, or the one that `?key=ID` names.
pub(super) async fn revoke(
    Acting(by): Acting,
    State(gateway): Shared,
    name: Parameter,
    RawQuery(query): RawQuery,
) -> Answer {
    let name = text(name)?;
    let query = Query::parse(query.as_deref(), &["key"])?;
    let operators = operators(&gateway);
    let revoked = operators.revoke(&by, &name, query.text("key")).await?;
    let revoked: Vec<Value> = revoked.iter().map(listed_value).collect();
    reply(&json!({ "operators": revoked }))
}

fn listed_value(listed: &Listed) -> Value {
    json!({
        "name": listed.operator.name,
        "role": listed.operator.role,
        "keyId": listed.id,
        "createdAt": Instant(listed.created_at_ms).to_string(),
        "revokedAt": listed.revoked_at_ms.map(|at| Instant(at).to_string()),
    })
}

/// What was changed and by whom, the latest first: `?subject=NAME&after=PLACE&limit=N`; `next` is the place from
/// which the list goes on.
pub(super) async fn audit(State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["subject", "after", "limit"])?;
    let limit = query
        .number("limit", 1..=LISTED_MAX as u64)?
        .unwrap_or(ENTRIES);
    let limit = usize::try_from(limit).unwrap_or(LISTED_MAX);
    let after = query.text("after").map(|text| {
        let rule = "must be what an answer said in `next`";
        Cursor::parse(text).ok_or_else(|| Problem::field(Kind::Invalid, "after", rule))
    });
    let store = gateway.host.store.as_ref();
    let page = audit::list(store, after.transpose()?, query.text("subject"), limit).await?;
    let entries: Vec<Value> = page.entries.iter().map(entry_value).collect();
    let mut value = json!({ "entries": entries });
    if let Some(next) = page.next {
        value["next"] = json!(next.to_string());
    }
    reply(&value)
}

fn entry_value(entry: &Entry) -> Value {
    json!({
        "at": Instant(entry.at_ms).to_string(),
        "by": entry.by.name,
        "role": entry.by.role.map_or_else(|| json!("partner"), |role| json!(role)),
        "keyId": entry.by.key_id,
        "change": entry.change,
        "subject": entry.subject,
        "from": entry.from,
        "to": entry.to,
        "reason": entry.reason,
    })
}
