//! One run of a function: an instance, the request, and a bound on its time. It is a future that whoever drives it may
//! drop, which ends the run.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http::uri::Scheme;
use http_body::Body;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme as WasiScheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::incoming::Incoming;
use super::instance::Instance;
use super::slice::Slice;
use super::time::Time;
use super::{Fault, Function};
use crate::clock::{self, Monotonic};
use crate::dispatch::work::Work;
use crate::dispatch::{Error, Notes};
use crate::runtime::failure::explain_counted;
use crate::telemetry::stats::Failed;

/// What a function says first: the head of its answer with the body to come, or that it has none.
pub(super) type Head = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// What an instance is given with a request.
pub(super) struct Task {
    pub(super) time: Arc<Time>,
    pub(super) slice: Slice,
    /// The transaction, where the function may keep values.
    pub(super) work: Option<Box<Work>>,
    /// Where its invocation is recorded or replayed: what it is told from outside.
    pub(super) notes: Option<Arc<Notes>>,
}

/// How a run ended. The instance comes back with it, so that whoever reads the answer can be told first, and only then
/// the other end of its body is dropped.
pub(super) struct Ended {
    pub(super) result: Result<(), Error>,
    pub(super) instance: Option<Box<Instance>>,
}

impl Ended {
    fn failed(error: Error) -> Self {
        Self {
            result: Err(error),
            instance: None,
        }
    }
}

impl Function {
    /// A run for one request, inside a transaction if it has one. What it is told from outside is noted, or given, in
    /// `notes`. `held` is dropped when the run is over.
    pub(super) fn bounded<B, H>(
        self: &Arc<Self>,
        request: Request<B>,
        head: oneshot::Sender<Head>,
        work: Option<Box<Work>>,
        notes: Option<Arc<Notes>>,
        held: H,
    ) -> Bounded
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Fault>,
        H: Send + 'static,
    {
        let identity = &self.identity;
        let patience = work.as_ref().map_or(1, |work| work.patience());
        let deadline_ms = identity.manifest.limits.deadline_ms;
        let time = Arc::new(Time::new(deadline_ms.saturating_mul(patience)));
        let slice = Slice::new(self.slices.clone(), identity.culprit.component.clone());
        let request = request.map(|body| Incoming::new(body, time.clone()));
        let task = Task {
            time: time.clone(),
            slice: slice.clone(),
            work,
            notes,
        };
        let run = Box::pin(self.clone().run(request, head, task, held));
        Bounded::new(run, self.clone(), time, slice)
    }

    async fn run<B, H>(
        self: Arc<Self>,
        request: Request<Incoming<B>>,
        head: oneshot::Sender<Head>,
        task: Task,
        held: H,
    ) -> Ended
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Fault>,
    {
        let _held = held;
        let mut instance = match self.enter(task).await {
            Ok(instance) => instance,
            Err(error) => return Ended::failed(self.explained(error)),
        };
        let result = handle(&mut instance, request, head).await;
        instance.store.data().log.end();
        Ended {
            result: result.map_err(|error| self.explained(error)),
            instance: Some(instance),
        }
    }

    fn explained(&self, error: wasmtime::Error) -> Error {
        let identity = &self.identity;
        explain_counted(
            error,
            &identity.culprit,
            identity.manifest.limits.deadline_ms,
            &self.stats,
        )
    }

    pub(super) fn misbehaved(&self, why: impl Into<String>) -> Error {
        self.stats.failed(Failed::Rule);
        self.broken(why)
    }

    /// That it broke a rule, without counting it.
    pub(super) fn broken(&self, why: impl Into<String>) -> Error {
        Error::Misbehaved(self.identity.culprit.clone(), why.into())
    }
}

async fn handle<B>(
    instance: &mut Instance,
    request: Request<Incoming<B>>,
    head: oneshot::Sender<Head>,
) -> wasmtime::Result<()>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Fault>,
{
    let scheme = match request.uri().scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => WasiScheme::Https,
        _ => WasiScheme::Http,
    };
    let mut http = instance.store.data_mut().http();
    let request = http.new_incoming_request(scheme, request)?;
    let out = http.new_response_outparam(head)?;
    let handler = instance.proxy.wasi_http_incoming_handler();
    handler.call_handle(&mut instance.store, request, out).await
}

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A run that ends when its time is over, whatever it waits for.
pub(super) struct Bounded {
    run: Pin<Box<dyn Future<Output = Ended> + Send>>,
    function: Arc<Function>,
    time: Arc<Time>,
    slice: Slice,
    alarm: Option<Alarm>,
    /// Since when it waits, if it does.
    waits: Option<Monotonic>,
}

impl Bounded {
    pub(super) fn time(&self) -> &Arc<Time> {
        &self.time
    }

    fn new(
        run: Pin<Box<dyn Future<Output = Ended> + Send>>,
        function: Arc<Function>,
        time: Arc<Time>,
        slice: Slice,
    ) -> Self {
        Self {
            run,
            function,
            time,
            slice,
            alarm: None,
            waits: None,
        }
    }

    /// Why the run is cut off now, if it is.
    fn over(&self) -> Option<Ended> {
        if self.time.patience().is_zero() {
            let why = "waited too long for its client";
            return Some(Ended::failed(self.function.misbehaved(why)));
        }
        self.time.is_over().then(|| {
            let identity = &self.function.identity;
            let deadline_ms = identity.manifest.limits.deadline_ms;
            self.function.stats.failed(Failed::Deadline);
            Ended::failed(Error::Deadline(identity.culprit.clone(), deadline_ms))
        })
    }
}

impl Future for Bounded {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        if let Some(since) = this.waits.take() {
            this.time.waited_since(since);
        }
        let began = clock::monotonic();
        let polled = this.run.as_mut().poll(context);
        this.function.stats.was_busy_since(began);
        this.slice.give_back();
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(ended);
        }
        if this.time.is_the_clients() {
            this.waits = Some(clock::monotonic());
        }
        loop {
            let (time, alarm) = (&this.time, &mut this.alarm);
            // Whatever is given to the connection after this was set has its time until after it has gone off.
            let alarm = alarm
                .get_or_insert_with(|| Box::pin(clock::sleep(time.left().min(time.patience()))));
            ready!(alarm.as_mut().poll(context));
            this.alarm = None;
            if let Some(ended) = this.over() {
                return Poll::Ready(ended);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::super::instance::tests::hello;
    use super::super::time::STALLED_MAX;
    use super::*;

    /// A run that never ends by itself.
    fn waiting(function: &Arc<Function>, time: Arc<Time>) -> Bounded {
        let slice = Slice::new(
            function.slices.clone(),
            function.identity.culprit.component.clone(),
        );
        let run = Box::pin(std::future::pending());
        Bounded::new(run, function.clone(), time, slice)
    }

    #[tokio::test]
    async fn a_run_whose_client_takes_nothing_is_cut_off_when_its_time_is_over() {
        let (_runtime, loaded) = hello("");
        let function = loaded.as_function().expect("a function");
        let soon = Duration::from_millis(50);
        let time = Arc::new(Time::of_given(STALLED_MAX - soon));
        let cut = tokio::time::timeout(STALLED_MAX / 4, waiting(function, time)).await;
        let error = cut.expect("seen at once").result.expect_err("cut off");
        assert!(error.to_string().contains("its client"), "{error}");
    }

    #[tokio::test]
    async fn a_run_whose_client_has_asked_for_more_waits_for_its_deadline_alone() {
        let (_runtime, loaded) = hello("");
        let function = loaded.as_function().expect("a function");
        let time = Arc::new(Time::of_given(2 * STALLED_MAX));
        time.asked();
        let mut run = waiting(function, time.clone());
        assert!((&mut run).now_or_never().is_none());
        // Looked at now, as an alarm does, it goes on.
        assert!(run.over().is_none());
        time.gave();
        assert!(run.over().is_none(), "it was given a piece just now");
    }
}
