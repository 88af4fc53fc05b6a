//! Runs of plugins and their receipts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::super::Gateway;
use super::super::admin::{json_response, reply};
use super::super::members::Members;
use super::super::principal::{Named, NamedPlugin};
use super::super::problem::{Kind, Problem};
use super::super::query::Query;
use super::super::{body, component, headers};
use super::Routes;
use crate::ids::ComponentName;
use crate::metering::{Dataset, made_up};
use crate::partners::archive::{Month, PAGE_MAX};
use crate::partners::quote::Quote;
use crate::partners::runs::{End, Ended};
use crate::partners::{RunRequest, Started};
use crate::store::SUM_MAX;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Longest parameters of a run (bytes): a plugin is given them whole.
pub(super) const PARAMS_BYTES_MAX: usize = 64 * 1024;
/// Longest body of a request for a run (bytes): the parameters and a few short members.
pub(super) const BODY_BYTES_MAX: usize = PARAMS_BYTES_MAX + 4 * 1024;
/// Longest receipt that goes into a header (bytes, in base64): clients take heads of 8 KiB and more.
const RECEIPT_HEADER_BYTES_MAX: usize = 6 * 1024;

/// The run's id, where the answer is the report itself.
static RUN: HeaderName = HeaderName::from_static("leyden-run");
/// Its receipt, base64, where the answer is the report itself and the receipt is short enough.
static RECEIPT: HeaderName = HeaderName::from_static("leyden-receipt");

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/partners/receipt-key", receipt_key)
        .get("/partners/{id}/receipts", receipts)
        .post("/partners/{id}/plugins/{name}/run", run)
        .post("/partners/{id}/plugins/{name}/quote", quote)
}

/// The key that verifies receipts, in PEM. Open to everybody.
async fn receipt_key(State(gateway): Shared) -> Answer {
    let pem = gateway.host.runs.receipt_key().await?.to_pem();
    let mut response = Response::new(Body::from(pem));
    let media_type = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(response)
}

/// Runs a plugin and answers once it is settled, whether or not somebody still waits by then.
async fn run(
    State(gateway): Shared,
    NamedPlugin { partner, name }: NamedPlugin,
    request: Request,
) -> Answer {
    component::store_answers(&gateway)?;
    let (parts, mut body) = request.into_parts();
    let key = headers::idempotency_key(&parts.headers)?;
    let held = gateway
        .bodies
        .read(&mut body, BODY_BYTES_MAX, body::WHOLE_MAX)
        .await?;
    let members = Members::parse(&held.bytes, &["params", "maxSpend"])?;
    let request = RunRequest {
        params: params(&members)?,
        max_spend: members.number("maxSpend", 0..=SUM_MAX)?,
        key: key.map(|key| key.0),
        started: Started::ByRequest,
    };
    let ended = gateway.host.runs.run(&partner, &name, request).await?;
    answer(&parts.headers, ended)
}

/// What a run would cost.
async fn quote(
    State(gateway): Shared,
    NamedPlugin { partner, name }: NamedPlugin,
    request: Request,
) -> Answer {
    component::store_answers(&gateway)?;
    let mut body = request.into_body();
    let held = gateway
        .bodies
        .read(&mut body, BODY_BYTES_MAX, body::WHOLE_MAX)
        .await?;
    let params = params(&Members::parse(&held.bytes, &["params"])?)?;
    let quote = gateway.host.runs.quote(&partner, &name, params).await?;
    reply(&quote_value(&name, &quote))
}

fn quote_value(name: &ComponentName, quote: &Quote) -> Value {
    let tried = &quote.tried;
    let reads = tried.reads.iter().map(|(dataset, (reads, rows, datapoints))| {
        json!({ "dataset": dataset, "reads": reads, "rows": rows, "datapoints": datapoints })
    });
    let price = |dataset: &Dataset| {
        let granted = quote.terms.granted().find(|(of, _)| of == dataset);
        json!({ "dataset": dataset, "datapointsPerRead": granted.map(|(_, price)| price) })
    };
    let (least, most) = (quote.last.iter().min(), quote.last.iter().max());
    json!({
        "estimate": true,
        "plugin": { "name": name.as_str(), "digest": quote.digest.to_string() },
        "prices": quote.imports.iter().map(price).collect::<Vec<_>>(),
        "computePrice": quote.terms.compute_price,
        "policy": quote.terms.policy.to_string(),
        "balance": quote.balance,
        "tried": {
            "households": made_up::COMMUNITIES * made_up::HOUSEHOLDS,
            "communities": made_up::COMMUNITIES,
            "intervalMs": made_up::INTERVAL_MS,
            "outcome": tried.outcome,
            "detail": tried.detail,
            "reads": reads.collect::<Vec<_>>(),
            "fuel": tried.fuel,
            "compute": tried.compute,
            "total": tried.total,
        },
        "lastRuns": { "count": quote.last.len(), "least": least, "most": most, "newest": quote.last.first() },
    })
}

/// The parameters of a run: any JSON, `{}` where none are given.
pub(super) fn params(members: &Members) -> Result<String, Problem> {
    let params = members.value("params").map(Value::to_string);
    let params = params.unwrap_or_else(|| "{}".to_owned());
    match params.len() <= PARAMS_BYTES_MAX {
        true => Ok(params),
        false => {
            let rule = format!("must be at most {PARAMS_BYTES_MAX} bytes of JSON");
            Err(Problem::field(Kind::Invalid, "params", rule))
        }
    }
}

/// A run's end as an answer: JSON with report and receipt, or, for who asks for something else, the report itself.
fn answer(asked: &HeaderMap, ended: Ended) -> Answer {
    let Ended {
        run,
        outcome,
        receipt,
        end,
    } = ended;
    let (media_type, body) = match end {
        End::Report { media_type, body } => (media_type, body),
        End::Gone => return Err(Problem::gone(&run, &receipt)),
        End::Failed(detail) => return Err(Problem::failed(outcome, &detail, &run, &receipt)),
    };
    if !wants_json(asked) {
        let mut response = plain_report(&media_type, body);
        let head = response.headers_mut();
        insert(head, &RUN, &run);
        let receipt = STANDARD.encode(&receipt);
        if receipt.len() <= RECEIPT_HEADER_BYTES_MAX {
            insert(head, &RECEIPT, &receipt);
        }
        return Ok(response);
    }
    reply(&json!({
        "run": run,
        "outcome": outcome,
        "report": report_value(&media_type, &body),
        "receipt": receipt_value(&receipt),
    }))
}

pub(super) fn insert(headers: &mut HeaderMap, name: &HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name.clone(), value);
    }
}

/// Whether the caller asks for JSON, or for nothing special.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().peekable();
    let is_json = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("application/json") || text.contains("*/*") || text.contains("application/*")
    };
    accepted.peek().is_none() || accepted.any(is_json)
}

/// A report in JSON: as text where it is text.
pub(super) fn report_value(media_type: &str, body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({ "mediaType": media_type, "body": text }),
        Err(_) => json!({ "mediaType": media_type, "bodyBase64": STANDARD.encode(body) }),
    }
}

/// A report by itself. A browser that shows it must not take what a partner wrote for the host's own page: it may
/// run no script, load nothing and reach nothing.
pub(super) fn plain_report(media_type: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    for (name, value) in [
        (http::header::CONTENT_SECURITY_POLICY, policy),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_TYPE, media_type),
    ] {
        insert(headers, &name, value);
    }
    response
}

/// A receipt as a part of an answer. Its members keep their order, so that whoever writes it out compactly has
/// its exact bytes again.
pub(in super::super) fn receipt_value(receipt: &[u8]) -> Value {
    serde_json::from_slice(receipt).unwrap_or_default()
}

/// A partner's receipts in the order of their chain: in JSON, or one a line, byte by byte as they were signed.
async fn receipts(
    State(gateway): Shared,
    Named(id): Named,
    RawQuery(query): RawQuery,
    head: HeaderMap,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["month", "after", "limit"])?;
    let month = query.text("month").map(Month::parse).transpose();
    let month = month.map_err(|rule| Problem::field(Kind::Invalid, "month", rule.0))?;
    let after = query.number("after", 0..=u64::MAX)?.unwrap_or(0);
    let limit = query.number("limit", 1..=PAGE_MAX as u64)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let page = gateway
        .host
        .runs
        .receipts(&id, month.as_ref(), after, limit.unwrap_or(PAGE_MAX))
        .await?;
    let next = page.next;
    if wants_json(&head) {
        return Ok(json_response(receipts_json(&page.receipts, next).into()));
    }
    let mut lines = page.receipts.join(&b"\n"[..]);
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    let mut response = Response::new(Body::from(lines));
    insert(
        response.headers_mut(),
        &CONTENT_TYPE,
        "application/x-ndjson",
    );
    if let Some(next) = next {
        insert(response.headers_mut(), &NEXT, &next.to_string());
    }
    Ok(response)
}

/// Where the next page begins, where the answer has no place for it.
pub(super) static NEXT: HeaderName = HeaderName::from_static("leyden-next");

fn receipts_json(receipts: &[Vec<u8>], next: Option<u64>) -> Vec<u8> {
    let mut json = b"{\"receipts\":[".to_vec();
    json.extend(receipts.join(&b","[..]));
    json.push(b']');
    if let Some(next) = next {
        json.extend(format!(",\"next\":{next}").into_bytes());
    }
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(values: &[&str]) -> HeaderMap {
        let pairs = values
            .iter()
            .map(|v| (ACCEPT, HeaderValue::from_str(v).unwrap()));
        pairs.collect()
    }

    #[test]
    fn who_asks_for_nothing_special_gets_json() {
        for json in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["text/html, */*;q=0.8"],
            &["text/csv", "Application/JSON"],
        ] {
            assert!(wants_json(&accepting(json)), "{json:?}");
        }
        for other in [
            &["text/html"][..],
            &["image/svg+xml"],
            &["application/x-ndjson"],
            &[""],
        ] {
            assert!(!wants_json(&accepting(other)), "{other:?}");
        }
    }

    #[test]
    fn a_report_that_is_no_text_comes_in_base64() {
        assert_eq!(report_value("text/plain", "é".as_bytes())["body"], "é");
        let binary = report_value("image/png", &[0xff, 0]);
        assert_eq!(binary["bodyBase64"], "/wA=");
        assert_eq!(binary.get("body"), None);
    }

    #[test]
    fn a_report_by_itself_can_do_nothing_in_a_browser() {
        let response = plain_report("text/html", b"<script>".to_vec());
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("sandbox; default-src 'none'"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }

    #[test]
    fn a_page_of_receipts_is_json_with_their_exact_bytes() {
        let receipts = [br#"{"b":1,"a":2}"#.to_vec(), br#"{"c":3}"#.to_vec()];
        let json = receipts_json(&receipts, Some(2));
        let expected = r#"{"receipts":[{"b":1,"a":2},{"c":3}],"next":2}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        assert_eq!(receipts_json(&[], None), br#"{"receipts":[]}"#);
    }
}
