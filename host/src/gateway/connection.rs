//! Connections: how many, how long one may be silent, and how they end.
//!
//! HTTP/1.1 by hyper, driven directly: nothing lies between a connection and the dispatcher, and
//! every connection is watched from here. One on which no request begins for a while is cut,
//! whether it is idle, sends its headers too slowly, or does not read its answer.
//!
//! A head that is not HTTP never becomes a request: hyper answers it with a bare 400, 414 or 431 and
//! closes the connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::body::Lingering;
use super::principal::{self, Principal};
use super::problem::{Kind, Problem};
use super::{Gateway, component, control, headers};

/// Most bytes of a request's head, and of what is read ahead of it (bytes).
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// Looks without a new request after which a connection is cut: 60 to 75 s, within which clients
/// that keep connections for later use them again.
const SILENT_LOOKS_MAX: u32 = 4;
/// Wait after the system refused a connection, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A component's answer, or one of the host's own.
pub(super) type Reply = Either<Full<Bytes>, Body>;

/// What happens on a connection.
#[derive(Default)]
struct Activity {
    /// Requests that have begun.
    begun: AtomicU64,
    /// Requests that are being answered.
    running: AtomicUsize,
}

/// A request that is being answered, until dropped.
pub(super) struct Running(Arc<Activity>);

impl Running {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.running.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The host's own routes, as a service.
type Control = TowerToHyperService<axum::Router>;

/// Accepts connections until the host stops. At most `connections_max` are open; further clients wait
/// in the system's queue.
pub(super) async fn accept(gateway: Arc<Gateway>, listener: TcpListener, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    let control: Control = TowerToHyperService::new(control::router(gateway.clone()));
    let stopping = gateway.stopping.clone();
    let mut accepting = pin!(async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let stream = next(&listener).await;
            let (gateway, control) = (gateway.clone(), control.clone());
            gateway.clone().tasks.spawn(async move {
                serve(gateway, control, stream).await;
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
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(gateway: Arc<Gateway>, control: Control, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers on a connection may be delayed");
    }
    let activity = Arc::new(Activity::default());
    let stopping = gateway.stopping.child_token();
    let drain = gateway.drain;
    let service = {
        let activity = activity.clone();
        service_fn(move |request| {
            respond(
                gateway.clone(),
                control.clone(),
                Running::new(&activity),
                request,
            )
        })
    };
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(drain, connection).await.unwrap_or(Ok(()))
        }
        () = silence(&activity, LOOK) => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Returns once nothing has begun on a connection for too long.
async fn silence(activity: &Activity, look: Duration) {
    let mut looks = interval(look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut begun, mut silent) = (0, 0);
    while silent < SILENT_LOOKS_MAX {
        looks.tick().await;
        let now = activity.begun.load(Ordering::Relaxed);
        let quiet = now == begun && activity.running.load(Ordering::Relaxed) == 0;
        (begun, silent) = (now, if quiet { silent + 1 } else { 0 });
    }
}

/// Answers one request, whatever happens.
async fn respond(
    gateway: Arc<Gateway>,
    control: Control,
    running: Running,
    mut request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let admitted = match admit(&gateway, &request).await {
        Ok(principal) if control::owns(request.uri().path()) => {
            request.extensions_mut().insert(principal);
            let request = request.map(|body| Lingering::new(body, gateway.tasks.clone()));
            return own(&control, running, request).await;
        }
        admitted => admitted,
    };
    let (parts, body) = request.into_parts();
    let body = Lingering::new(body, gateway.tasks.clone());
    let answer = match admitted {
        Err(problem) => Err(problem),
        Ok(principal) => component::answer(&gateway, &principal, parts, body, running).await,
    };
    Ok(answer.unwrap_or_else(|problem| problem.answer().map(Either::Left)))
}

/// Whether a request may come in at all, and from whom it comes.
async fn admit<B>(gateway: &Gateway, request: &Request<B>) -> Result<Principal, Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > headers::TARGET_BYTES_MAX {
        let detail = format!(
            "path and query have more than {} bytes",
            headers::TARGET_BYTES_MAX
        );
        return Err(Problem::new(Kind::PathTooLong, detail));
    }
    // A page in a browser on this machine connects like any local program, for somebody else.
    if gateway.token.is_none() && headers::from_another_site(headers) {
        let rule = "a host without a token does not serve pages of other sites";
        return Err(Problem::field(Kind::Forbidden, "Origin", rule));
    }
    principal::identify(gateway, request.method(), uri.path(), headers).await
}

/// Answers with one of the host's own routes. The request runs until the answer's body has ended.
async fn own(
    control: &Control,
    running: Running,
    request: Request<Lingering<Incoming>>,
) -> Result<Response<Reply>, Infallible> {
    let response = control.call(request).await?;
    let held = move |body: Body| {
        body.map_frame(move |frame| {
            let _ = &running;
            frame
        })
    };
    Ok(response.map(|body| Either::Right(Body::new(held(body)))))
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
        let activity = Arc::new(Activity::default());
        assert!(cut(&activity).await, "nothing ever began");
        let running = Running::new(&activity);
        assert!(!cut(&activity).await, "a request is being answered");
        drop(running);
        assert!(cut(&activity).await, "the last request has ended");
        let requests = async {
            loop {
                drop(Running::new(&activity));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = requests => {}
            cut = cut(&activity) => assert!(!cut, "short requests follow each other"),
        }
    }
}
