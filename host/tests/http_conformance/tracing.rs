//! Traces, as a collector gets them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leyden::gateway::Options;
use leyden::telemetry::otlp::{self, Exporter};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::host;
use crate::support::built;
use crate::web::{PATIENCE, Web, run, send};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector: keeps the documents that are posted to it, and answers what it is told to.
#[derive(Clone, Default)]
struct Collector {
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    async fn start(statuses: &'static [u16]) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/otlp", listener.local_addr().unwrap());
        let collector = Self::default();
        let kept = collector.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(kept.clone().serve(stream, statuses));
            }
        });
        (collector, endpoint)
    }

    async fn serve(self, mut stream: tokio::net::TcpStream, statuses: &'static [u16]) {
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().unwrap();
            if bytes.len() < end + 4 + length {
                continue;
            }
            let document = serde_json::from_slice(&bytes[end + 4..end + 4 + length]).expect("JSON");
            bytes.drain(..end + 4 + length);
            let count = {
                let mut requests = self.requests.lock().unwrap();
                requests.push((head, document));
                requests.len()
            };
            let status = statuses.get(count - 1).or(statuses.last()).unwrap();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    /// All spans so far.
    fn spans(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let spans = requests.iter().flat_map(|(_, document)| {
            let all = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
            all.as_array().expect("spans").clone()
        });
        spans.collect()
    }

    /// Waits until a span has this name, and gives all of its trace.
    async fn trace_with(&self, name: &str) -> Vec<Value> {
        let found = async {
            loop {
                let spans = self.spans();
                if let Some(span) = spans.iter().find(|span| span["name"] == name) {
                    let trace = span["traceId"].clone();
                    return spans
                        .into_iter()
                        .filter(|span| span["traceId"] == trace)
                        .collect();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, found).await.expect("the trace arrives")
    }
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    let found = spans.iter().find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {spans:#?}"))
}

fn told<'s>(span: &'s Value, name: &str) -> &'s Value {
    let all = span["attributes"].as_array().expect("attributes").iter();
    let value = all.clone().find(|told| told["key"] == name);
    let value = value.unwrap_or_else(|| panic!("{name}: {span:#}"));
    value["value"].as_object().unwrap().values().next().unwrap()
}

/// Sends traces to an endpoint; the exporter has to be kept for as long.
fn traced(endpoint: &str, ratio: f64) -> (impl FnOnce(&mut Options) + use<>, Exporter) {
    let options = otlp::Options::new(endpoint)
        .unwrap()
        .with_ratio(ratio)
        .unwrap();
    let options = options.with_headers("x-tenant=leyden%20test").unwrap();
    let (tracer, exporter) = Exporter::start(options);
    (
        |options: &mut Options| options.tracer = Some(tracer),
        exporter,
    )
}

/// A count of what became of spans.
async fn metric(web: &Web, name: &str) -> u64 {
    let page = web.get("/metrics").await.body;
    let series = format!("leyden_trace_{name} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&series));
    value.expect("a count").parse().unwrap()
}

#[test]
fn a_request_is_told_from_its_head_to_its_commit() {
    run(async {
        let (collector, endpoint) = Collector::start(&[200]).await;
        let (tracing, _exporter) = traced(&endpoint, 1.0);
        let web = Web::start(&built("plugins"), tracing).await;
        let request = web.request(Method::POST, "/house/house-editor/add-house");
        let request = request
            .header("content-type", "application/json")
            .header("traceparent", PARENT)
            .header("tracestate", "vendor=1");
        let answer = send(request.body(r#"{"client_name":"Jean-Paul"}"#)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let spans = collector
            .trace_with("POST /house/house-editor/add-house")
            .await;
        let root = named(&spans, "POST /house/house-editor/add-house");
        assert_eq!(root["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            (&root["parentSpanId"], &root["kind"]),
            (&json!("b7ad6b7169203331"), &json!(2))
        );
        assert_eq!(root["traceState"], "vendor=1");
        assert_eq!(told(root, "http.response.status_code"), "200");
        assert_eq!(told(root, "http.route"), "/house/house-editor/add-house");
        assert_eq!(told(root, "leyden.component"), "house");
        assert_eq!(
            told(root, "leyden.request"),
            answer.headers["x-request-id"].as_str()
        );
        for (name, parent) in [("queue", root), ("run", root), ("commit", root)] {
            assert_eq!(
                named(&spans, name)["parentSpanId"],
                parent["spanId"],
                "{name}"
            );
        }
        let run = named(&spans, "run");
        assert_eq!(told(run, "leyden.component"), "house");
        let call = named(&spans, "call");
        assert_eq!(call["parentSpanId"], run["spanId"]);
        assert_eq!(told(call, "leyden.component"), "client-database");
        assert_eq!(told(named(&spans, "policy"), "leyden.policy"), "assignment");
        let ids: std::collections::BTreeSet<String> = spans
            .iter()
            .map(|span| span["spanId"].to_string())
            .collect();
        assert_eq!(ids.len(), spans.len(), "each span has an id of its own");
        let time = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        for span in &spans {
            let (began, ended) = (
                time(span, "startTimeUnixNano"),
                time(span, "endTimeUnixNano"),
            );
            assert!(
                time(root, "startTimeUnixNano") <= began && began <= ended,
                "{span:#}"
            );
            assert!(ended <= time(root, "endTimeUnixNano"), "{span:#}");
        }
        let (head, document) = collector.requests.lock().unwrap()[0].clone();
        assert!(
            head.starts_with("POST /otlp/v1/traces HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\ncontent-type: application/json\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nx-tenant: leyden test\r\n"), "{head}");
        let resource = &document["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(
            resource,
            &json!({ "key": "service.name", "value": { "stringValue": "leyden" } })
        );
    });
}

#[test]
fn callers_say_what_is_sampled_and_failures_are_marked() {
    run(async {
        let (collector, endpoint) = Collector::start(&[200]).await;
        let (tracing, _exporter) = traced(&endpoint, 0.0);
        let web = host(tracing).await;
        let with = |path: &str, parent: &str| {
            let request = web.request(Method::GET, path);
            send(request.header("traceparent", parent))
        };
        web.get("/echo/none").await;
        with("/echo/broken", "00-broken").await;
        with("/echo/unsampled", &PARENT.replace("-01", "-00")).await;
        with("/nothing", PARENT).await;
        let answer = with("/probe/trap", PARENT).await;
        assert_eq!(answer.status, 502);
        let spans = collector.trace_with("GET /probe/{action}").await;
        let failed = named(&spans, "GET /probe/{action}");
        assert_eq!(failed["status"]["code"], 2);
        let message = named(&spans, "run")["status"]["message"].as_str().unwrap();
        assert!(message.contains("trapped"), "{message}");
        assert!(
            !spans.iter().any(|span| span["name"] == "commit"),
            "nothing was committed"
        );
        // A path that nobody answers is told, and is no name.
        let nothing = named(&spans, "GET");
        assert_eq!(
            (told(nothing, "url.path"), &nothing["status"]),
            (&json!("/nothing"), &Value::Null)
        );
        let all = collector.spans();
        assert_eq!(
            all.len(),
            spans.len(),
            "what is not sampled is not told: {all:#?}"
        );
    });
}

#[test]
fn components_go_on_with_the_hosts_span() {
    run(async {
        let (collector, endpoint) = Collector::start(&[200]).await;
        let (tracing, _exporter) = traced(&endpoint, 1.0);
        let web = host(tracing).await;
        let recording = web.request(Method::POST, "/admin/record/start").body("{}");
        let mut recording = recording.send().await.unwrap();
        assert_eq!(recording.status(), 200);
        let asked = web
            .request(Method::GET, "/echo")
            .header("traceparent", PARENT);
        send(asked).await;
        let spans = collector.trace_with("GET /echo").await;
        let id = named(&spans, "GET /echo")["spanId"]
            .as_str()
            .unwrap()
            .to_owned();
        let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{id}-01");
        let mut record = String::new();
        let reading = async {
            while !record.contains(&expected) {
                let chunk = recording.chunk().await.unwrap().expect("more");
                record.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        timeout(PATIENCE, reading)
            .await
            .expect("the component was given the host's span");
        assert!(!record.contains(PARENT));
    });
}

/// One that takes nothing now is tried again; what it refuses for good is dropped.
#[test]
fn a_collector_that_cannot_now_is_tried_again() {
    run(async {
        let (collector, endpoint) = Collector::start(&[503, 200]).await;
        let (tracing, _exporter) = traced(&endpoint, 1.0);
        let web = host(tracing).await;
        web.get("/echo").await;
        let again = async {
            while collector.requests.lock().unwrap().len() < 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, again).await.expect("a second try");
        let requests = collector.requests.lock().unwrap().clone();
        assert_eq!(requests[0].1, requests[1].1);
        let taken = requests[1].1["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
        let taken = taken.expect("spans").len() as u64;
        let counted = async {
            while metric(&web, "spans_sent_total").await < taken {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(PATIENCE, counted)
            .await
            .expect("what was taken is counted");
        assert_eq!(metric(&web, "spans_dropped_total").await, 0);
    });
}

#[test]
fn nobody_waits_for_a_collector_that_is_not_there() {
    run(async {
        // One that accepts nothing, and one that never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
        for endpoint in ["http://127.0.0.1:1", &silent.0] {
            let (tracing, exporter) = traced(endpoint, 1.0);
            let web = host(tracing).await;
            web.get("/echo").await;
            let began = Instant::now();
            for _ in 0..1_500 {
                assert_eq!(web.get("/echo").await.status, 200);
            }
            let took = began.elapsed();
            assert!(took < Duration::from_secs(30), "{took:?}");
            let dropped = async {
                while metric(&web, "spans_dropped_total").await == 0 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            };
            timeout(PATIENCE, dropped)
                .await
                .expect("what is dropped is counted");
            web.shutdown.cancel();
            drop(web);
            timeout(Duration::from_secs(5), exporter.flushed())
                .await
                .expect("the end is bounded");
        }
    });
}
