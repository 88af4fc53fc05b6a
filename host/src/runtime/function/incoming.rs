//! A request's body on its way into a function, and the one place where its errors become those of `wasi:http`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::Error;

use super::time::Time;

/// Why a request's body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It has more bytes than the function takes.
    TooLarge(u64),
    /// It comes too slowly.
    Slow,
    /// It was cut, or its framing is broken.
    Cut,
}

/// A body that tells how long it is waited for.
pub(super) struct Incoming<B> {
    body: B,
    time: Arc<Time>,
}

impl<B> Incoming<B> {
    pub(super) fn new(body: B, time: Arc<Time>) -> Self {
        Self { body, time }
    }
}

impl<B> Body for Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Fault>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.time.read(polled.is_ready());
        polled.map(|frame| frame.map(|frame| frame.map_err(|error| as_wasi(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn as_wasi(fault: Fault) -> Error {
    match fault {
        Fault::TooLarge(bytes) => Error::HttpRequestBodySize(Some(bytes)),
        Fault::Slow => Error::ConnectionReadTimeout,
        Fault::Cut => Error::ConnectionTerminated,
    }
}
