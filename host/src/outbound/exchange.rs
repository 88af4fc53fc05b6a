//! One request and its answer, over a connection that nothing else goes over meanwhile.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::MapErr;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::kept::{Connection, InUse, Sent};
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
    pub connection: InUse,
}

/// Where a request goes.
struct Target {
    host: String,
    port: u16,
    is_https: bool,
}

impl Target {
    /// The name that the other side has to prove, if it has to.
    fn tls(&self) -> Option<&str> {
        self.is_https.then_some(bare(&self.host))
    }
}

/// A host without the brackets of an address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
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
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let (answer, connection) = self.exchange(request, &target, patience).await?;
        let connection = InUse::new(connection, place, self.kept.clone(), answer.headers());
        let bounded = |body| Bounded::new(body, ANSWER_BYTES_MAX, patience.between_bytes());
        let response = answer.map(|body| bounded(body).map_err(broken as fn(_) -> _));
        Ok(Exchange {
            response,
            connection,
        })
    }

    /// Sends a request over a kept connection, else over a new one. Where a kept one turns out to be closed before anything was
    /// sent, a new one is made.
    async fn exchange(
        &self,
        mut request: Request<Sent>,
        target: &Target,
        patience: Patience,
    ) -> Result<(Response<Incoming>, Connection), Error> {
        let mut may_be_kept = true;
        loop {
            let connecting = timeout(patience.connect(), self.connection(target, may_be_kept));
            let connected = connecting
                .await
                .map_err(|_| Error::TimedOut(Stage::Connecting))?;
            let (mut connection, was_kept) = connected?;
            let answering = connection.sender.try_send_request(request);
            let answered = timeout(patience.first_byte(), answering).await;
            let answered = answered.map_err(|_| Error::TimedOut(Stage::Answering))?;
            let mut failed = match answered {
                Ok(answer) => return Ok((answer, connection)),
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(unsent) if was_kept => (request, may_be_kept) = (unsent, false),
                _ => return Err(failed.into_error().into()),
            }
        }
    }

    /// A connection to an address of the host that may be connected to now, and whether it was kept.
    async fn connection(
        &self,
        target: &Target,
        may_be_kept: bool,
    ) -> Result<(Connection, bool), Error> {
        let addresses = self.resolve(bare(&target.host), target.port).await?;
        let kept = may_be_kept.then(|| self.kept.take(&addresses, target.tls()));
        match kept.flatten() {
            Some(kept) => Ok((kept, true)),
            None => Ok((self.open(target, &addresses).await?, false)),
        }
    }

    /// Connects to the first of these addresses that is to be had.
    async fn open(&self, target: &Target, addresses: &[SocketAddr]) -> Result<Connection, Error> {
        let (address, stream) = connect(addresses).await?;
        let socket = stream.as_fd().try_clone_to_owned();
        let socket = socket
            .map_err(|error| Error::Connect(address, error))?
            .into();
        let Some(name) = target.tls() else {
            return connection(address, None, socket, stream).await;
        };
        let tls = |error| Error::Tls(target.host.clone(), error);
        let server = ServerName::try_from(name.to_owned());
        let server = server.map_err(|_| Error::Invalid("the host is no name for TLS"))?;
        let connector = TlsConnector::from(Arc::clone(&self.shared.tls));
        let stream = connector.connect(server, stream).await.map_err(tls)?;
        connection(address, Some(name.to_owned()), socket, stream).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), Error> {
    let mut failed = Error::Invalid("the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are short, and answers are waited for; without it they only come later.
                let _ = stream.set_nodelay(true);
                return Ok((*address, stream));
            }
            Err(error) => failed = Error::Connect(*address, error),
        }
    }
    Err(failed)
}

async fn connection(
    address: SocketAddr,
    tls: Option<String>,
    socket: std::net::TcpStream,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Connection, Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of a function broke");
        }
    });
    Ok(Connection {
        address,
        tls,
        sender,
        _driver: AbortOnDropHandle::new(driving),
        socket,
    })
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
