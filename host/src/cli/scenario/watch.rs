//! Watching a stream the way any user would: server-sent events over HTTP, from the moment the
//! watch begins.
//!
//! Invariant: the queue of events not yet asked for is bounded; a full one slows the host's
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
    events: mpsc::Receiver<String>,
    reader: JoinHandle<()>,
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
    pub(crate) async fn open(client: &Client, stream: &str) -> Result<Self, Error> {
        let request = client.request(Method::GET, &format!("/streams/{stream}?from=latest"))?;
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
            events,
            reader: tokio::spawn(read(response, sender)),
        })
    }

    /// The next event's payload; none when the time is over or the host has closed the stream.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<String> {
        tokio::time::timeout(within, self.events.recv())
            .await
            .ok()
            .flatten()
    }
}

async fn read(mut response: Response, events: mpsc::Sender<String>) {
    let mut parser = Parser::default();
    while let Ok(Some(chunk)) = response.chunk().await {
        let Some(payloads) = parser.push(&chunk) else {
            return;
        };
        for payload in payloads {
            if events.send(payload).await.is_err() {
                return;
            }
        }
    }
}

/// Reads an event stream piece by piece. Only `data` is of interest: names, ids and comments are
/// passed over.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    data: Vec<String>,
    /// A line feed right after a carriage return belongs to it.
    after_return: bool,
}

impl Parser {
    /// The payloads that are complete now; none at all when a line is too long to be an event.
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<String>> {
        let mut payloads = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => payloads.extend(self.end_line()),
                _ if self.line.len() >= LINE_BYTES_MAX => return None,
                _ => self.line.push(byte),
            }
        }
        Some(payloads)
    }

    /// A line is over; an empty one ends an event.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then(|| data.join("\n"));
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            self.data.push(String::from_utf8_lossy(data).into_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payloads of a stream that arrives in pieces of this size.
    fn payloads(stream: &str, piece: usize) -> Vec<String> {
        let mut parser = Parser::default();
        stream
            .as_bytes()
            .chunks(piece)
            .flat_map(|bytes| parser.push(bytes).expect("short"))
            .collect()
    }

    #[test]
    fn payloads_are_found_however_the_bytes_arrive() {
        let stream = ": hello\n\nid: 7\nevent: x\ndata: {\"a\":1}\n\r\nid: 8\r\ndata:é\r\ndata: b\r\n\r\ndata: cut";
        for piece in 1..=stream.len() {
            assert_eq!(
                payloads(stream, piece),
                ["{\"a\":1}", "é\nb"],
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn an_endless_line_ends_the_watch() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'x'; LINE_BYTES_MAX]).is_some());
        assert!(parser.push(b"x").is_none());
    }
}
