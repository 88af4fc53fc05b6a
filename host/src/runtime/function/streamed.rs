//! An answer's body that is read piece by piece while its function goes on.
//!
//! **Invariant.** It ends well only if the function has finished it; where the run fails, it ends with [`Broken`], on which
//! the connection breaks the answer off. Where it is dropped before its end, the run ends.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Function;
use super::answer::UNFINISHED;
use super::run::Ended;
use super::time::Time;
use crate::dispatch::heard::Heard;

/// The function did not finish its answer. Why is in the host's log.
#[derive(Debug, thiserror::Error)]
#[error("the function did not finish its answer")]
pub struct Broken;

/// A body that is read piece by piece. Where it is dropped before its end, the run ends, unless it was told to come to
/// its end unread.
#[derive(Debug)]
pub struct Streamed {
    from: From,
    ends_unread: bool,
}

#[derive(Debug)]
enum From {
    /// Everything is there: bytes, then trailers.
    Held(VecDeque<Frame<Bytes>>),
    /// The run goes on; it has left where the body is dropped.
    Running(Option<Box<Running>>),
}

/// What a body that is made while it is read needs.
pub(super) struct Running {
    pub(super) body: HyperOutgoingBody,
    pub(super) run: Run,
    pub(super) function: Arc<Function>,
    pub(super) time: Arc<Time>,
    /// Bytes that the answer may still have.
    pub(super) left: u64,
    /// Whether the body was read to its end; the run's task looks at it, too.
    pub(super) is_read: Arc<AtomicBool>,
    pub(super) task: JoinHandle<()>,
    /// Who listens, where the invocation is recorded.
    pub(super) heard: Option<Arc<Heard>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// What is known of the run.
pub(super) enum Run {
    Going(oneshot::Receiver<Ended>),
    Ended(Ended),
}

impl Streamed {
    /// A body that is there already.
    pub(super) fn held(frames: VecDeque<Frame<Bytes>>) -> Self {
        Self {
            from: From::Held(frames),
            ends_unread: false,
        }
    }

    /// A body that is made while it is read.
    pub(super) fn running(running: Running) -> Self {
        Self {
            from: From::Running(Some(Box::new(running))),
            ends_unread: false,
        }
    }

    /// Lets the function come to its end where nobody reads its answer: to a `HEAD`, or with a status that has no body.
    pub fn end_unread(&mut self) {
        self.ends_unread = true;
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.from {
            From::Held(frames) => Poll::Ready(frames.pop_front().map(Ok)),
            From::Running(Some(running)) => running.poll_frame(context),
            From::Running(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.from, From::Held(frames) if frames.is_empty())
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if let From::Running(running) = &mut self.from
            && let Some(mut running) = running.take_if(|_| self.ends_unread)
        {
            let to_the_end = std::future::poll_fn(move |context| {
                while let Some(Ok(_)) = ready!(running.poll_frame(context)) {}
                Poll::Ready(())
            });
            tokio::spawn(to_the_end);
        }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Broken>>>;

impl Running {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Polled {
        self.time.asked();
        if let Poll::Ready(frame) = self.body.frame().poll_unpin(context) {
            return Poll::Ready(self.took(frame));
        }
        if let Run::Going(ended) = &mut self.run
            && let Poll::Ready(ended) = ended.poll_unpin(context)
        {
            let Ok(ended) = ended else {
                return Poll::Ready(Some(Err(Broken)));
            };
            self.run = Run::Ended(ended);
        }
        match &self.run {
            Run::Going(_) => Poll::Pending,
            Run::Ended(_) => Poll::Ready(self.after_the_run()),
        }
    }

    /// The run has ended and there was nothing to read: what came in between, or the end.
    fn after_the_run(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        if let Some(frame) = self.body.frame().now_or_never() {
            return self.took(frame);
        }
        // The function has returned without finishing the body. What it wrote is the answer; its instance, which
        // holds the body's other end, goes.
        if let Run::Ended(ended) = &mut self.run {
            ended.instance = None;
        }
        self.at_the_end()
    }

    fn took<E>(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
    ) -> Option<Result<Frame<Bytes>, Broken>> {
        let frame = match frame {
            None => return self.at_the_end(),
            Some(Err(_)) => {
                self.tell_unfinished();
                return Some(Err(Broken));
            }
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(left) = self.left.checked_sub(bytes) else {
            let error = self.function.too_long(self.function.response_bytes_max());
            tracing::warn!(detail = %error, "a function's answer is broken off");
            if let Some(heard) = &self.heard {
                heard.failed(&error);
            }
            return Some(Err(Broken));
        };
        if let (Some(heard), Some(piece)) = (&self.heard, frame.data_ref()) {
            heard.piece(piece);
        }
        self.left = left;
        self.time.gave();
        if frame.is_trailers() {
            self.has_read();
        }
        Some(Ok(frame))
    }

    /// The body has no more: whether that is because it is finished, the run knows.
    fn at_the_end(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        if let Run::Going(ended) = &mut self.run {
            match ended.try_recv() {
                Ok(ended) => self.run = Run::Ended(ended),
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.has_read();
                    return None;
                }
                Err(oneshot::error::TryRecvError::Closed) => return Some(Err(Broken)),
            }
        }
        match &mut self.run {
            Run::Ended(ended) if ended.result.is_ok() => {
                if let Some(instance) = ended.instance.take() {
                    self.function.keep(instance);
                }
                self.has_read();
                None
            }
            _ => Some(Err(Broken)),
        }
    }

    fn has_read(&self) {
        self.is_read.store(true, Ordering::Release);
        if let Some(heard) = &self.heard {
            heard.read();
        }
    }

    /// The function has dropped its answer's body before its end, as it may in the answer to a `HEAD`.
    fn tell_unfinished(&self) {
        match &self.heard {
            None => {}
            Some(heard) if heard.is_head() => heard.read(),
            Some(heard) => heard.failed(&self.function.broken(UNFINISHED)),
        }
    }
}

/// Whoever does not read to the end ends the run.
impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_read.load(Ordering::Acquire) {
            self.task.abort();
        }
    }
}
