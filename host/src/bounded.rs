//! A body of HTTP within bounds: its bytes, and the wait for each piece of it. What a function is sent and what it fetches are
//! held to them while they are streamed; nothing is kept here.
//!
//! **Invariant.** A body that was broken off for a bound stays broken: it never looks ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::clock;

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body within bounds.
pub struct Bounded<B> {
    body: B,
    bytes_max: u64,
    left: u64,
    idle_max: Duration,
    alarm: Option<Alarm>,
    met: Option<Bound>,
}

/// Which bound a body has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It has more than so many bytes.
    Bytes(u64),
    /// Nothing came for so long.
    Idle(Duration),
}

/// Why a body breaks off.
#[derive(Debug)]
pub enum Broken<E> {
    /// It has met a bound.
    Met(Bound),
    /// Of itself.
    Body(E),
}

impl<B> Bounded<B> {
    /// A body of so many bytes at most, whose pieces are waited for so long.
    pub(crate) fn new(body: B, bytes_max: u64, idle_max: Duration) -> Self {
        Self {
            body,
            bytes_max,
            left: bytes_max,
            idle_max,
            alarm: None,
            met: None,
        }
    }

    fn meets<E>(&mut self, bound: Bound) -> Broken<E> {
        self.met = Some(bound);
        Broken::Met(bound)
    }

    /// Counts what has come.
    fn counted<E>(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Broken<E>> {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| self.meets(Bound::Bytes(self.bytes_max)))?;
        Ok(frame)
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = Broken<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(bound) = this.met {
            return Poll::Ready(Some(Err(Broken::Met(bound))));
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.alarm = None;
            return Poll::Ready(frame.map(|frame| match frame {
                Ok(frame) => this.counted(frame),
                Err(error) => Err(Broken::Body(error)),
            }));
        }
        let idle_max = this.idle_max;
        let alarm = this
            .alarm
            .get_or_insert_with(|| Box::pin(clock::sleep(idle_max)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Some(Err(this.meets(Bound::Idle(idle_max)))))
    }

    fn is_end_stream(&self) -> bool {
        self.met.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn pieces(
        pieces: &'static [&'static str],
    ) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
        let frames = pieces.iter().map(|piece| Frame::data(Bytes::from(*piece)));
        stream::iter(frames.map(Ok))
    }

    async fn met(mut body: impl Body<Data = Bytes, Error = Broken<Infallible>> + Unpin) -> Bound {
        let mut all = Vec::new();
        let first = loop {
            match body.frame().await {
                Some(Ok(frame)) => all.push(frame),
                Some(Err(Broken::Met(bound))) => break bound,
                None => panic!("it ended after {all:?}"),
            }
        };
        let again = body.frame().now_or_never().expect("at once");
        let again = again.expect("no end").map(|_| ()).expect_err("broken");
        assert!(matches!(again, Broken::Met(bound) if bound == first));
        assert!(!body.is_end_stream());
        first
    }

    #[tokio::test]
    async fn a_body_that_met_a_bound_stays_broken() {
        let long = Duration::from_secs(60);
        let body = |bytes_max| Bounded::new(StreamBody::new(pieces(&["ab", "c"])), bytes_max, long);
        let whole = body(3).collect().await.expect("whole");
        assert_eq!(whole.to_bytes(), "abc");
        assert_eq!(met(body(2)).await, Bound::Bytes(2));
        let short = Duration::from_millis(10);
        let stuck = pieces(&["ab"]).chain(stream::pending());
        let stuck = Bounded::new(StreamBody::new(stuck), 9, short);
        assert_eq!(met(stuck).await, Bound::Idle(short));
    }
}
