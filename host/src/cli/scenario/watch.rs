//! Watching a stream the way any user would: server-sent events over HTTP, from the moment the
//! watch begins.
//!
//! Invariants: whether more events have come is decided by the stream's newest offset, not by
//! waiting; the queue of events not yet asked for is bounded; a full one slows the host's
//! sending, it loses nothing.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::client::Client;
use crate::cli::error::{Error, Problem};

/// Events kept until they are asked for.
const QUEUE_MAX: usize = 10_000;

/// Longest line of the event stream, bytes: an event has one line of JSON.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A watched stream.
pub(crate) struct Watch {
    stream: String,
    /// The offset of the last event that was taken, or of the last one before the watch.
    seen: u64,
    events: mpsc::Receiver<Event>,
    reader: JoinHandle<()>,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its offset.
    pub(crate) offset: u64,
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
        let path = format!("/streams/{stream}?from={}", seen.saturating_add(1));
        let request = client.request(Method::GET, &path)?;
        let response = client
            .open(request.header("accept", "text/event-stream"))
            .await?;
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
        self.seen = event.offset;
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
        if newest(client, &self.stream).await? <= self.seen {
            return Ok(None);
        }
        let late = Error::Answer(format!("an event of {} does not arrive", self.stream));
        self.next(within).await.map(Some).ok_or(late)
    }
}

/// The offset of a stream's newest event; 0 where there is none.
async fn newest(client: &Client, stream: &str) -> Result<u64, Error> {
    let streams = client.get("/admin/streams").await?;
    let found = streams
        .as_array()
        .into_iter()
        .flatten()
        .find(|listed| listed["stream"] == stream);
    Ok(found
        .and_then(|listed| listed["newest"].as_u64())
        .unwrap_or(0))
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
    offset: u64,
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
                offset: self.offset,
                payload: data.join("\n"),
            };
            return (!data.is_empty()).then_some(event);
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.data.push(value.to_owned()),
            "id" => self.offset = value.parse().unwrap_or(self.offset),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream that arrives in pieces of this size.
    fn events(stream: &str, piece: usize) -> Vec<(u64, String)> {
        let mut parser = Parser::default();
        let pieces = stream.as_bytes().chunks(piece);
        let events = pieces.flat_map(|bytes| parser.push(bytes).expect("short"));
        events.map(|event| (event.offset, event.payload)).collect()
    }

    #[test]
    fn events_are_found_however_the_bytes_arrive() {
        let stream = ": hello\n\nid: 7\nevent: x\ndata: {\"a\":1}\n\r\nid: 8\r\ndata:é\r\ndata: b\r\n\r\ndata: cut";
        let expected = [(7, "{\"a\":1}".to_owned()), (8, "é\nb".to_owned())];
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
