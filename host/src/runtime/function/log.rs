//! What a function writes to its standard output and error, as lines of its log: in the host's log under the function's
//! name, bounded as lines of services are ([`crate::capabilities::log`]).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError};

use super::surroundings::Surroundings;
use crate::capabilities::log::LINES_MAX;
use crate::logs::{LINE_BYTES_MAX, LogLevel};
use crate::runtime::guest::Identity;

/// Bytes that a function may write at a time.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Where lines come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output {
    Out,
    Err,
}

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// The log of one instance.
pub(super) struct Log {
    identity: Arc<Identity>,
    surroundings: Arc<Surroundings>,
    /// Lines of the present request.
    lines: AtomicU32,
    /// What was written of a line that has no end yet, of each output.
    begun: [Mutex<Vec<u8>>; 2],
}

impl Log {
    pub(super) fn new(identity: Arc<Identity>, surroundings: Arc<Surroundings>) -> Self {
        Self {
            identity,
            surroundings,
            lines: AtomicU32::new(0),
            begun: Default::default(),
        }
    }

    /// A request has ended: what it wrote last is a line, and the next one begins to count anew.
    pub(super) fn end(&self) {
        for output in [Output::Out, Output::Err] {
            let rest = std::mem::take(&mut *self.line(output));
            if !rest.is_empty() {
                self.emit(output, &rest);
            }
        }
        self.lines.store(0, Ordering::Relaxed);
    }

    fn line(&self, output: Output) -> std::sync::MutexGuard<'_, Vec<u8>> {
        let line = &self.begun[output as usize];
        line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, output: Output, bytes: &[u8]) {
        let mut line = self.line(output);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.emit(output, &line);
                line.clear();
            }
        }
    }

    fn emit(&self, output: Output, line: &[u8]) {
        if self.has_room() {
            let component = self.identity.culprit.component.as_str();
            let line = String::from_utf8_lossy(line);
            let line = self.surroundings.mask(line.trim_end());
            self.identity.log.write(LogLevel::Info, &line);
            tracing::info!(component, output = output.name(), "{line}");
        }
    }

    /// A line of the host's own, for whoever looks after the function.
    pub(super) fn warn(&self, line: &dyn std::fmt::Display) {
        if self.has_room() {
            let component = self.identity.culprit.component.as_str();
            self.identity.log.write(LogLevel::Warn, &line.to_string());
            tracing::warn!(component, "{line}");
        }
    }

    /// Counts a line; where there are too many, that is said once.
    fn has_room(&self) -> bool {
        let count = self.lines.fetch_add(1, Ordering::Relaxed);
        if count == LINES_MAX {
            let component = self.identity.culprit.component.as_str();
            let told = "more log lines of this request are dropped";
            self.identity.log.write(LogLevel::Warn, told);
            tracing::warn!(component, "{told}");
        }
        count < LINES_MAX
    }
}

/// One output of an instance.
pub(super) struct Stream {
    pub(super) log: Arc<Log>,
    pub(super) output: Output,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    /// For other versions of WASI, which are not served.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self {
            log: self.log.clone(),
            output: self.output,
        })
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.log.write(self.output, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(WRITE_BYTES_MAX)
    }
}
