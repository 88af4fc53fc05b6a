//! A function's own requests where its invocation is recorded or replayed. What they are answered is noted as it comes; a
//! replay sends nothing, and is given what was noted, in the order in which it came, each answer in one piece.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, WasiBody};

use super::{Going, Sent};
use crate::dispatch::Notes;
use crate::dispatch::outside::{Answer, NOTED_BYTES_MAX, Reply};
use crate::tapped::{Passed, Tapped};

/// A request that is noted, by its number.
pub(super) struct Noting {
    notes: Arc<Notes>,
    request: usize,
}

impl Noting {
    /// Notes that a request is sent, and its body as it passes.
    pub(super) fn of<B>(
        notes: &Arc<Notes>,
        request: Request<B>,
    ) -> (
        Self,
        Request<Tapped<B, impl FnMut(Passed<'_>) + Send + Unpin + use<B>>>,
    )
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (method, uri) = (request.method().to_string(), request.uri().to_string());
        let number = notes.sends(method, uri);
        let noting = Self {
            notes: notes.clone(),
            request: number,
        };
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let mut sending = Sending {
            copy: Some(Vec::new()),
            length,
            notes: notes.clone(),
            request: number,
        };
        let listen = move |passed: Passed<'_>| sending.passes(&passed);
        (noting, request.map(|body| Tapped::new(body, listen)))
    }

    /// Notes what came of it, and goes on noting as its body comes.
    pub(super) fn answered(self, sent: Sent) -> Sent {
        match sent {
            Ok((response, going)) => {
                let reply = Reply {
                    status: response.status().as_u16(),
                    headers: fields(response.headers()),
                    body: Vec::new(),
                    is_whole: false,
                };
                let answer = self.notes.answered(self.request, Ok(reply));
                let notes = self.notes;
                let listen = move |passed: Passed<'_>| match passed {
                    Passed::Piece(piece) => notes.answer_goes_on(answer, Some(piece)),
                    Passed::End => notes.answer_goes_on(answer, None),
                    Passed::Broken => {}
                };
                let response = response.map(|body| Tapped::new(body, listen).boxed_unsync());
                Ok((response, going))
            }
            Err(error) => {
                self.notes
                    .answered(self.request, Err(name_of(&error).to_owned()));
                Err(error)
            }
        }
    }

    /// What a replay is given for a request.
    pub(super) async fn again<B>(self, request: Request<B>) -> Sent
    where
        B: Body<Data = Bytes, Error = Error> + Unpin + Send + 'static,
    {
        let given = self
            .notes
            .given_answer(request.method().as_str(), &request.uri().to_string());
        // What it is is known once it was read to its end.
        tokio::spawn(async move { drop(request.into_body().collect().await) });
        let Some((before, Answer { reply, .. })) = given else {
            return Err(Error::ConnectionRefused);
        };
        // What was answered before this goes first.
        for _ in 0..before.min(TURNS_MAX) {
            tokio::task::yield_now().await;
        }
        let reply = match reply {
            None => std::future::pending().await,
            Some(reply) => reply.map_err(|name| error_of(&name)),
        };
        let noted = match &reply {
            Ok(reply) => Ok(reply.clone()),
            Err(error) => Err(name_of(error).to_owned()),
        };
        self.notes.answered(self.request, noted);
        let going: Going = Box::new(async { Ok(()) });
        Ok((response(reply?)?, going))
    }
}

/// Most turns that a replayed answer waits for others.
const TURNS_MAX: usize = 1_000;

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let fields = headers.iter();
    fields
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn response(reply: Reply) -> Result<Response<WasiBody>, Error> {
    let unusable = |_| Error::HttpProtocolError;
    let status = StatusCode::from_u16(reply.status);
    let body = Given {
        piece: (!reply.body.is_empty()).then(|| Bytes::from(reply.body)),
        // More of it nobody has seen.
        rest: (!reply.is_whole).then_some(Error::HttpResponseIncomplete),
    };
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status.map_err(|_| Error::HttpProtocolError)?;
    for (name, value) in reply.headers {
        let name = HeaderName::try_from(name).map_err(|_| Error::HttpProtocolError)?;
        let value = HeaderValue::from_bytes(&value).map_err(unusable)?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// The body of an answer that was noted.
struct Given {
    piece: Option<Bytes>,
    rest: Option<Error>,
}

impl Body for Given {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = self.piece.take().map(|piece| Ok(Frame::data(piece)));
        Poll::Ready(piece.or_else(|| self.rest.take().map(Err)))
    }
}

/// A request on its way, of whose body a copy is taken.
struct Sending {
    /// None once it is told, or is no use: too long, or broken off.
    copy: Option<Vec<u8>>,
    /// How long it is to be; whoever sends it may stop looking there.
    length: Option<usize>,
    notes: Arc<Notes>,
    request: usize,
}

impl Sending {
    fn passes(&mut self, passed: &Passed<'_>) {
        match passed {
            Passed::Piece(piece) => self.add(piece),
            Passed::End => self.end(),
            Passed::Broken => self.copy = None,
        }
    }

    fn add(&mut self, piece: &[u8]) {
        let fits = |copy: &Vec<u8>| copy.len() + piece.len() <= NOTED_BYTES_MAX;
        let length = match self.copy.as_mut().filter(|copy| fits(copy)) {
            None => return self.copy = None,
            Some(copy) => {
                copy.extend_from_slice(piece);
                copy.len()
            }
        };
        if self.length == Some(length) {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(copy) = self.copy.take() {
            self.notes.sent_whole(self.request, copy);
        }
    }
}

/// The names that `wasi:http` gives the errors that a request of a function ends with.
fn name_of(error: &Error) -> &'static str {
    match error {
        Error::HttpRequestUriInvalid => "HTTP-request-URI-invalid",
        Error::HttpRequestDenied => "HTTP-request-denied",
        Error::DnsError { .. } => "DNS-error",
        Error::DestinationIpProhibited => "destination-IP-prohibited",
        Error::ConnectionLimitReached => "connection-limit-reached",
        Error::ConnectionRefused => "connection-refused",
        Error::ConnectionTerminated => "connection-terminated",
        Error::ConnectionTimeout => "connection-timeout",
        Error::ConnectionReadTimeout => "connection-read-timeout",
        Error::TlsCertificateError => "TLS-certificate-error",
        Error::TlsProtocolError => "TLS-protocol-error",
        Error::HttpResponseTimeout => "HTTP-response-timeout",
        Error::HttpResponseIncomplete => "HTTP-response-incomplete",
        Error::HttpResponseBodySize(_) => "HTTP-response-body-size",
        _ => "HTTP-protocol-error",
    }
}

fn error_of(name: &str) -> Error {
    match name {
        "HTTP-request-URI-invalid" => Error::HttpRequestUriInvalid,
        "HTTP-request-denied" => Error::HttpRequestDenied,
        "DNS-error" => super::no_address(),
        "destination-IP-prohibited" => Error::DestinationIpProhibited,
        "connection-limit-reached" => Error::ConnectionLimitReached,
        "connection-refused" => Error::ConnectionRefused,
        "connection-terminated" => Error::ConnectionTerminated,
        "connection-timeout" => Error::ConnectionTimeout,
        "connection-read-timeout" => Error::ConnectionReadTimeout,
        "TLS-certificate-error" => Error::TlsCertificateError,
        "TLS-protocol-error" => Error::TlsProtocolError,
        "HTTP-response-timeout" => Error::HttpResponseTimeout,
        "HTTP-response-incomplete" => Error::HttpResponseIncomplete,
        "HTTP-response-body-size" => Error::HttpResponseBodySize(None),
        _ => Error::HttpProtocolError,
    }
}
