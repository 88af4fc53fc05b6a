//! One recording: what it takes in, and how far it is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Options, Status};
use crate::clock;
use crate::ids::Instant;
use crate::replay::Taken;

/// Invocations that wait to be written at most: what a busy host runs in a tenth of a second.
const QUEUE_MAX: usize = 1_024;

/// Bytes of such invocations, about: one alone may have read 64 MiB.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// One recording.
pub(super) struct Session {
    pub(super) options: Options,
    since: Instant,
    queue: mpsc::Sender<Taken>,
    queued_bytes: AtomicUsize,
    missed: AtomicU64,
    kept: AtomicU64,
    bytes: AtomicU64,
    pub(super) stop: CancellationToken,
}

impl Session {
    /// A recording that begins, and what it takes in; `stop` ends it.
    pub(super) fn new(options: Options, stop: CancellationToken) -> (Self, mpsc::Receiver<Taken>) {
        let (queue, taken) = mpsc::channel(QUEUE_MAX);
        let session = Self {
            since: clock::system_now(),
            options,
            queue,
            queued_bytes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            stop,
        };
        (session, taken)
    }

    pub(super) fn status(&self) -> Status {
        Status {
            recording: true,
            since: Some(self.since.to_string()),
            component: self.options.component.clone(),
            failing: self.options.is_failing,
            invocations: self.kept.load(Ordering::Relaxed),
            limit: self.options.limit,
            missed: self.missed(),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// How many invocations were left out.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Takes an invocation in, if it is wanted and there is room.
    pub(super) fn keep(&self, taken: Taken) {
        if self.options.is_failing && !taken.outcome.output.is_failure() {
            return;
        }
        let bytes = taken.bytes();
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if queued + bytes <= QUEUE_BYTES_MAX && self.queue.try_send(taken).is_ok() {
            return;
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        // Once it is stopping, nothing is missed.
        if !self.stop.is_cancelled() && !self.queue.is_closed() {
            self.miss();
        }
    }

    /// An invocation is being written, and does not wait any more.
    pub(super) fn took(&self, taken: &Taken) {
        let bytes = taken.bytes();
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// An invocation is left out.
    pub(super) fn miss(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that so much was written; why the recording is at its end, if it is.
    pub(super) fn wrote(&self, bytes: usize) -> Option<&'static str> {
        let kept = self.kept.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if kept >= self.options.limit {
            return Some("limit");
        }
        (bytes >= self.options.bytes_max).then_some("bytes")
    }
}
