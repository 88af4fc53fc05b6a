//! How a function's own requests are sent, and which header fields are the host's.

mod noted;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use noted::Noting;

use super::log::Log;
use crate::dispatch::Notes;
use crate::outbound::{self, Outbound, Patience, Stage};
use crate::runtime::guest::Identity;
use crate::telemetry::request;
use crate::telemetry::trace::TRACE_PARENT;

/// Header fields that belong to a connection, which is the host's: functions neither see nor set them.
static FORBIDDEN: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    HeaderName::from_static("http2-settings"),
];

/// Bytes of a body that a function may hand over at a time, and pieces of it that wait for the connection: together
/// what a body holds of the host's memory. As many as the connection writes at a time: with one of them it writes each alone.
const CHUNK_BYTES_MAX: usize = 64 << 10;
const CHUNKS_MAX: usize = 4;

/// Requests of one instance that are under way at a time.
const REQUESTS_MAX: usize = 16;

/// Sends what a function asks for.
pub(super) struct Outgoing {
    identity: Arc<Identity>,
    outbound: Outbound,
    log: Arc<Log>,
    /// Where the invocation is recorded or replayed.
    notes: Option<Arc<Notes>>,
    places: Arc<Semaphore>,
    /// Whether the instance is gone.
    is_gone: Arc<AtomicBool>,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

/// The body of a request. Where the run fails in the middle of it, its end looks like a good one, and the request like one
/// that was meant so; what ends after its instance has gone is broken off.
struct Sending<B> {
    body: B,
    is_gone: Arc<AtomicBool>,
}

impl<B> Body for Sending<B>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let is_broken = frame.is_none() && self.is_gone.load(Ordering::Acquire);
        Poll::Ready(
            is_broken
                .then_some(Err(Error::ConnectionTerminated))
                .or(frame),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What goes on as long as an answer's body is read.
type Going = Box<dyn Future<Output = Result<(), Error>> + Send>;

type Sent = Result<(Response<WasiBody>, Going), Error>;

impl Outgoing {
    pub(super) fn new(
        identity: Arc<Identity>,
        outbound: Outbound,
        log: Arc<Log>,
        notes: Option<Arc<Notes>>,
    ) -> Self {
        Self {
            identity,
            outbound,
            log,
            notes,
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
            is_gone: Arc::default(),
        }
    }

    /// Sends a request, and notes it and what comes of it where that is asked for.
    fn noted(
        &self,
        request: Request<WasiBody>,
        patience: Patience,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let is_gone = self.is_gone.clone();
        let request = request.map(|body| Sending { body, is_gone });
        let Some(notes) = &self.notes else {
            return Box::new(self.send(request, patience));
        };
        let (noting, request) = Noting::of(notes, request);
        if notes.is_replay() {
            return Box::new(noting.again(request));
        }
        let sending = self.send(request, patience);
        Box::new(async move { noting.answered(sending.await) })
    }

    fn send<B>(
        &self,
        mut request: Request<B>,
        patience: Patience,
    ) -> impl Future<Output = Sent> + Send + use<B>
    where
        B: Body<Data = Bytes, Error = Error> + Send + Unpin + 'static,
    {
        go_on_with_the_trace(request.headers_mut());
        let (identity, outbound) = (self.identity.clone(), self.outbound.clone());
        let (log, place) = (self.log.clone(), self.places.clone().try_acquire_owned());
        async move {
            let place = place.map_err(|_| Error::ConnectionLimitReached)?;
            let named = &identity.manifest.outbound;
            let sent = outbound.send(named, request, patience).await;
            let exchange = sent.map_err(|error| {
                log.warn(&format_args!("a request was not answered: {error}"));
                as_wasi(error)
            })?;
            let response = exchange
                .response
                .map(|body| body.map_err(as_wasi).boxed_unsync());
            let going: Going = Box::new(async move {
                let _place = place;
                // Why a connection broke, its body tells.
                exchange.connection.over().await;
                Ok(())
            });
            Ok((response, going))
        }
    }
}

impl WasiHttpHooks for Outgoing {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        FORBIDDEN.contains(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| FORBIDDEN.contains(name))
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let options = options.unwrap_or_default();
        let patience = Patience {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        self.noted(request, patience)
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS_MAX
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }
}

/// Where the request that the function works for is traced, its trace goes on there, unless the function says otherwise.
fn go_on_with_the_trace(headers: &mut HeaderMap) {
    let parent = request::current(|scope| Some(scope.trace.as_ref()?.parent().to_string()));
    if let Some(Ok(parent)) = parent.flatten().map(HeaderValue::try_from) {
        headers.entry(TRACE_PARENT).or_insert(parent);
    }
}

/// The one place where an error of a request becomes what `wasi:http` calls it.
fn as_wasi(error: outbound::Error) -> Error {
    use outbound::Error as E;
    match error {
        E::Invalid(_) => Error::HttpRequestUriInvalid,
        E::NotNamed(_) | E::NotAllowed(_) => Error::HttpRequestDenied,
        E::Unresolved(_) => no_address(),
        E::NotPublic(..) => Error::DestinationIpProhibited,
        E::Busy => Error::ConnectionLimitReached,
        E::Connect(..) => Error::ConnectionRefused,
        E::Tls(..) if error.is_about_a_certificate() => Error::TlsCertificateError,
        E::Tls(..) => Error::TlsProtocolError,
        E::TimedOut(Stage::Connecting) => Error::ConnectionTimeout,
        E::TimedOut(Stage::Answering) => Error::HttpResponseTimeout,
        E::TimedOut(Stage::Reading) => Error::ConnectionReadTimeout,
        E::Http(error) if error.is_incomplete_message() => Error::HttpResponseIncomplete,
        E::Http(_) => Error::HttpProtocolError,
        E::TooLong(bytes) => Error::HttpResponseBodySize(Some(bytes)),
    }
}

fn no_address() -> Error {
    Error::DnsError {
        rcode: Some("no address".into()),
        info_code: None,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_body_whose_instance_is_gone_does_not_end_well() {
        let sending = |is_gone: bool| Sending {
            body: Full::new(Bytes::from("half")).map_err(|never| match never {}),
            is_gone: Arc::new(AtomicBool::new(is_gone)),
        };
        let whole = sending(false).collect().await.expect("whole");
        assert_eq!(whole.to_bytes(), "half");
        let broken = sending(true).collect().await.map(|_| ());
        assert!(matches!(broken, Err(Error::ConnectionTerminated)));
    }
}
