//! HTTP/1.1 as it is on the wire: what is sent is sent as it stands, what comes back is taken apart here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::web::PATIENCE;

/// How long nothing comes when nothing is to come.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case; lines of one name are joined.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The kind of problem, where it is told as it has to be.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        let document: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(document["status"], self.status, "{document}");
        let kind = document["type"].as_str().expect("a type");
        kind.trim_start_matches("urn:leyden:problem:").to_owned()
    }
}

impl Wire {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("a connection");
        let ahead = Vec::new();
        Self { stream, ahead }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// More bytes; whether there were any.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await;
        // A reset is an end, too.
        read.expect("an answer in time").unwrap_or(0) > 0
    }

    /// The bytes up to and with a mark.
    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self
                .ahead
                .windows(mark.len())
                .position(|window| window == mark);
            if let Some(at) = found {
                return Some(self.ahead.drain(..at + mark.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.more().await, "cut within a body: {:?}", self.ahead);
        }
        self.ahead.drain(..count).collect()
    }

    /// The next answer to a request that was no `HEAD`; `None` at the connection's end.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to(false).await
    }

    /// The next answer; one to `HEAD` has no body.
    pub(crate) async fn answer_to(&mut self, head: bool) -> Option<Answer> {
        let lines = self.until(b"\r\n\r\n").await?;
        let lines = String::from_utf8(lines).expect("text");
        let mut lines = lines.trim_end().split("\r\n");
        let mut first = lines.next().expect("a status line").splitn(3, ' ');
        let version = first.next().expect("a version").to_owned();
        let status = first
            .next()
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let mut headers = BTreeMap::<String, String>::new();
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            let kept = headers.entry(name.to_ascii_lowercase()).or_default();
            let comma = if kept.is_empty() { "" } else { ", " };
            *kept = format!("{kept}{comma}{}", value.trim());
        }
        let mut answer = Answer {
            version,
            status,
            headers,
            body: Vec::new(),
        };
        let bodiless = head || status == 204 || status == 304 || status < 200;
        if !bodiless {
            answer.body = self.body(&answer.headers).await;
        }
        Some(answer)
    }

    async fn body(&mut self, headers: &BTreeMap<String, String>) -> Vec<u8> {
        if let Some(length) = headers.get("content-length") {
            return self.exactly(length.parse().expect("a length")).await;
        }
        let mut body = Vec::new();
        if headers.get("transfer-encoding").map(String::as_str) != Some("chunked") {
            while self.more().await {}
            return std::mem::take(&mut self.ahead);
        }
        loop {
            let line = self.until(b"\r\n").await.expect("a chunk");
            let digits = std::str::from_utf8(&line).expect("text").trim();
            let length = usize::from_str_radix(digits, 16).expect("a length");
            let chunk = self.exactly(length + 2).await;
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    /// Whether the host closes the connection, and sends nothing before it does.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let ended = timeout(PATIENCE, async { !self.more().await }).await;
        ended.unwrap_or(false) && self.ahead.is_empty()
    }

    /// Whether nothing comes, and the connection stays.
    pub(crate) async fn is_silent(&mut self) -> bool {
        self.ahead.is_empty()
            && timeout(SILENCE, self.stream.read_buf(&mut self.ahead))
                .await
                .is_err()
    }
}
