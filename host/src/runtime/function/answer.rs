//! A function's answer: whole, where the run was over before anything had to be sent, or streamed while the run goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::TRAILER;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Function;
use super::incoming::Fault;
use super::run::{Bounded, Ended, Head};
use super::streamed::{Run, Running, Streamed};
use crate::dispatch::Error;
use crate::dispatch::heard::Heard;
use crate::logs::LogLevel;
use crate::telemetry::request::carried;

/// What a function did that dropped its answer's body before its end.
pub(super) const UNFINISHED: &str = "did not finish its answer";

/// The body of an answer.
#[derive(Debug)]
pub enum Answer {
    /// All of it.
    Whole(Bytes),
    /// It is made while it is read.
    Streamed(Streamed),
}

impl Function {
    /// Answers a request. The answer comes when the function has begun it, or when the run is over before that.
    /// `heard` listens, if it is to be recorded. `held` is dropped when the run is over.
    pub(in crate::runtime) async fn answer<B, H>(
        self: &Arc<Self>,
        request: Request<B>,
        heard: Option<Arc<Heard>>,
        held: H,
    ) -> Result<Response<Answer>, Error>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Fault>,
        H: Send + 'static,
    {
        let is_head = request.method() == Method::HEAD;
        let (sender, head) = oneshot::channel();
        let notes = heard.as_ref().map(|heard| heard.notes().clone());
        let mut run = self.bounded(request, sender, None, notes, held);
        let answer = match first(&mut run, head).await {
            First::Ended(ended, head) => self.whole(ended, head, is_head, heard.as_ref()),
            First::Begun(head) => self.streamed(head, run, heard.clone()),
        };
        if let (Some(heard), Err(error)) = (heard, &answer) {
            heard.failed(error);
        }
        answer
    }

    /// The answer of a run that is over.
    fn whole(
        self: &Arc<Self>,
        ended: Ended,
        head: Option<Head>,
        is_head: bool,
        heard: Option<&Arc<Heard>>,
    ) -> Result<Response<Answer>, Error> {
        let (instance, head) = self.returned(ended, head)?;
        let (parts, mut body) = self.begun(head)?.into_parts();
        let mut frames = VecDeque::new();
        // The answer to a HEAD may promise a length that its body, which nobody reads, does not have.
        let is_finished = self.gather(&mut body, &mut frames, is_head)?;
        match instance {
            Some(instance) if is_finished => self.keep(instance),
            // The instance still holds the body's other end, and must not serve again.
            instance => {
                drop(instance);
                self.gather(&mut body, &mut frames, is_head)?;
            }
        }
        let bytes = frames
            .iter()
            .filter_map(Frame::data_ref)
            .map(Bytes::len)
            .sum::<usize>();
        if bytes as u64 > self.response_bytes_max() {
            return Err(self.too_long(self.response_bytes_max()));
        }
        if let Some(heard) = heard {
            heard.begins(parts.status.as_u16(), &parts.headers);
            let pieces = frames.iter().filter_map(Frame::data_ref);
            pieces.for_each(|piece| heard.piece(piece));
            heard.returned();
            heard.read();
        }
        let mut response = Response::from_parts(parts, ());
        announce_trailers(&mut response, &frames);
        Ok(response.map(|()| held(frames)))
    }

    /// Takes what is there of a body whose run is over; whether that is all.
    pub(super) fn gather(
        &self,
        body: &mut HyperOutgoingBody,
        frames: &mut VecDeque<Frame<Bytes>>,
        is_head: bool,
    ) -> Result<bool, Error> {
        while let Some(next) = body.frame().now_or_never() {
            match next {
                Some(Ok(frame)) => frames.push_back(frame),
                Some(Err(_)) if is_head => return Ok(true),
                Some(Err(_)) => return Err(self.unfinished()),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    pub(super) fn begun(&self, head: Head) -> Result<Response<HyperOutgoingBody>, Error> {
        let head =
            head.map_err(|code| self.misbehaved(format!("answered with the error {code:?}")))?;
        match head.status().as_u16() {
            200..=599 => Ok(head),
            status => {
                let why = format!("answered with status {status}, not 200 to 599");
                Err(self.misbehaved(why))
            }
        }
    }

    fn streamed(
        self: &Arc<Self>,
        head: Head,
        run: Bounded,
        heard: Option<Arc<Heard>>,
    ) -> Result<Response<Answer>, Error> {
        let (parts, body) = self.begun(head)?.into_parts();
        if let Some(heard) = &heard {
            heard.begins(parts.status.as_u16(), &parts.headers);
        }
        let (sender, ended) = oneshot::channel();
        let time = run.time().clone();
        let is_read = Arc::new(AtomicBool::new(false));
        let driven = drive(run, sender, self.clone(), is_read.clone(), heard.clone());
        let task = tokio::spawn(carried(driven));
        let running = Running {
            body,
            run: Run::Going(ended),
            left: self.response_bytes_max(),
            function: self.clone(),
            time,
            is_read,
            task,
            heard,
        };
        let body = Answer::Streamed(Streamed::running(running));
        Ok(Response::from_parts(parts, body))
    }

    pub(super) fn response_bytes_max(&self) -> u64 {
        self.identity.manifest.limits.response_body_bytes
    }

    pub(super) fn too_long(&self, most: u64) -> Error {
        self.misbehaved(format!("answered with more than {most} bytes"))
    }

    pub(super) fn unanswered(&self) -> Error {
        self.misbehaved("returned without an answer")
    }

    pub(super) fn unfinished(&self) -> Error {
        self.misbehaved(UNFINISHED)
    }
}

/// What happens first.
pub(super) enum First {
    /// The run is over; and what the function has begun to answer, if anything.
    Ended(Ended, Option<Head>),
    /// The function answers, and goes on.
    Begun(Head),
}

pub(super) async fn first(run: &mut Bounded, mut head: oneshot::Receiver<Head>) -> First {
    // Once the sender is gone there is no answer to wait for, and the run says why.
    let mut is_awaited = true;
    std::future::poll_fn(|context| {
        if let Poll::Ready(ended) = run.poll_unpin(context) {
            let begun = is_awaited.then(|| head.try_recv().ok()).flatten();
            return Poll::Ready(First::Ended(ended, begun));
        }
        if is_awaited && let Poll::Ready(begun) = head.poll_unpin(context) {
            match begun {
                Ok(begun) => return Poll::Ready(First::Begun(begun)),
                Err(_) => is_awaited = false,
            }
        }
        Poll::Pending
    })
    .await
}

/// Drives a run to its end. Whoever reads the answer is told before what the run holds is dropped, and with it the
/// other end of the body, which would look like a good end.
async fn drive(
    mut run: Bounded,
    ended: oneshot::Sender<Ended>,
    function: Arc<Function>,
    is_read: Arc<AtomicBool>,
    heard: Option<Arc<Heard>>,
) {
    let outcome = (&mut run).await;
    match (&heard, &outcome.result) {
        (None, _) => {}
        (Some(heard), Ok(())) => heard.returned(),
        (Some(heard), Err(error)) => heard.failed(error),
    }
    if let Err(error) = &outcome.result {
        function
            .identity
            .log
            .write(LogLevel::Error, &error.to_string());
        tracing::warn!(detail = %error, "a function failed while its answer was on its way");
    }
    // Nobody waits any more where the answer has been read already.
    if let Err(unread) = ended.send(outcome)
        && let Ended {
            result: Ok(()),
            instance: Some(instance),
        } = unread
        && is_read.load(Ordering::Acquire)
    {
        function.keep(instance);
    }
}

/// Names the trailers of an answer that is there already: HTTP/1.1 sends only those that were named in the head. An answer
/// that is made while it is read has to name them itself.
fn announce_trailers(response: &mut Response<()>, frames: &VecDeque<Frame<Bytes>>) {
    let names = frames
        .iter()
        .filter_map(Frame::trailers_ref)
        .flat_map(|trailers| trailers.keys());
    let names: Vec<&str> = names.map(HeaderName::as_str).collect();
    if let Ok(value) = HeaderValue::try_from(names.join(", "))
        && !names.is_empty()
    {
        response.headers_mut().entry(TRAILER).or_insert(value);
    }
}

/// A body that is there already.
fn held(frames: VecDeque<Frame<Bytes>>) -> Answer {
    if frames.iter().any(Frame::is_trailers) {
        return Answer::Streamed(Streamed::held(frames));
    }
    let mut pieces = frames
        .into_iter()
        .filter_map(|frame| frame.into_data().ok());
    let first = pieces.next().unwrap_or_default();
    let Some(second) = pieces.next() else {
        return Answer::Whole(first);
    };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    pieces.for_each(|piece| all.extend_from_slice(&piece));
    Answer::Whole(all.freeze())
}
