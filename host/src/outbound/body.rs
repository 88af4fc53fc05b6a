//! An answer's body, within bounds on bytes and on waiting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use super::{Error, Stage};
use crate::clock;

/// Longest answer that a function gets: it is streamed and not held, so this bounds traffic.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of an answer from elsewhere.
pub struct Received {
    body: Incoming,
    left: u64,
    between: Duration,
    alarm: Option<Alarm>,
    _place: OwnedSemaphorePermit,
}

impl Received {
    pub(super) fn new(body: Incoming, between: Duration, place: OwnedSemaphorePermit) -> Self {
        Self {
            body,
            left: ANSWER_BYTES_MAX,
            between,
            alarm: None,
            _place: place,
        }
    }

    fn counted(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(Error::TooLong(ANSWER_BYTES_MAX))?;
        Ok(frame)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.alarm = None;
            return Poll::Ready(frame.map(|frame| this.counted(frame?)));
        }
        let between = this.between;
        let alarm = this
            .alarm
            .get_or_insert_with(|| Box::pin(clock::sleep(between)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::TimedOut(Stage::Reading))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
