//! The operator's routes about partners, and what a partner sees of itself.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::Gateway;
use super::super::admin::{members, reply};
use super::super::principal::{Acting, Named};
use super::super::problem::{Kind, Problem};
use super::super::query::Query;
use super::{Routes, created};
use crate::ids::{Instant, PartnerId};
use crate::metering::{Dataset, Decision, Terms};
use crate::partners::Accounts;
use crate::partners::accounts::{CREDIT_MAX, LISTED_MAX, Overview, TRUST_LEVEL_MAX};
use crate::partners::limits::RunLimits;
use crate::partners::refunds::Of;
use crate::store::SUM_MAX;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Trust levels, as a request's numbers.
const LEVELS: std::ops::RangeInclusive<u64> = 0..=TRUST_LEVEL_MAX as u64;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/admin/partners", list)
        .post("/admin/partners", add)
        .get("/admin/partners/{id}", show)
        .post("/admin/partners/{id}/credit", credit)
        .post("/admin/partners/{id}/refund", refund)
        .post("/admin/partners/{id}/trust", trust)
        .post("/admin/partners/{id}/upload-key", upload_key)
        .get("/partners/{id}", show)
}

/// The accounts of a host.
pub(super) fn accounts(gateway: &Gateway) -> Accounts {
    Accounts::new(gateway.host.store.clone(), gateway.host.clock.clone())
}

fn level(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Partners by id, a page of them.
async fn list(_: Acting, State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["after", "limit"])?;
    let after = query
        .text("after")
        .map(|text| partner_id("after", text))
        .transpose()?;
    let limit = query.number("limit", 1..=LISTED_MAX as u64)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let page = accounts(&gateway)
        .list(after.as_ref(), limit.unwrap_or(LISTED_MAX))
        .await?;
    let partners: Vec<Value> = page.partners.iter().map(overview_value).collect();
    let mut value = json!({ "partners": partners });
    if let Some(next) = page.next {
        value["next"] = json!(next);
    }
    reply(&value)
}

/// Registers a partner. The answer is the only place where its first key is told.
async fn add(Acting(by): Acting, State(gateway): Shared, request: Request) -> Answer {
    let members = members(&gateway, request, &["id", "trustLevel", "credit"]).await?;
    let id = partner_id("id", members.needed_text("id")?)?;
    let trust_level = level(members.number("trustLevel", LEVELS)?.unwrap_or(0));
    let credit = members.number("credit", 0..=CREDIT_MAX)?.unwrap_or(0);
    let (overview, key) = accounts(&gateway)
        .add(&by, &id, trust_level, credit)
        .await?;
    let mut value = overview_value(&overview);
    value["key"] = super::keys::revealed(&key);
    created(&value)
}

fn partner_id(field: &str, text: &str) -> Result<PartnerId, Problem> {
    PartnerId::parse(text).map_err(|rule| Problem::field(Kind::Invalid, field, rule.0))
}

/// A partner, what it has, and what it may.
async fn show(State(gateway): Shared, Named(id): Named) -> Answer {
    let overview = accounts(&gateway).overview(&id).await?;
    let level = overview.partner.trust_level;
    let terms = gateway.host.policy.terms(level).await?;
    let mut value = overview_value(&overview);
    value["terms"] = terms.as_ref().map_or(Value::Null, terms_value);
    value["limits"] = json!(RunLimits::of(level));
    reply(&value)
}

/// What the access policy says to a trust level.
fn terms_value(terms: &Terms) -> Value {
    let dataset = |(dataset, decision): &(Dataset, Decision)| {
        let (price, needed) = match decision {
            Decision::Granted(price) => (Some(price), None),
            Decision::NotTrusted(level) => (None, Some(level)),
        };
        json!({
            "dataset": dataset,
            "granted": price.is_some(),
            "price": price,
            "trustLevelNeeded": needed,
        })
    };
    let datasets: Vec<Value> = terms.datasets.iter().map(dataset).collect();
    json!({
        "policy": terms.policy,
        "datasets": datasets,
        "computePrice": terms.compute_price,
    })
}

/// Gives a partner datapoints, once for each reference.
async fn credit(
    Acting(by): Acting,
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Answer {
    let members = members(&gateway, request, &["amount", "reference"]).await?;
    let amount = members.needed_number("amount", 1..=CREDIT_MAX)?;
    let reference = members.needed_text("reference")?;
    let credited = accounts(&gateway)
        .credit(&by, &id, amount, reference)
        .await?;
    let mut value = overview_value(&credited.overview);
    value["amount"] = json!(amount);
    value["reference"] = json!(reference);
    value["repeated"] = json!(credited.repeated);
    reply(&value)
}

/// Gives back what a receipt charged, or takes back a credit.
async fn refund(
    Acting(by): Acting,
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Answer {
    let members = members(&gateway, request, &["receipt", "credit", "amount"]).await?;
    let receipt = members.number("receipt", 1..=u64::MAX)?;
    let of = match (receipt, members.text("credit")?) {
        (Some(sequence), None) => Of::Receipt(sequence),
        (None, Some(reference)) => Of::Credit(reference.to_owned()),
        _ => {
            let rule = "must be there, or else credit, and not both";
            return Err(Problem::field(Kind::Invalid, "receipt", rule));
        }
    };
    let amount = members.number("amount", 1..=SUM_MAX)?;
    let refunded = accounts(&gateway).refund(&by, &id, &of, amount).await?;
    let mut value = overview_value(&refunded.overview);
    value["amount"] = json!(refunded.amount);
    value["reference"] = json!(refunded.reference);
    value["repeated"] = json!(refunded.repeated);
    reply(&value)
}

/// Sets how far a partner is trusted.
async fn trust(
    Acting(by): Acting,
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Answer {
    let members = members(&gateway, request, &["level"]).await?;
    let level = level(members.needed_number("level", LEVELS)?);
    reply(&overview_value(
        &accounts(&gateway).set_trust(&by, &id, level).await?,
    ))
}

/// Registers the key that signs a partner's uploads.
async fn upload_key(
    Acting(by): Acting,
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Answer {
    let members = members(&gateway, request, &["pem"]).await?;
    let text = members.needed_text("pem")?;
    reply(&overview_value(
        &accounts(&gateway).set_upload_key(&by, &id, text).await?,
    ))
}

/// A partner in an answer. Its secret stays here.
fn overview_value(overview: &Overview) -> Value {
    let partner = &overview.partner;
    json!({
        "id": partner.id,
        "trustLevel": partner.trust_level,
        "balance": overview.balance,
        "held": overview.held,
        "uploadKey": partner.upload_key.map(|key| STANDARD.encode(key)),
        "createdAt": Instant(partner.created_at_ms).to_string(),
    })
}
