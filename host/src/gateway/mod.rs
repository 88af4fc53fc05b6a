//! HTTP: the only user of axum, and with `outbound/` of hyper. It bounds and reads requests, finds who answers them, and
//! turns every error into a problem document. It runs nothing and keeps nothing.
//!
//! **Invariants.** Everything a client can make grow has a bound: connections, heads, bodies, uploads,
//! watchers, time. One table decides an error's status (`problem`). Without a token only this
//! machine can connect.

mod admin;
mod auth;
mod body;
mod component;
mod connection;
mod control;
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

use crate::host::Host;

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
    stopping: CancellationToken,
    /// Connections, and work that outlives its request.
    tasks: TaskTracker,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
    let failed = |error| Error::Listen(options.listen, error);
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let connections_max = options.connections_max;
    let gateway = Arc::new(Gateway::new(host, options, shutdown));
    let task = tokio::spawn(run(gateway, listener, connections_max));
    Ok(Server { address, task })
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
