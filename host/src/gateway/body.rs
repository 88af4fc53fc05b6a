//! Request bodies, read within bounds: bytes, time, and memory over all requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Longest wait for the next bytes of any body: a client that sends nothing for so long is gone.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(20);
/// Longest time for a whole body that a component is waiting for.
pub(super) const WHOLE_MAX: Duration = Duration::from_secs(60);

/// Memory of all bodies that are held at once (KiB). Short ones are not counted: connections bound them.
const HELD_KIB_MAX: usize = 256 * 1024;
/// Bodies up to this length are short (bytes).
const SHORT_BYTES: usize = 64 * 1024;

/// Most bytes that are read and dropped after a body was refused, so that the client, still sending,
/// gets to read why: more than the longest body that any route takes.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest time for that.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It is longer than allowed.
    #[error("the body has more than {limit_bytes} bytes")]
    TooLarge {
        /// What is allowed.
        limit_bytes: u64,
    },
    /// It comes too slowly.
    #[error("the body did not come within {} s", limit.as_secs())]
    Slow {
        /// What is allowed.
        limit: Duration,
    },
    /// It ended before it was whole.
    #[error("the body ended too early, or its framing is broken")]
    Cut,
    /// Too many bodies are held already.
    #[error("too many large bodies are on their way")]
    NoRoom,
}

/// A body, and its share of the memory for bodies.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The bytes.
    pub(super) bytes: Vec<u8>,
    /// Given back when the request is done.
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// Reads bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    room: Arc<Semaphore>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(HELD_KIB_MAX)),
        }
    }
}

impl Reader {
    /// Reads a whole body.
    pub(super) async fn read<B>(
        &self,
        body: &mut B,
        limit_bytes: usize,
        limit: Duration,
    ) -> Result<Held, Error>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        if body.is_end_stream() {
            return Ok(Held::default());
        }
        let hint = body.size_hint();
        let expected = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
        if expected > limit_bytes {
            return Err(Error::TooLarge {
                limit_bytes: limit_bytes as u64,
            });
        }
        let share = self.share(if hint.exact().is_some() {
            expected
        } else {
            limit_bytes
        })?;
        let whole = timeout(limit, collect(body, expected, limit_bytes)).await;
        let bytes = whole.map_err(|_| Error::Slow { limit })??;
        Ok(Held { bytes, share })
    }

    /// A share of the memory; none for a short body.
    fn share(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if bytes <= SHORT_BYTES {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1024)).map_err(|_| Error::NoRoom)?;
        let share = self.room.clone().try_acquire_many_owned(kib);
        share.map(Some).map_err(|_| Error::NoRoom)
    }
}

async fn collect<B>(body: &mut B, expected: usize, limit_bytes: usize) -> Result<Vec<u8>, Error>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut bytes = Vec::with_capacity(expected);
    while let Some(chunk) = next_chunk(body).await? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(Error::TooLarge {
                limit_bytes: limit_bytes as u64,
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The next bytes of a body; `None` at its end.
pub(super) async fn next_chunk<B>(body: &mut B) -> Result<Option<Bytes>, Error>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    while !body.is_end_stream() {
        let frame = timeout(IDLE_MAX, body.frame())
            .await
            .map_err(|_| Error::Slow { limit: IDLE_MAX })?;
        let Some(frame) = frame else { break };
        // Trailers say nothing that is served.
        if let Ok(chunk) = frame.map_err(|_| Error::Cut)?.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Reads what is left of a refused body and drops it, for a short while.
pub(super) async fn linger<B>(mut body: B)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let drain = async {
        let mut left = LINGER_BYTES_MAX;
        while let Ok(Some(chunk)) = next_chunk(&mut body).await {
            let Some(rest) = left.checked_sub(chunk.len()) else {
                break;
            };
            left = rest;
        }
    };
    // Whether the rest came or not: the answer is on its way.
    drop(timeout(LINGER_MAX, drain).await);
}

/// A request's body as it comes from its connection.
pub(super) type Arriving = Lingering<hyper::body::Incoming>;

/// A request's body. Where whoever answers the request does not want the rest of it, that is read and dropped
/// for a short while.
#[derive(Debug)]
pub(super) struct Lingering<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    body: Option<B>,
    tasks: Option<TaskTracker>,
}

impl<B> Lingering<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    /// A body whose rest is read among `tasks`; none: it is not read.
    pub(super) fn new(body: B, tasks: Option<TaskTracker>) -> Self {
        let body = Some(body);
        Self { body, tasks }
    }
}

impl<B> HttpBody for Lingering<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl<B> Drop for Lingering<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        // At the end of the process there may be nobody left to read it.
        if let (Some(rest), Some(tasks), Ok(_)) = (rest, &self.tasks, Handle::try_current()) {
            tasks.spawn(linger(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::Full;

    use super::*;

    fn chunked(chunks: Vec<&'static [u8]>) -> Body {
        Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
    }

    async fn read(mut body: Body, limit_bytes: usize) -> Result<Vec<u8>, Error> {
        Reader::default()
            .read(&mut body, limit_bytes, WHOLE_MAX)
            .await
            .map(|held| held.bytes)
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_their_limit() {
        assert_eq!(
            read(Body::new(Full::from("abc")), 3).await,
            Ok(b"abc".to_vec())
        );
        assert_eq!(
            read(Body::new(Full::from("abcd")), 3).await,
            Err(Error::TooLarge { limit_bytes: 3 })
        );
        assert_eq!(
            read(chunked(vec![b"ab", b"c"]), 3).await,
            Ok(b"abc".to_vec())
        );
        assert_eq!(
            read(chunked(vec![b"ab", b"cd"]), 3).await,
            Err(Error::TooLarge { limit_bytes: 3 })
        );
        assert_eq!(read(Body::empty(), 0).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn large_bodies_share_the_memory() {
        let reader = Reader {
            room: Arc::new(Semaphore::new(100)),
        };
        let large = || Body::new(Full::from(vec![0; SHORT_BYTES + 1]));
        let first = reader.read(&mut large(), 1 << 20, WHOLE_MAX).await.unwrap();
        let second = reader.read(&mut large(), 1 << 20, WHOLE_MAX).await;
        assert_eq!(second.err(), Some(Error::NoRoom));
        drop(first);
        assert!(reader.read(&mut large(), 1 << 20, WHOLE_MAX).await.is_ok());
    }

    #[tokio::test]
    async fn the_rest_of_a_body_that_nobody_wants_is_read() {
        let (tasks, read) = (TaskTracker::new(), Arc::new(AtomicUsize::new(0)));
        let counter = read.clone();
        let chunks = stream::iter(0..10).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>("chunk")
        });
        let mut body = Lingering::new(Body::from_stream(chunks), Some(tasks.clone()));
        assert!(next_chunk(&mut body).await.unwrap().is_some());
        assert_eq!(read.load(Ordering::Relaxed), 1);
        drop(body);
        tasks.close();
        tasks.wait().await;
        assert_eq!(read.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up() {
        let mut body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let limit = Duration::from_millis(20);
        let result = Reader::default().read(&mut body, 10, limit).await;
        assert_eq!(result.err(), Some(Error::Slow { limit }));
    }
}
