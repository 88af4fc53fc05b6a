//! A request that a function answers while its invocation is recorded: copies of both bodies, taken as they pass, so that
//! neither waits for the recorder. It is over when the run has returned and its answer was read, or when the run has failed;
//! what is given up before (its client has gone) is not recorded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::request::Parts;

use super::outside::NOTED_BYTES_MAX;
use super::types::{Field, Request, RequestHead, Response};
use super::{Error, Notes};
use crate::tapped::Passed;

/// A request, and what came of it; none where it was too long, or is nothing that a record can tell.
pub(crate) type Exchanged = Option<(Request, Result<Response, Error>)>;

/// What is to become of it.
type Keep = Box<dyn FnOnce(Exchanged) + Send>;

/// What was heard so far of a request and its answer.
pub(crate) struct Heard {
    notes: Arc<Notes>,
    copy: Mutex<Copy>,
}

/// The copies.
struct Copy {
    request: Request,
    answer: Response,
    /// Whether the copies are no use: too long, or broken off.
    is_lost: bool,
    has_returned: bool,
    is_read: bool,
    keep: Option<Keep>,
}

impl Heard {
    /// Listens to a request with this head. `keep` gets what was heard, once that is all.
    pub(crate) fn new(notes: Arc<Notes>, parts: &Parts, keep: Keep) -> Arc<Self> {
        let headers = fields(&parts.headers);
        let is_lost = headers.is_none();
        let request = Request {
            head: RequestHead {
                method: parts.method.as_str().to_owned(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().map(str::to_owned),
                headers: headers.unwrap_or_default(),
                ..RequestHead::default()
            },
            body: Vec::new(),
        };
        let copy = Copy {
            request,
            answer: Response::default(),
            is_lost,
            has_returned: false,
            is_read: false,
            keep: Some(keep),
        };
        Arc::new(Self {
            notes,
            copy: Mutex::new(copy),
        })
    }

    /// What the function's clocks, draws and own requests are noted in.
    pub(crate) fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    /// Whether only the head of the answer is asked for.
    pub(crate) fn is_head(&self) -> bool {
        self.copy().request.head.method == "HEAD"
    }

    /// More of the request's body, as the function reads it.
    pub(crate) fn request(&self, passed: &Passed<'_>) {
        let mut copy = self.copy();
        match passed {
            Passed::Piece(piece) => copy.add(piece, |copy| &mut copy.request.body),
            // What a function makes of a request that breaks off does not follow from what it got of it.
            Passed::Broken => copy.keep = None,
            Passed::End => {}
        }
    }

    /// The function begins to answer.
    pub(crate) fn begins(&self, status: u16, headers: &HeaderMap) {
        let mut copy = self.copy();
        copy.answer.status = status;
        match fields(headers) {
            Some(headers) => copy.answer.headers = headers,
            None => copy.is_lost = true,
        }
    }

    /// A piece of the answer.
    pub(crate) fn piece(&self, piece: &[u8]) {
        self.copy().add(piece, |copy| &mut copy.answer.body);
    }

    /// The answer was read to its end.
    pub(crate) fn read(&self) {
        let mut copy = self.copy();
        copy.is_read = true;
        copy.close();
    }

    /// The run has returned.
    pub(crate) fn returned(&self) {
        let mut copy = self.copy();
        copy.has_returned = true;
        copy.close();
    }

    /// The run has failed, or broke a rule with its answer.
    pub(crate) fn failed(&self, error: &Error) {
        let mut copy = self.copy();
        match own(error) {
            Some(error) => copy.end(Err(error)),
            None => copy.keep = None,
        }
    }

    fn copy(&self) -> MutexGuard<'_, Copy> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copy {
    fn add(&mut self, piece: &[u8], to: fn(&mut Self) -> &mut Vec<u8>) {
        if self.request.body.len() + self.answer.body.len() + piece.len() > NOTED_BYTES_MAX {
            self.is_lost = true;
        }
        if !self.is_lost {
            to(self).extend_from_slice(piece);
        }
    }

    fn close(&mut self) {
        if self.has_returned && self.is_read {
            let answer = std::mem::take(&mut self.answer);
            self.end(Ok(answer));
        }
    }

    fn end(&mut self, outcome: Result<Response, Error>) {
        let request = std::mem::take(&mut self.request);
        let Some(keep) = self.keep.take() else { return };
        keep((!self.is_lost).then_some((request, outcome)));
    }
}

/// An error that is the function's own doing.
fn own(error: &Error) -> Option<Error> {
    Some(match error {
        Error::Trapped(by, why) => Error::Trapped(by.clone(), why.clone()),
        Error::Deadline(by, deadline_ms) => Error::Deadline(by.clone(), *deadline_ms),
        Error::Misbehaved(by, rule) => Error::Misbehaved(by.clone(), rule.clone()),
        _ => return None,
    })
}

/// Header fields as a record has them; none where one is no text.
fn fields(headers: &HeaderMap) -> Option<Vec<Field>> {
    let text = |value: &http::HeaderValue| String::from_utf8(value.as_bytes().to_vec()).ok();
    let fields = headers.iter();
    fields
        .map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .collect()
}
