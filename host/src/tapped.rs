//! A body of HTTP that somebody listens to as it passes, without holding it up.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What passes.
pub(crate) enum Passed<'a> {
    /// A piece.
    Piece(&'a [u8]),
    /// Its good end.
    End,
    /// It breaks off.
    Broken,
}

/// A body with whoever listens to it. Trailers are not told.
pub(crate) struct Tapped<B, L> {
    body: B,
    listen: L,
}

impl<B, L: FnMut(Passed<'_>)> Tapped<B, L> {
    pub(crate) fn new(body: B, listen: L) -> Self {
        Self { body, listen }
    }
}

impl<B, L> Body for Tapped<B, L>
where
    B: Body<Data = Bytes> + Unpin,
    L: FnMut(Passed<'_>) + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => (self.listen)(Passed::End),
            Some(Err(_)) => (self.listen)(Passed::Broken),
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    (self.listen)(Passed::Piece(piece));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
