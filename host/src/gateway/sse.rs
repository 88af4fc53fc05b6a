//! Streams as server-sent events: `GET /streams/{name}?from=earliest|latest|OFFSET`.
//!
//! `id:` is a record's offset and `data:` its payload. `latest`, the default, is what is published after
//! the answer has begun; an offset is the first one sent. A client that comes back with
//! `Last-Event-ID` goes on after it, whatever `from` says. Where records are not kept any more, a
//! comment says which, and the stream goes on with the oldest there is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Gateway;
use super::control::{Parameter, text};
use super::problem::{Kind, Problem};
use crate::ids::StreamName;
use crate::store::{Error, Offset, Record};

/// Most records read from the store at a time.
const RECORDS_MAX: usize = 500;
/// Most payload bytes read from the store at a time; a slow client holds no more.
const RECORDS_BYTES_MAX: usize = 256 * 1024;
/// Time between comments where nothing happens: most proxies cut a silent connection after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Opens the answer, so that the client knows at once that it is watching, and when to come back.
const GREETING: &str = "retry: 1000\n: watching\n\n";

/// One client that watches one stream.
struct Watcher {
    gateway: Arc<Gateway>,
    name: StreamName,
    tail: watch::Receiver<Offset>,
    /// The last offset that was sent or passed over.
    after: Offset,
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
    known(&gateway, &name).await?;
    let place = gateway.watchers.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::new(Kind::Busy, "too many clients watch streams"))?;
    let tail = gateway.host.store.tail(&name);
    let newest = *tail.borrow();
    let after = start(query.as_deref(), headers.get("last-event-id"), newest)?;
    let watcher = Watcher {
        gateway,
        name,
        tail,
        after,
        greeted: false,
        _place: place,
    };
    let events = stream::unfold(watcher, |watcher| async {
        watcher
            .next()
            .await
            .map(|(bytes, watcher)| (Ok::<_, Infallible>(bytes), watcher))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A stream is there if a component names it, the host publishes it, or it has records: otherwise a
/// mistyped name would wait for ever.
async fn known(gateway: &Gateway, name: &StreamName) -> Result<(), Problem> {
    let generation = gateway.host.registry.generation();
    let named = generation.components.values().any(|active| {
        let manifest = &active.manifest;
        manifest.publish.contains(name) || manifest.subscribe.contains(name)
    });
    if named
        || gateway
            .host
            .store
            .streams()
            .await?
            .iter()
            .any(|(stream, _)| stream == name)
    {
        return Ok(());
    }
    Err(Problem::new(
        Kind::NotFound,
        format!("no component publishes or handles the stream {name}"),
    ))
}

/// The offset after which to begin.
fn start(
    query: Option<&str>,
    last: Option<&HeaderValue>,
    newest: Offset,
) -> Result<Offset, Problem> {
    if let Some(last) = last {
        let offset = last.to_str().ok().and_then(|text| text.trim().parse().ok());
        return offset
            .ok_or_else(|| Problem::field(Kind::Invalid, "Last-Event-ID", "must be an offset"));
    }
    let mut after = newest;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        after = match pair.split_once('=').unwrap_or((pair, "")) {
            ("from", "latest") => newest,
            ("from", "earliest") => 0,
            ("from", offset) => first(offset)? - 1,
            (name, _) => {
                return Err(Problem::field(
                    Kind::Invalid,
                    name,
                    "is not a parameter of this path",
                ));
            }
        };
    }
    Ok(after)
}

/// The offset of the first record to send.
fn first(text: &str) -> Result<Offset, Problem> {
    let offset = text.parse().ok().filter(|offset| *offset > 0);
    offset.ok_or_else(|| {
        Problem::field(
            Kind::Invalid,
            "from",
            "must be earliest, latest or an offset from 1",
        )
    })
}

impl Watcher {
    /// The next bytes for the client, once there are any; `None` when the host stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.greeted {
            self.greeted = true;
            return Some((Bytes::from_static(GREETING.as_bytes()), self));
        }
        loop {
            let newest = *self.tail.borrow_and_update();
            if newest > self.after {
                let bytes = self.read(newest).await;
                let bytes =
                    bytes.inspect_err(|error| tracing::error!(%error, "watching a stream failed"));
                return bytes.ok().map(|bytes| (bytes, self));
            }
            let stopping = self.gateway.stopping.clone();
            tokio::select! {
                changed = self.tail.changed() => changed.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some((Bytes::from_static(b":\n\n"), self)),
                () = stopping.cancelled() => return None,
            }
        }
    }

    /// Reads on, at least up to one record further or, where none is kept, up to the newest.
    async fn read(&mut self, newest: Offset) -> Result<Bytes, Error> {
        let mut snapshot = self.gateway.host.store.snapshot().await?;
        let records = snapshot
            .read_log(&self.name, self.after, RECORDS_MAX, RECORDS_BYTES_MAX)
            .await?;
        let mut text = String::new();
        let next = records.first().map_or(newest + 1, |record| record.offset);
        if next > self.after + 1 {
            text = format!(
                ": offsets {} to {} are not kept any more\n\n",
                self.after + 1,
                next - 1
            );
        }
        records.iter().for_each(|record| event(&mut text, record));
        self.after = records.last().map_or(newest, |record| record.offset);
        Ok(text.into())
    }
}

/// Writes one event. A payload of several lines takes a `data:` for each.
fn event(text: &mut String, record: &Record) {
    text.push_str(&format!("id: {}\n", record.offset));
    for line in String::from_utf8_lossy(&record.payload).split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Instant;

    #[test]
    fn a_watch_begins_where_it_is_told_to() {
        let from =
            |query: &str| start(Some(query), None, 7).map_err(|problem| problem.status().as_u16());
        assert_eq!(start(None, None, 7), Ok(7));
        assert_eq!(from("from=latest"), Ok(7));
        assert_eq!(from("from=earliest"), Ok(0));
        assert_eq!(from("from=5"), Ok(4));
        assert_eq!(from("from=900"), Ok(899));
        for wrong in [
            "from=0",
            "from=",
            "from=-1",
            "from=x",
            "from",
            "form=1",
            "from=18446744073709551616",
        ] {
            assert_eq!(from(wrong), Err(422), "{wrong}");
        }
    }

    #[test]
    fn a_returning_client_goes_on_after_its_last_event() {
        let last = |text: &'static str| {
            start(
                Some("from=earliest"),
                Some(&HeaderValue::from_static(text)),
                7,
            )
        };
        assert_eq!(last("3"), Ok(3));
        assert_eq!(last("x").unwrap_err().status(), 422);
    }

    #[test]
    fn every_line_of_a_payload_is_data() {
        let (key, published_at) = (String::new(), Instant(0));
        let mut text = String::new();
        event(
            &mut text,
            &Record {
                offset: 3,
                key,
                payload: b"{\n}".to_vec(),
                published_at,
            },
        );
        assert_eq!(text, "id: 3\ndata: {\ndata: }\n\n");
    }
}
