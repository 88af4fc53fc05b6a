//! How a function's own requests are sent, and which header fields are the host's.

use std::sync::Arc;

use http::{HeaderName, Request, Response, header};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::log::Log;
use crate::outbound::{self, Outbound, Patience, Stage};
use crate::runtime::guest::Identity;

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
/// what a body holds of the host's memory.
const CHUNK_BYTES_MAX: usize = 64 << 10;
const CHUNKS_MAX: usize = 1;

/// Requests of one instance that are under way at a time.
const REQUESTS_MAX: usize = 16;

/// Sends what a function asks for.
pub(super) struct Outgoing {
    identity: Arc<Identity>,
    outbound: Outbound,
    log: Arc<Log>,
    places: Arc<Semaphore>,
}

/// What goes on as long as an answer's body is read.
type Going = Box<dyn Future<Output = Result<(), Error>> + Send>;

type Sent = Result<(Response<WasiBody>, Going), Error>;

impl Outgoing {
    pub(super) fn new(identity: Arc<Identity>, outbound: Outbound, log: Arc<Log>) -> Self {
        Self {
            identity,
            outbound,
            log,
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
        }
    }

    fn send(
        &self,
        request: Request<WasiBody>,
        patience: Patience,
    ) -> impl Future<Output = Sent> + Send + 'static {
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
                let _ = exchange.connection.await;
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
        Box::new(self.send(request, patience))
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS_MAX
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }
}

/// The one place where an error of a request becomes what `wasi:http` calls it.
fn as_wasi(error: outbound::Error) -> Error {
    use outbound::Error as E;
    match error {
        E::Invalid(_) => Error::HttpRequestUriInvalid,
        E::NotNamed(_) | E::NotAllowed(_) => Error::HttpRequestDenied,
        E::Unresolved(_) => Error::DnsError {
            rcode: Some("no address".into()),
            info_code: None,
        },
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
