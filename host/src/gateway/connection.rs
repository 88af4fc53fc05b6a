//! Connections: how many, what is spoken on them, how long one may be silent, and how they end.
//!
//! HTTP/1.1 and HTTP/2 by hyper, driven directly: nothing lies between a connection and the dispatcher, and
//! every connection is watched from here. What a client begins with decides: HTTP/2's preface, with TLS or without, or
//! anything else, which is HTTP/1.1. One on which no request begins for a while is cut,
//! whether it is idle, sends its headers too slowly, or does not read its answer.
//!
//! A head that is not HTTP never becomes a request: hyper answers it with a bare 400, 414 or 431 and
//! closes the connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Version};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

use super::answer::{Control, respond};
use super::problem::{Kind, Problem};
use super::tls::Accepted;
use super::{Gateway, control};
use crate::telemetry::request::Ids;

/// Most that is read from a connection of HTTP/1.1 at a time, and written to it (bytes). It grows with bodies that come fast,
/// whose system calls are most of what they cost: 1 MB sent back takes a quarter less of a core than with 64 KiB. A request's
/// head, which is refused if it is longer than components get to see, is read up to here; so 4,096 connections
/// have a GiB at the very most.
const BUFFER_BYTES_MAX: usize = 256 * 1024;
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// Looks without a new request after which a connection is cut: 60 to 75 s, within which clients
/// that keep connections for later use them again.
const SILENT_LOOKS_MAX: u32 = 4;
/// The same before the first request: 30 s, since whoever connects wants to ask something.
const BEGINNING_LOOKS_MAX: u32 = 2;
/// Wait after the system refused a connection, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for a silent connection to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Requests that a connection of HTTP/2 may have under way; what most servers allow.
const STREAMS_MAX: u32 = 128;
/// Requests over HTTP/2 under way over all connections. Those of HTTP/1.1 are bounded by its connections; this many
/// again keep what short bodies take together below half a GiB.
pub(super) const STREAMS_IN_ALL_MAX: usize = 4_096;
/// What a client may send ahead of one request's reading over HTTP/2, and over all of a connection's (bytes).
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// What is kept of an answer that a client does not read yet (bytes).
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of all header fields of a request over HTTP/2, as its rules count them: what HTTP/1.1 may have.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// A client of HTTP/2 that is silent for so long is asked whether it is there, and has as long again to say so.
const PING: Duration = Duration::from_secs(20);

/// A connection, as its requests know it. They count here, and not where requests of other connections count as well: two
/// cores that write to one place wait for each other.
pub(super) struct Connection {
    serving: Arc<Serving>,
    activity: Activity,
    /// Names of its requests that come without.
    pub(super) ids: Ids,
}

impl Connection {
    fn new(serving: &Arc<Serving>) -> Arc<Self> {
        Arc::new(Self {
            serving: serving.clone(),
            activity: Activity::default(),
            ids: Ids::default(),
        })
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.serving.gateway
    }

    /// The host's own routes.
    pub(super) fn control(&self) -> &Control {
        &self.serving.control
    }
}

/// What happens on a connection.
#[derive(Default)]
struct Activity {
    /// Requests that have begun.
    begun: AtomicU64,
    /// Requests that are being answered.
    running: AtomicUsize,
}

impl Activity {
    fn begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    fn ends(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is being answered, until dropped.
pub(super) struct Running {
    pub(super) connection: Arc<Connection>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Running {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        connection.activity.begins();
        Self {
            connection: connection.clone(),
            _place: None,
        }
    }

    /// Takes one of the places for requests over HTTP/2, which connections do not bound.
    pub(super) fn take_place<B>(&mut self, request: &Request<B>) -> Result<(), Problem> {
        if request.version() != Version::HTTP_2 {
            return Ok(());
        }
        let places = self.connection.gateway().streams.clone();
        let full = |_| Problem::new(Kind::Busy, "too many requests over HTTP/2 are under way");
        self._place = Some(places.try_acquire_owned().map_err(full)?);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.connection.activity.ends();
    }
}

/// Requests over HTTP/2 run as tasks of the gateway.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.spawn(work);
    }
}

/// What all connections have in common.
struct Serving {
    gateway: Arc<Gateway>,
    control: Control,
    http: auto::Builder<Tasks>,
}

impl Serving {
    fn new(gateway: Arc<Gateway>) -> Self {
        let control = TowerToHyperService::new(control::router(gateway.clone()));
        let mut http = auto::Builder::new(Tasks(gateway.tasks.clone()));
        http.http1().max_buf_size(BUFFER_BYTES_MAX);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BYTES_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self {
            gateway,
            control,
            http,
        }
    }
}

/// Accepts connections until the host stops. At most `connections_max` are open; further clients wait
/// in the system's queue.
pub(super) async fn accept(gateway: Arc<Gateway>, listener: TcpListener, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    let (stopping, tasks) = (gateway.stopping.clone(), gateway.tasks.clone());
    let serving = Arc::new(Serving::new(gateway));
    let mut accepting = pin!(async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let (stream, from) = next(&listener).await;
            let serving = serving.clone();
            tasks.spawn(async move {
                begin(&serving, stream, from).await;
                drop(place);
            });
        }
    });
    tokio::select! {
        () = &mut accepting => {}
        () = stopping.cancelled() => {}
    }
}

/// The next connection.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Begins a connection, with TLS where that is spoken, and serves it to its end.
async fn begin(serving: &Arc<Serving>, stream: TcpStream, from: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers on a connection may be delayed");
    }
    let _open = serving.gateway.connections.one_more();
    let Some(certificate) = &serving.gateway.certificate else {
        return serve(serving, stream).await;
    };
    // A host that stops does not wait for whoever has not even said what it speaks.
    let accepted = certificate.accept(stream, from);
    let accepted = serving.gateway.stopping.run_until_cancelled(accepted).await;
    match accepted.flatten() {
        Some(Accepted::Plain(stream)) => serve(serving, stream).await,
        Some(Accepted::Secure(stream)) => serve(serving, *stream).await,
        None => {}
    }
}

/// Serves one connection to its end.
async fn serve<S>(serving: &Arc<Serving>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (known, gateway) = (Connection::new(serving), &serving.gateway);
    let (stopping, drain) = (gateway.stopping.child_token(), gateway.drain);
    let service = service_fn(|request| respond(known.clone(), request));
    let connection = serving.http.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(drain, connection).await.unwrap_or(Ok(()))
        }
        () = silence(&known.activity, LOOK) => {
            connection.as_mut().graceful_shutdown();
            timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Returns once nothing has begun on a connection for too long.
async fn silence(activity: &Activity, look: Duration) {
    let mut looks = interval(look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first look is at once, and tells nothing.
    looks.tick().await;
    let (mut begun, mut silent) = (0, 0);
    loop {
        looks.tick().await;
        let now = activity.begun.load(Ordering::Relaxed);
        let quiet = now == begun && activity.running.load(Ordering::Relaxed) == 0;
        (begun, silent) = (now, if quiet { silent + 1 } else { 0 });
        let silent_max = match begun {
            0 => BEGINNING_LOOKS_MAX,
            _ => SILENT_LOOKS_MAX,
        };
        if silent >= silent_max {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a connection is cut within a good many looks.
    async fn cut(activity: &Activity) -> bool {
        let look = Duration::from_millis(5);
        timeout(look * 40, silence(activity, look)).await.is_ok()
    }

    #[tokio::test]
    async fn silent_connections_are_cut_and_busy_ones_are_not() {
        let activity = Activity::default();
        assert!(cut(&activity).await, "nothing ever began");
        activity.begins();
        assert!(!cut(&activity).await, "a request is being answered");
        activity.ends();
        assert!(cut(&activity).await, "the last request has ended");
        let requests = async {
            loop {
                activity.begins();
                activity.ends();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = requests => {}
            cut = cut(&activity) => assert!(!cut, "short requests follow each other"),
        }
    }
}
