//! One request and its answer, over a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::MapErr;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::{Error, Outbound, Patience, Stage};
use crate::bounded::{Bound, Bounded, Broken};
use crate::registry::manifest::OutboundHost;

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Longest answer that a function gets: it is streamed and not held, so this bounds traffic.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// The body of an answer from elsewhere.
pub type Received = MapErr<Bounded<Incoming>, fn(Broken<hyper::Error>) -> Error>;

/// An answer that has begun, and the connection that its body comes over; it ends when dropped.
pub struct Exchange {
    /// The answer.
    pub response: Response<Received>,
    /// What has to live as long as the body is read.
    pub connection: AbortOnDropHandle<()>,
}

/// Where a request goes.
struct Target {
    host: String,
    port: u16,
    is_https: bool,
}

impl Outbound {
    /// Sends a request, if a function whose manifest names these hosts may, and waits for its answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send<B>(
        &self,
        named: &[OutboundHost],
        request: Request<B>,
        patience: Patience,
    ) -> Result<Exchange, Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (request, target) = prepared(request)?;
        self.check(named, &target.host, target.port)?;
        let connections = self.shared.connections.clone();
        let place = connections.try_acquire_owned().map_err(|_| Error::Busy)?;
        let opening = timeout(patience.connect(), self.open(&target, place));
        let opened = opening
            .await
            .map_err(|_| Error::TimedOut(Stage::Connecting))?;
        let (mut sender, connection) = opened?;
        let answering = timeout(patience.first_byte(), sender.send_request(request));
        let answer = answering
            .await
            .map_err(|_| Error::TimedOut(Stage::Answering))??;
        let bounded = |body| Bounded::new(body, ANSWER_BYTES_MAX, patience.between_bytes());
        let response = answer.map(|body| bounded(body).map_err(broken as fn(_) -> _));
        Ok(Exchange {
            response,
            connection,
        })
    }

    /// Connects to the first address that is to be had, of those that may be connected to. The connection has its place
    /// until it ends.
    async fn open<B>(
        &self,
        target: &Target,
        place: OwnedSemaphorePermit,
    ) -> Result<(SendRequest<B>, AbortOnDropHandle<()>), Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let addresses = self.resolve(&target.host, target.port).await?;
        let stream = connect(&addresses).await?;
        if !target.is_https {
            return shake_hands(stream, place).await;
        }
        let tls = |error| Error::Tls(target.host.clone(), error);
        let bare = target.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned());
        let name = name.map_err(|_| Error::Invalid("the host is no name for TLS"))?;
        let connector = TlsConnector::from(Arc::clone(&self.shared.tls));
        let stream = connector.connect(name, stream).await.map_err(tls)?;
        shake_hands(stream, place).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut failed = Error::Invalid("the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are short, and answers are waited for; without it they only come later.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failed = Error::Connect(*address, error),
        }
    }
    Err(failed)
}

async fn shake_hands<B>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: OwnedSemaphorePermit,
) -> Result<(SendRequest<B>, AbortOnDropHandle<()>), Error>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of a function broke");
        }
    });
    Ok((sender, AbortOnDropHandle::new(driving)))
}

fn broken(broken: Broken<hyper::Error>) -> Error {
    match broken {
        Broken::Met(Bound::Bytes(most)) => Error::TooLong(most),
        Broken::Met(Bound::Idle(_)) => Error::TimedOut(Stage::Reading),
        Broken::Body(error) => error.into(),
    }
}

/// The request as it goes over the connection, and where to.
fn prepared<B>(request: Request<B>) -> Result<(Request<B>, Target), Error> {
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(Error::Invalid("CONNECT is not sent"));
    }
    let is_https = match parts.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(Error::Invalid("the scheme is neither http nor https")),
    };
    let authority = parts
        .uri
        .authority()
        .ok_or(Error::Invalid("it names no host"))?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Error::Invalid(
            "the authority is not a host with a port or without",
        ));
    }
    let target = Target {
        host: authority.host().to_owned(),
        port: authority
            .port_u16()
            .unwrap_or(if is_https { 443 } else { 80 }),
        is_https,
    };
    let host = HeaderValue::from_str(authority.as_str());
    let host = host.map_err(|_| Error::Invalid("the host is not printable"))?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    Ok((Request::from_parts(parts, body), target))
}
