//! Sends traces to a collector: OTLP over HTTP, as JSON (OTLP 1.x, "JSON Protobuf encoding"), to `<endpoint>/v1/traces`.
//!
//! Written here instead of taken from the OpenTelemetry crates: what is needed of them is one document and one request, and
//! spans are noted by `trace.rs`, which costs nothing where it is off.
//!
//! **Invariants.** Requests never wait for a collector: what is noted goes into a bounded queue, and what a collector does not take is
//! dropped and counted. Nothing is held longer than a batch and its tries.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::logs::with_causes;
use super::trace::{Counts, Finished, Span, Tracer, Value};
use crate::{clock, percent};

/// Requests that wait to be sent; a thousand are some hundred KiB, and bridge a collector's restart.
const QUEUE_MAX: usize = 1_024;
/// Requests in one batch.
const BATCH_MAX: usize = 256;
/// How long a batch is collected after its first request.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// Longest wait for a collector.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Tries of a batch that a collector cannot take now.
const TRIES_MAX: u32 = 3;
/// Wait before the second try, ms; doubled each time.
const RETRY_MS: u64 = 500;
/// Longest wait for what is still in the queue when the host stops.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Where traces go, and which.
#[derive(Clone)]
pub struct Options {
    /// The collector: `http://HOST:PORT[/PATH]`, without `/v1/traces`.
    pub endpoint: Url,
    /// Sent along with each request, for collectors that ask who sends.
    pub headers: HeaderMap,
    /// Share of the traces that begin here which are sampled, 0 to 1.
    pub ratio: f64,
    /// The name under which the host shows.
    pub service: String,
}

/// Why options are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The endpoint is none.
    #[error(
        "the endpoint must be http://HOST:PORT[/PATH]; for TLS run a collector beside the host"
    )]
    Endpoint,
    /// The headers are none.
    #[error("the headers must be NAME=VALUE[,NAME=VALUE…], values percent-encoded")]
    Headers,
    /// The ratio is none.
    #[error("the ratio must be a number from 0 to 1")]
    Ratio,
}

impl Options {
    /// The options for an endpoint.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(endpoint: &str) -> Result<Self, Error> {
        let endpoint = Url::parse(endpoint).map_err(|_| Error::Endpoint)?;
        if endpoint.scheme() != "http" || !endpoint.has_host() {
            return Err(Error::Endpoint);
        }
        Ok(Self {
            endpoint,
            headers: HeaderMap::new(),
            ratio: 1.0,
            service: "leyden".to_owned(),
        })
    }

    /// Reads headers as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,…`, values percent-encoded.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn with_headers(mut self, text: &str) -> Result<Self, Error> {
        let pairs = text
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        for pair in pairs {
            let (name, value) = pair.split_once('=').ok_or(Error::Headers)?;
            let name = HeaderName::try_from(name.trim()).map_err(|_| Error::Headers)?;
            let value = percent::bytes(value.trim()).ok_or(Error::Headers)?;
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| Error::Headers)?;
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        Ok(self)
    }

    /// Samples this share of the traces that begin here.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn with_ratio(mut self, ratio: f64) -> Result<Self, Error> {
        self.ratio = ratio;
        (0.0..=1.0)
            .contains(&ratio)
            .then_some(self)
            .ok_or(Error::Ratio)
    }

    /// Where traces are posted.
    fn target(&self) -> Url {
        let mut target = self.endpoint.clone();
        let path = format!("{}/v1/traces", target.path().trim_end_matches('/'));
        target.set_path(&path);
        target
    }
}

/// Sends until the tracer has gone.
#[derive(Debug)]
pub struct Exporter(JoinHandle<()>);

impl Exporter {
    /// Starts to send what the tracer is given.
    #[must_use]
    pub fn start(options: Options) -> (Arc<Tracer>, Self) {
        let (queue, noted) = mpsc::channel(QUEUE_MAX);
        let counts = Arc::<Counts>::default();
        let tracer = Tracer::new(options.ratio, queue, counts.clone());
        let sender = Sender::new(options, counts);
        (Arc::new(tracer), Self(tokio::spawn(sender.run(noted))))
    }

    /// Waits, for a short while, until what is still in the queue is sent. Nobody must hold the tracer any more.
    pub async fn flushed(mut self) {
        if tokio::time::timeout(FLUSH_MAX, &mut self.0).await.is_err() {
            self.0.abort();
            tracing::warn!("the last traces were dropped: the collector did not take them in time");
        }
    }
}

struct Sender {
    client: reqwest::Client,
    target: Url,
    headers: HeaderMap,
    resource: Json,
    counts: Arc<Counts>,
    /// Whether the last batch was taken, so that each change is logged once.
    is_taken: bool,
}

impl Sender {
    fn new(options: Options, counts: Arc<Counts>) -> Self {
        Self {
            target: options.target(),
            client: reqwest::Client::new(),
            resource: resource(&options.service),
            headers: options.headers,
            counts,
            is_taken: true,
        }
    }

    async fn run(mut self, mut noted: mpsc::Receiver<Finished>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while noted.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let filling = async {
                while batch.len() < BATCH_MAX {
                    let room = BATCH_MAX - batch.len();
                    if noted.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            // Whether it is full or not: it has waited long enough.
            drop(tokio::time::timeout(BATCH_DELAY, filling).await);
            self.send(&batch).await;
            batch.clear();
        }
    }

    async fn send(&mut self, batch: &[Finished]) {
        let body = document(&self.resource, batch).to_string();
        let spans = batch
            .iter()
            .map(|finished| finished.spans.len() as u64)
            .sum();
        let mut outcome = self.post(&body).await;
        for tried in 1..TRIES_MAX {
            if !matches!(outcome, Err((_, true))) {
                break;
            }
            clock::sleep(Duration::from_millis(RETRY_MS << (tried - 1))).await;
            outcome = self.post(&body).await;
        }
        match outcome {
            Ok(()) => {
                self.counts.sent.add_many(spans);
                if !std::mem::replace(&mut self.is_taken, true) {
                    tracing::info!(collector = %self.target, "the collector takes traces again");
                }
            }
            Err((why, _)) => {
                self.counts.dropped.add_many(spans);
                if std::mem::replace(&mut self.is_taken, false) {
                    tracing::warn!(collector = %self.target, why, "traces are dropped: the collector does not take them");
                }
            }
        }
    }

    /// Posts a batch; where it is not taken, why, and whether it may be later.
    async fn post(&self, body: &str) -> Result<(), (String, bool)> {
        let request = self.client.post(self.target.clone());
        let request = request
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(SEND_MAX)
            .body(body.to_owned());
        let answer = request.send().await;
        let status = answer
            .map_err(|error| (with_causes(&error.without_url()), true))?
            .status();
        // Those that the protocol says to try again (OTLP, "Retryable Response Codes").
        let later = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        match status.is_success() {
            true => Ok(()),
            false => Err((format!("it answers {status}"), later.contains(&status))),
        }
    }
}

/// Who sends.
fn resource(service: &str) -> Json {
    let instance = uuid::Uuid::new_v4().to_string();
    let told = [
        ("service.name", service),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &instance),
    ];
    let told = told.map(|(name, text)| json!({ "key": name, "value": { "stringValue": text } }));
    json!({ "attributes": told })
}

/// An `ExportTraceServiceRequest`.
fn document(resource: &Json, batch: &[Finished]) -> Json {
    let of_request = |finished: &Finished| {
        let last = finished.spans.len().saturating_sub(1);
        let spans = finished.spans.iter().enumerate();
        let spans = spans.map(|(at, span)| span_json(finished, span, at == last));
        spans.collect::<Vec<_>>()
    };
    let spans: Vec<Json> = batch.iter().flat_map(of_request).collect();
    let scope = json!({ "name": "leyden", "version": env!("CARGO_PKG_VERSION") });
    json!({
        "resourceSpans": [{
            "resource": resource,
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    })
}

/// A span; numbers of 64 bits are texts there, and ids hexadecimal. `root`: of the request itself.
fn span_json(finished: &Finished, span: &Span, root: bool) -> Json {
    /// `SPAN_KIND_INTERNAL` and `SPAN_KIND_SERVER`.
    const KINDS: [u8; 2] = [1, 2];
    let told = span.told.iter().map(|(name, value)| {
        let value = match value {
            Value::Text(text) => json!({ "stringValue": text }),
            Value::Number(number) => json!({ "intValue": number.to_string() }),
        };
        json!({ "key": name, "value": value })
    });
    let mut document = json!({
        "traceId": format!("{:032x}", finished.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": KINDS[usize::from(root)],
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": told.collect::<Vec<_>>(),
    });
    if let Some(parent) = span.parent {
        document["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    if let Some(state) = &finished.state {
        document["traceState"] = json!(state);
    }
    if let Some(why) = &span.failed {
        /// `STATUS_CODE_ERROR`.
        const ERROR: u8 = 2;
        document["status"] = json!({ "code": ERROR, "message": why });
    }
    document
}

#[cfg(test)]
mod tests;
