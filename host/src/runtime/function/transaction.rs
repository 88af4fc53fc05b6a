//! A function that keeps values, or a replay of any: its request is a transaction like any other, so it is given whole,
//! answered whole, run again where another commit came first, and answered once its own commit is durable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use http::response::Parts;
use http_body::Body as _;
use http_body_util::Full;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::answer::{First, first};
use super::run::{Bounded, Ended, Head};
use super::{Fault, Function};
use crate::dispatch::outside::NOTED_BYTES_MAX;
use crate::dispatch::work::Work;
use crate::dispatch::{Error, types};

/// Longest answer of a function that keeps values, since it is held until the commit.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

impl From<std::convert::Infallible> for Fault {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl Function {
    /// Runs the function for a whole request inside a transaction.
    pub(in crate::runtime) async fn invoke(
        self: &Arc<Self>,
        request: &types::Request,
        work: Box<Work>,
    ) -> Result<(types::Response, Box<Work>), Error> {
        let is_head = request.head.method == "HEAD";
        let request = self.as_http(request)?;
        let (sender, head) = oneshot::channel();
        let notes = work.notes().cloned();
        let mut run = self.bounded(request, sender, Some(work), notes, ());
        let (ended, head, bytes) = match first(&mut run, head).await {
            First::Ended(ended, head) => (ended, head, Vec::new()),
            First::Begun(head) => self.collected(&mut run, head, is_head).await?,
        };
        self.concluded(ended, head, bytes, is_head)
    }

    /// A whole request as `http` has it.
    fn as_http(&self, request: &types::Request) -> Result<Request<Full<Bytes>>, Error> {
        let head = &request.head;
        let target = match &head.query {
            Some(query) => format!("{}?{query}", head.path),
            None => head.path.clone(),
        };
        let builder = Request::builder().method(&*head.method).uri(target);
        let fields = head.headers.iter();
        let builder = fields.fold(builder, |builder, (name, value)| {
            builder.header(name, value)
        });
        let body = Full::new(Bytes::from(request.body.clone()));
        let built = builder.body(body);
        built.map_err(|error| self.misbehaved(format!("cannot be given the request: {error}")))
    }

    /// Reads an answer while the run goes on, to the end of both.
    async fn collected(
        &self,
        run: &mut Bounded,
        head: Head,
        is_head: bool,
    ) -> Result<(Ended, Option<Head>, Vec<u8>), Error> {
        let mut response = self.begun(head)?;
        let (mut bytes, mut is_whole) = (Vec::new(), false);
        let ended = std::future::poll_fn(|context| {
            while !is_whole {
                let Poll::Ready(frame) = Pin::new(response.body_mut()).poll_frame(context) else {
                    break;
                };
                match frame {
                    Some(Ok(frame)) => {
                        bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                    }
                    Some(Err(_)) if !is_head => return Poll::Ready(Err(self.unfinished())),
                    Some(Err(_)) | None => is_whole = true,
                }
                if bytes.len() as u64 > self.answer_bytes_max() {
                    return Poll::Ready(Err(self.too_long(self.answer_bytes_max())));
                }
            }
            run.poll_unpin(context).map(Ok)
        });
        let ended = ended.await?;
        Ok((ended, Some(Ok(response)), bytes))
    }

    fn answer_bytes_max(&self) -> u64 {
        let held_bytes_max = match self.identity.manifest.grants.keyvalue {
            true => ANSWER_BYTES_MAX,
            // A replay, of what may be longer.
            false => NOTED_BYTES_MAX as u64,
        };
        self.response_bytes_max().min(held_bytes_max)
    }

    /// Takes the transaction back from a run that has returned.
    fn concluded(
        self: &Arc<Self>,
        ended: Ended,
        head: Option<Head>,
        mut bytes: Vec<u8>,
        is_head: bool,
    ) -> Result<(types::Response, Box<Work>), Error> {
        let (mut instance, head) = self.returned(ended, head)?;
        let (parts, mut body) = self.begun(head)?.into_parts();
        let work = instance
            .as_mut()
            .and_then(|instance| instance.store.data_mut().work.take());
        let work = work.ok_or_else(|| self.misbehaved("lost its transaction"))?;
        if self.rest(&mut body, &mut bytes, is_head)? {
            if let Some(instance) = instance {
                self.keep(instance);
            }
        } else {
            drop(instance);
            self.rest(&mut body, &mut bytes, is_head)?;
        }
        if bytes.len() as u64 > self.answer_bytes_max() {
            return Err(self.too_long(self.answer_bytes_max()));
        }
        let response = self.as_response(&parts, bytes)?;
        Ok((response, work))
    }

    /// An answer as the dispatcher has it.
    fn as_response(&self, parts: &Parts, body: Vec<u8>) -> Result<types::Response, Error> {
        let mut headers = Vec::with_capacity(parts.headers.len());
        for (name, value) in &parts.headers {
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
                self.misbehaved(format!("answered with a header '{name}' that is no text"))
            })?;
            headers.push((name.as_str().to_owned(), text.to_owned()));
        }
        let status = parts.status.as_u16();
        let response = types::Response {
            status,
            headers,
            body,
        };
        // What others answer goes to the connection as it is, which looks for itself.
        if self.identity.manifest.grants.keyvalue {
            response.check().map_err(|rule| self.misbehaved(rule))?;
        }
        Ok(response)
    }

    /// What is there of a body whose run is over; whether that is all.
    fn rest(
        &self,
        body: &mut HyperOutgoingBody,
        bytes: &mut Vec<u8>,
        is_head: bool,
    ) -> Result<bool, Error> {
        let mut frames = std::collections::VecDeque::new();
        let is_whole = self.gather(body, &mut frames, is_head)?;
        let pieces = frames.iter().filter_map(http_body::Frame::data_ref);
        pieces.for_each(|piece| bytes.extend_from_slice(piece));
        Ok(is_whole)
    }
}
