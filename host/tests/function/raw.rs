//! HTTP/1.1 as bytes, for what clients hide: chunks, trailers, and where an answer breaks off.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, Web};

/// A connection.
pub(super) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(super) async fn connect(web: &Web) -> Self {
        let stream = TcpStream::connect(web.server.address()).await;
        Self {
            stream: stream.expect("a connection"),
            read: Vec::new(),
        }
    }

    pub(super) async fn send(&mut self, bytes: &str) {
        let sent = self.stream.write_all(bytes.as_bytes()).await;
        sent.expect("sent");
    }

    /// Reads until `end` has come; all that was read up to there, which is taken out.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(at) = text.find(end) {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).expect("text");
            }
            assert!(self.more().await, "the connection ended with {text:?}");
        }
    }

    /// Reads to the end of the connection.
    pub(super) async fn rest(mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// Whether nothing comes for a while.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.more()).await.is_err()
    }

    async fn more(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.read);
        let read = timeout(PATIENCE, reading)
            .await
            .expect("something or the end");
        // A reset is an end too.
        read.is_ok_and(|bytes| bytes > 0)
    }
}
