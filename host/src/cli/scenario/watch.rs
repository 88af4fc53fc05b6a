//! Watching a stream the way any user would: server-sent events over HTTP, from the moment the
//! watch begins.
//!
//! Invariants: whether more events have come is decided by the newest offsets of the stream's
//! partitions, not by waiting; the queue of events not yet asked for is bounded; a full one slows the
//! host's sending, it loses nothing.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::client::Client;
use crate::cli::error::{Error, Problem};
use crate::store::{Offset, offset_of, offset_text};

/// Events kept until they are asked for.
const QUEUE_MAX: usize = 10_000;

/// Longest line of the event stream, bytes: an event has one line of JSON.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A watched stream.
pub(crate) struct Watch {
    stream: String,
    /// For each partition the offset of the last event that was taken, or of the last one before the watch.
    seen: Vec<Offset>,
    events: mpsc::Receiver<Event>,
    reader: JoinHandle<()>,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// For each partition of the stream, the offset up to which it has been seen with this event.
    pub(crate) place: Vec<Offset>,
    /// What it carries.
    pub(crate) payload: String,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Watch {
    /// Begins to watch; what is published from now on is seen.
    ///
    /// # Errors
    /// The host does not answer or refuses.
    pub(crate) async fn open(client: &Client, stream: String) -> Result<Self, Error> {
        let seen = newest(client, &stream).await?;
        let request = client.request(Method::GET, &format!("/streams/{stream}"))?;
        let request = request
            .header("accept", "text/event-stream")
            .header("last-event-id", text(&seen));
        let response = client.open(request).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let body = response.bytes().await.unwrap_or_default();
            return Err(Error::Refused(Box::new(Problem::of(status, &body))));
        }
        let (sender, events) = mpsc::channel(QUEUE_MAX);
        Ok(Self {
            stream,
            seen,
            events,
            reader: tokio::spawn(read(response, sender)),
        })
    }

    /// The next event's payload; none when the time is over or the host has closed the stream.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<String> {
        let event = tokio::time::timeout(within, self.events.recv())
            .await
            .ok()
            .flatten()?;
        self.seen = event.place;
        Some(event.payload)
    }

    /// The payload of an event that has been published and not been taken yet, if there is one.
    ///
    /// # Errors
    /// The host does not answer, or the event does not arrive `within` that time.
    pub(crate) async fn pending(
        &mut self,
        client: &Client,
        within: Duration,
    ) -> Result<Option<String>, Error> {
        let newest = newest(client, &self.stream).await?;
        let seen = |(number, newest): (usize, &Offset)| {
            *newest <= self.seen.get(number).copied().unwrap_or(0)
        };
        if newest.iter().enumerate().all(seen) {
            return Ok(None);
        }
        let late = Error::Answer(format!("an event of {} does not arrive", self.stream));
        self.next(within).await.map(Some).ok_or(late)
    }
}

/// The offset of the newest event in each partition of a stream; 0 where there is none.
async fn newest(client: &Client, stream: &str) -> Result<Vec<Offset>, Error> {
    let streams = client.get("/admin/streams").await?;
    let found = streams
        .as_array()
        .into_iter()
        .flatten()
        .find(|listed| listed["stream"] == stream);
    let partitions = found.and_then(|listed| listed["partitions"].as_array());
    let newest = partitions.into_iter().flatten();
    let newest: Vec<Offset> = newest.map(|one| offset(&one["newest"])).collect();
    // A stream that has never been used tells nothing of its partitions: 0 stands for all of them.
    Ok(if newest.is_empty() { vec![0] } else { newest })
}

/// An offset in JSON: a number, or text where not every reader holds it exactly.
fn offset(value: &Value) -> Offset {
    let text = value.as_str().and_then(offset_of);
    value.as_u64().or(text).unwrap_or(0)
}

/// A place as the host takes it.
fn text(place: &[Offset]) -> String {
    let offsets: Vec<String> = place.iter().map(|at| offset_text(*at)).collect();
    offsets.join(",")
}

async fn read(mut response: Response, events: mpsc::Sender<Event>) {
    let mut parser = Parser::default();
    while let Ok(Some(chunk)) = response.chunk().await {
        let Some(complete) = parser.push(&chunk) else {
            return;
        };
        for event in complete {
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// Reads an event stream piece by piece. Only `id` and `data` are of interest; names and comments
/// are passed over.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    place: Vec<Offset>,
    data: Vec<String>,
    /// A line feed right after a carriage return belongs to it.
    after_return: bool,
}

impl Parser {
    /// The events that are complete now; none at all when a line is too long to be an event.
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() >= LINE_BYTES_MAX => return None,
                _ => self.line.push(byte),
            }
        }
        Some(events)
    }

    /// A line is over; an empty one ends an event.
    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let event = Event {
                place: self.place.clone(),
                payload: data.join("\n"),
            };
            return (!data.is_empty()).then_some(event);
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.data.push(value.to_owned()),
            "id" => self.place = value.split(',').filter_map(offset_of).collect(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream that arrives in pieces of this size.
    fn events(stream: &str, piece: usize) -> Vec<(Vec<Offset>, String)> {
        let mut parser = Parser::default();
        let pieces = stream.as_bytes().chunks(piece);
        let events = pieces.flat_map(|bytes| parser.push(bytes).expect("short"));
        events.map(|event| (event.place, event.payload)).collect()
    }

    #[test]
    fn events_are_found_however_the_bytes_arrive() {
        let stream = ": hello\n\nid: 7\nevent: x\ndata: {\"a\":1}\n\r\nid: 8,1-3\r\ndata:é\r\ndata: b\r\n\r\ndata: cut";
        let first = (vec![7], "{\"a\":1}".to_owned());
        let expected = [first, (vec![8, (1 << 20) + 3], "é\nb".to_owned())];
        for piece in 1..=stream.len() {
            assert_eq!(events(stream, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn an_endless_line_ends_the_watch() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'x'; LINE_BYTES_MAX]).is_some());
        assert!(parser.push(b"x").is_none());
    }
}
