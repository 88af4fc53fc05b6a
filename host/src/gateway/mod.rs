//! HTTP: the only user of axum, and with `outbound/` of hyper. It bounds and reads requests, finds who answers them, and
//! turns every error into a problem document. It runs nothing and keeps nothing.
//!
//! **Invariants.** Everything a client can make grow has a bound: connections, heads, bodies, uploads,
//! watchers, time. One table decides an error's status (`problem`). Without a token only this
//! machine can connect.

mod admin;
mod answer;
mod auth;
mod body;
mod component;
mod connection;
mod control;
mod exchange;
mod function;
mod functions;
mod headers;
mod installation;
mod ledger;
mod members;
mod metrics;
mod openapi;
mod operators;
mod partners;
mod policies;
mod principal;
mod problem;
mod query;
mod recordings;
mod roles;
mod rows;
mod secrets;
mod sse;
mod tls;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use auth::Token;
pub use tls::{Error as CertificateError, Files as CertificateFiles};

use crate::host::Host;
use crate::telemetry::stats::Level;
use crate::telemetry::{Stats, Tracer};

/// Connections at a time where the options name no number: each holds some ten KiB and a descriptor.
pub const CONNECTIONS_MAX_DEFAULT: usize = 4_096;
/// Clients that watch streams at a time where the options name no number: each holds a connection.
pub const WATCHERS_MAX_DEFAULT: usize = 256;
/// How long requests may still run when the host stops, where the options name no time (ms).
pub const DRAIN_MS_DEFAULT: u64 = 10_000;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What every path but the open ones asks for, unless it is shown a partner's key. Needed where others than this machine can connect.
    pub token: Option<Token>,
    /// Longest upload by rows (bytes); none is needed for the host's sake.
    pub upload_bytes_max: Option<u64>,
    /// Connections at a time; further clients wait.
    pub connections_max: usize,
    /// Clients that watch streams at a time; further ones get 503.
    pub watchers_max: usize,
    /// How long requests may still run when the host stops (ms).
    pub drain_ms: u64,
    /// Certificate and key of a host that speaks TLS.
    pub certificate: Option<CertificateFiles>,
    /// Whether a line is logged for each request.
    pub access_log: bool,
    /// Takes traces of requests; none: none are made.
    pub tracer: Option<Arc<Tracer>>,
}

impl Options {
    /// The defaults for an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            token: None,
            upload_bytes_max: None,
            connections_max: CONNECTIONS_MAX_DEFAULT,
            watchers_max: WATCHERS_MAX_DEFAULT,
            drain_ms: DRAIN_MS_DEFAULT,
            certificate: None,
            access_log: false,
            tracer: None,
        }
    }
}

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others could connect, and nothing would ask them who they are.
    #[error("listening on {0} lets other machines in: it needs --token-file")]
    TokenNeeded(SocketAddr),
    /// The system does not let it listen there.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// What all requests share.
struct Gateway {
    host: Host,
    token: Option<Token>,
    upload_bytes_max: Option<u64>,
    drain: Duration,
    bodies: body::Reader,
    uploads: Semaphore,
    watchers: Arc<Semaphore>,
    /// One caller moves the clock at a time.
    ticking: Mutex<()>,
    /// Whether the store answers, and why not.
    health: watch::Receiver<Result<(), &'static str>>,
    /// The last answer to `/metrics`.
    metrics: metrics::Cache,
    /// What the host has answered itself.
    stats: Stats,
    /// Connections that are open.
    connections: Level,
    /// Places for requests over HTTP/2.
    streams: Arc<Semaphore>,
    certificate: Option<Arc<tls::Certificate>>,
    access_log: bool,
    tracer: Option<Arc<Tracer>>,
    stopping: CancellationToken,
    /// Connections, and work that outlives its request.
    tasks: TaskTracker,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    certificate: Option<Arc<tls::Certificate>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it shows a certificate.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.certificate.is_some()
    }

    /// Reads the certificate again, for connections that begin from now on.
    ///
    /// # Errors
    /// It cannot be used; the one before stays.
    pub fn renew_certificate(&self) -> Result<(), CertificateError> {
        self.certificate
            .as_ref()
            .map_or(Ok(()), |certificate| certificate.read_again())
    }

    /// Waits until it has stopped: after `shutdown`, once running requests have ended or their time
    /// is over.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the gateway failed");
        }
    }
}

/// Serves a host until `shutdown` is cancelled. Returns once it listens.
///
/// # Errors
/// It may not or cannot listen there.
pub async fn serve(
    host: Host,
    options: Options,
    shutdown: CancellationToken,
) -> Result<Server, Error> {
    if !auth::may_listen(options.listen, options.token.as_ref()) {
        return Err(Error::TokenNeeded(options.listen));
    }
    let certificate = options.certificate.clone().map(tls::Certificate::read);
    let certificate = certificate.transpose()?.map(Arc::new);
    let failed = |error| Error::Listen(options.listen, error);
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let connections_max = options.connections_max;
    let mut gateway = Gateway::new(host, options, shutdown);
    gateway.certificate = certificate.clone();
    let task = tokio::spawn(run(Arc::new(gateway), listener, connections_max));
    Ok(Server {
        address,
        certificate,
        task,
    })
}

impl Gateway {
    fn new(host: Host, options: Options, stopping: CancellationToken) -> Self {
        Self {
            health: host.store.health(),
            host,
            token: options.token,
            upload_bytes_max: options.upload_bytes_max,
            drain: Duration::from_millis(options.drain_ms),
            bodies: body::Reader::default(),
            uploads: Semaphore::new(upload::UPLOADS_MAX),
            watchers: Arc::new(Semaphore::new(options.watchers_max)),
            ticking: Mutex::new(()),
            metrics: metrics::Cache::default(),
            stats: Stats::default(),
            connections: Level::default(),
            streams: Arc::new(Semaphore::new(connection::STREAMS_IN_ALL_MAX)),
            certificate: None,
            access_log: options.access_log,
            tracer: options.tracer,
            stopping,
            tasks: TaskTracker::new(),
        }
    }
}

/// Accepts until the host stops, then lets what runs come to its end.
async fn run(gateway: Arc<Gateway>, listener: TcpListener, connections_max: usize) {
    let (tasks, drain) = (gateway.tasks.clone(), gateway.drain);
    connection::accept(gateway, listener, connections_max).await;
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(
            running = tasks.len(),
            "requests were cut: they ran on after the host was told to stop"
        );
    }
}
