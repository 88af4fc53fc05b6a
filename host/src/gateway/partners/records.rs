//! What is kept of runs: usage, logs, reports of triggers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::super::Gateway;
use super::super::admin::reply;
use super::super::principal::{Acting, Named, NamedPlugin, NamedReport};
use super::super::problem::{Kind, Problem};
use super::super::query::Query;
use super::Routes;
use super::runs::{insert, plain_report, report_value, wants_json};
use crate::ids::PartnerId;
use crate::partners::archive::Month;
use crate::partners::runs::LOGS_MAX;
use crate::partners::usage;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Runs in an answer about logs where the caller names no number.
const LOGS_DEFAULT: u64 = 10;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/admin/usage", usage_of_all)
        .get("/partners/{id}/usage", usage_of_one)
        .get("/partners/{id}/plugins/{name}/logs", logs)
        .get("/partners/{id}/plugins/{name}/reports", reports)
        .get("/partners/{id}/plugins/{name}/reports/{run}", report)
}

/// What everybody used in a month, or one partner.
async fn usage_of_all(
    _: Acting,
    State(gateway): Shared,
    RawQuery(query): RawQuery,
    head: HeaderMap,
) -> Answer {
    let known = ["month", "partner", "after", "format"];
    let query = Query::parse(query.as_deref(), &known)?;
    let partner = query.text("partner").map(PartnerId::parse).transpose();
    let partner = partner.map_err(|rule| Problem::field(Kind::Invalid, "partner", rule.0))?;
    used(&gateway, &query, &head, partner.as_ref()).await
}

/// What a partner used in a month.
async fn usage_of_one(
    State(gateway): Shared,
    Named(id): Named,
    RawQuery(query): RawQuery,
    head: HeaderMap,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["month", "after", "format"])?;
    used(&gateway, &query, &head, Some(&id)).await
}

/// The month that is asked for, or the one that the host's clock is in.
async fn used(
    gateway: &Gateway,
    query: &Query,
    head: &HeaderMap,
    partner: Option<&PartnerId>,
) -> Answer {
    let month = query.text("month").map(Month::parse).transpose();
    let month = month.map_err(|rule| Problem::field(Kind::Invalid, "month", rule.0))?;
    let month = month.unwrap_or_else(|| Month::of(gateway.host.clock.now()));
    let as_csv = wants_csv(query, head)?;
    let after = query.text("after");
    let report = gateway.host.runs.usage(&month, partner, after).await?;
    if as_csv {
        return Ok(csv(&report));
    }
    let mut value = json!({ "month": month.as_str(), "usage": report.rows });
    if let Some(next) = report.next {
        value["next"] = json!(next);
    }
    reply(&value)
}

/// A parameter decides, or else what the caller accepts.
fn wants_csv(query: &Query, head: &HeaderMap) -> Result<bool, Problem> {
    match query.text("format") {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(Problem::field(
            Kind::Invalid,
            "format",
            "must be json or csv",
        )),
        None => {
            let accepted = head.get_all(ACCEPT).iter();
            let texts = accepted.filter_map(|value| value.to_str().ok());
            Ok(!wants_json(head) && texts.into_iter().any(|text| text.contains("text/csv")))
        }
    }
}

fn csv(report: &usage::Report) -> Response {
    let mut response = Response::new(Body::from(usage::csv(&report.rows)));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(CONTENT_TYPE, media_type);
    if let Some(next) = &report.next {
        insert(headers, &super::runs::NEXT, next);
    }
    response
}

/// What a plugin's last runs logged and cost, the newest first.
async fn logs(
    State(gateway): Shared,
    NamedPlugin { partner, name }: NamedPlugin,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["before", "limit"])?;
    let before = query.number("before", 1..=u64::MAX)?;
    let limit = query.number("limit", 1..=LOGS_MAX as u64)?;
    let limit = usize::try_from(limit.unwrap_or(LOGS_DEFAULT)).unwrap_or(LOGS_MAX);
    let runs = &gateway.host.runs;
    let logs = runs.logs(&partner, &name, before, limit).await?;
    let next = logs
        .last()
        .map(|log| log.number)
        .filter(|_| logs.len() == limit);
    let mut value = json!({ "runs": logs });
    if let Some(next) = next {
        value["next"] = json!(next);
    }
    reply(&value)
}

/// The reports that a plugin's triggers have left, the newest first.
async fn reports(State(gateway): Shared, NamedPlugin { partner, name }: NamedPlugin) -> Answer {
    let reports = gateway.host.runs.reports(&partner, &name).await?;
    reply(&json!({ "reports": reports }))
}

/// One of them.
async fn report(State(gateway): Shared, named: NamedReport, head: HeaderMap) -> Answer {
    let NamedPlugin { partner, name } = named.plugin;
    let runs = &gateway.host.runs;
    let (shelved, body) = runs.report(&partner, &name, &named.run).await?;
    if !wants_json(&head) {
        return Ok(plain_report(&shelved.media_type, body));
    }
    let mut value = serde_json::to_value(&shelved).unwrap_or_default();
    value["report"] = report_value(&shelved.media_type, &body);
    reply(&value)
}
