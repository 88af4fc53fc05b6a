//! Streams as server-sent events: `GET /streams/{name}?from=earliest|latest|OFFSET&format=payload|record`.
//!
//! `data:` is a record's payload and `id:` the place up to which the client has seen the stream: the
//! record's offset, or where the stream has several partitions one offset for each, separated by commas.
//! `latest`, the default, is what is published after the answer has begun; an offset is the first one
//! sent. A client that comes back with `Last-Event-ID` goes on after it, whatever `from` says. Where
//! records are not kept any more, a comment says which, and the stream goes on with the oldest there is.
//! With `format=record` the data is an object: `partition`, `offset`, `key`, `publishedAt`, `payload`.
//!
//! **Invariants.** Records of one partition come in their order, each once. Those of several partitions
//! come as they are found; what is read together is put in the order of its time.

mod positions;
mod source;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{select_all, try_join_all};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Gateway;
use super::control::{Parameter, text};
use super::problem::{Kind, Problem};
use crate::ids::StreamName;
use crate::store::{Error, Offset, Record};
use positions::Form;
use source::{Piece, Source, merged};

/// Time between comments where nothing happens: most proxies cut a silent connection after 30 s.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Time between attempts while the store does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the answer, so that the client knows at once that it is watching, and when to come back.
const GREETING: &str = "retry: 1000\n: watching\n\n";

/// One client that watches one stream.
struct Watcher {
    gateway: Arc<Gateway>,
    sources: Vec<Source>,
    form: Form,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

/// Answers with a stream's records for as long as the client stays.
pub(super) async fn watch(
    State(gateway): State<Arc<Gateway>>,
    name: Parameter,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = StreamName::parse(&text(name)?)
        .map_err(|rule| Problem::field(Kind::NotFound, "stream", rule.0))?;
    let newest = newest(&gateway, &name).await?;
    let start = positions::start(query.as_deref(), headers.get("last-event-id"), &newest)?;
    let place = place(&gateway)?;
    let store = gateway.host.store.as_ref();
    let sources = (0..).zip(start.after);
    let sources = sources.map(|(number, after)| Source::new(store, &name, number, after));
    let watcher = Watcher {
        sources: sources.collect(),
        gateway: gateway.clone(),
        form: start.form,
        greeted: false,
        _place: place,
    };
    Ok(events(watcher, Watcher::next))
}

/// A place among those who watch something, for as long as they do.
///
/// # Errors
/// There is none left.
pub(super) fn place(gateway: &Gateway) -> Result<OwnedSemaphorePermit, Problem> {
    let place = gateway.watchers.clone().try_acquire_owned();
    place.map_err(|_| Problem::new(Kind::Busy, "too many clients watch streams"))
}

/// An answer of server-sent events: the bytes that `next` gives of a source, until it gives none.
pub(super) fn events<S: Send + 'static, F>(
    source: S,
    next: impl Fn(S) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = Option<(Bytes, S)>> + Send + 'static,
{
    let events = stream::unfold((source, next), |(source, next)| async move {
        let (bytes, source) = next(source).await?;
        Some((Ok::<_, Infallible>(bytes), (source, next)))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The newest offset of each partition of a stream. A stream is there if a component names it, the host
/// publishes it, or it has records: otherwise a mistyped name would wait for ever.
async fn newest(gateway: &Gateway, name: &StreamName) -> Result<Vec<Offset>, Problem> {
    let generation = gateway.host.registry.generation();
    let named = generation.components.values().any(|active| {
        let manifest = &active.manifest;
        manifest.publish.contains(name) || manifest.subscribe.contains(name)
    });
    let store = &gateway.host.store;
    let mut kept = store.streams().await?;
    kept.retain(|status| status.partition.stream == *name);
    if !named && kept.is_empty() {
        let detail = format!("no component publishes or handles the stream {name}");
        return Err(Problem::new(Kind::NotFound, detail));
    }
    let mut newest = vec![0; usize::from(store.partitions(name).await?.max(1))];
    for status in kept {
        if let Some(at) = newest.get_mut(usize::from(status.partition.number)) {
            *at = status.newest;
        }
    }
    Ok(newest)
}

impl Watcher {
    /// The next bytes for the client, once there are any; `None` when the host stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.greeted {
            self.greeted = true;
            return Some((Bytes::from_static(GREETING.as_bytes()), self));
        }
        let stopping = self.gateway.stopping.clone();
        let found = tokio::select! {
            found = self.found() => found,
            () = tokio::time::sleep(KEEP_ALIVE) => Ok(Some(":\n\n".to_owned())),
            () = stopping.cancelled() => return None,
        };
        match found {
            Ok(text) => text.map(|text| (text.into(), self)),
            Err(Error::Unavailable(_)) => {
                tokio::time::sleep(PAUSE).await;
                let waiting = ": the store does not answer, waiting\n\n";
                Some((Bytes::from_static(waiting.as_bytes()), self))
            }
            Err(error) => {
                tracing::error!(%error, "watching a stream failed");
                None
            }
        }
    }

    /// What has been published, once there is something; `None` when the store is gone.
    async fn found(&mut self) -> Result<Option<String>, Error> {
        loop {
            let news: Vec<(usize, Offset)> = self
                .sources
                .iter_mut()
                .enumerate()
                .filter_map(|(index, source)| Some((index, source.news()?)))
                .collect();
            if !news.is_empty() {
                let pieces = self.read(&news).await?;
                return Ok(Some(self.tell(pieces)));
            }
            let changes = self
                .sources
                .iter_mut()
                .map(|one| one.tail.changed().boxed());
            let (changed, _, _) = select_all(changes).await;
            if changed.is_err() {
                return Ok(None);
            }
        }
    }

    /// Reads on in the partitions that have something new, each up to its share.
    async fn read(&self, news: &[(usize, Offset)]) -> Result<Vec<Piece>, Error> {
        let store = self.gateway.host.store.as_ref();
        let alone = self.sources.len() == 1;
        let reads = news.iter().map(|&(source, newest)| async move {
            let read = self.sources[source].read(store, newest, news.len(), alone);
            let (records, gap) = read.await?;
            Ok(Piece {
                source,
                newest,
                records,
                gap,
            })
        });
        try_join_all(reads).await
    }

    /// Writes what was read and notes that it was sent.
    fn tell(&mut self, pieces: Vec<Piece>) -> String {
        let mut text: String = pieces
            .iter()
            .filter_map(|piece| piece.gap.as_deref())
            .map(|gap| format!(": {gap}\n\n"))
            .collect();
        for piece in &pieces {
            let source = &mut self.sources[piece.source];
            source.unsure = piece.records.len() > 1;
            if piece.records.is_empty() {
                source.moved(piece.newest);
            }
        }
        for (index, record) in merged(pieces) {
            self.sources[index].moved(record.offset);
            let labels: Vec<&str> = self.sources.iter().map(|one| one.label.as_str()).collect();
            let data = data(self.form, index, &record);
            event(&mut text, &labels.join(","), &data);
        }
        text
    }
}

/// What an event carries.
fn data(form: Form, partition: usize, record: &Record) -> String {
    let payload = String::from_utf8_lossy(&record.payload);
    if form == Form::Payload {
        return payload.into_owned();
    }
    let content = serde_json::from_str(&payload).unwrap_or_else(|_| json!(payload));
    json!({
        "partition": partition,
        "offset": positions::value(record.offset),
        "key": record.key,
        "publishedAt": record.published_at.to_string(),
        "payload": content,
    })
    .to_string()
}

/// Writes one event. Data of several lines takes a `data:` for each.
fn event(text: &mut String, id: &str, data: &str) {
    text.push_str(&format!("id: {id}\n"));
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::ids::Instant;

    fn record(offset: Offset, at: u64, payload: &str) -> Record {
        Record {
            offset,
            key: "k".to_owned(),
            payload: payload.as_bytes().to_vec(),
            published_at: Instant(at),
        }
    }

    #[test]
    fn every_line_of_a_payload_is_data() {
        let mut text = String::new();
        let data = data(Form::Payload, 0, &record(3, 0, "{\n}"));
        event(&mut text, "3", &data);
        assert_eq!(text, "id: 3\ndata: {\ndata: }\n\n");
    }

    #[test]
    fn a_record_is_told_with_its_place() {
        let told: Value =
            serde_json::from_str(&data(Form::Record, 5, &record(3, 0, "{\"a\":1}"))).expect("JSON");
        let expected = json!({
            "partition": 5, "offset": 3, "key": "k",
            "publishedAt": "1970-01-01T00:00:00.000Z", "payload": {"a": 1},
        });
        assert_eq!(told, expected);
        let told: Value =
            serde_json::from_str(&data(Form::Record, 5, &record(1 << 60, 0, "no JSON")))
                .expect("JSON");
        assert_eq!(
            (&told["offset"], &told["payload"]),
            (&json!("1099511627776-0"), &json!("no JSON"))
        );
    }
}
