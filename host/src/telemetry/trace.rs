//! Traces: what a request was waiting for and when, as spans that other programs' tools can show. Which requests are
//! traced, and what is noted of them; sending is `otlp.rs`'s business.
//!
//! A trace goes on where a client began it (W3C Trace Context, level 1): a valid `traceparent` names the trace and the parent
//! and says whether it is sampled; without one, or with one that is not valid, a trace begins here, and the host's ratio says whether it is
//! sampled.
//!
//! **Invariants.** What is not sampled notes nothing. A request notes a bounded number of spans, all in memory; they are handed over
//! together at its end, without waiting.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::request;
use super::stats::Count;
use crate::clock::{self, Monotonic};

/// The header that says where a trace comes from, and where it goes on (W3C Trace Context, 3.2).
pub const TRACE_PARENT: &str = "traceparent";

/// Most spans of one request; a component that calls others in a loop would note thousands that tell the same.
const SPANS_MAX: usize = 128;

/// Length of a `traceparent` after its version: 32 digits, 16 digits, 2 digits, and the dashes between them.
const PARTS_CHARS: usize = 32 + 1 + 16 + 1 + 2;

/// Longest `tracestate` that goes along (characters), as the recommendation has it at least (3.3.1.5).
const STATE_CHARS_MAX: usize = 512;

/// Where a trace comes from, as the header `traceparent` has it (W3C Trace Context, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace's id, not zero.
    pub trace: u128,
    /// The caller's span, not zero.
    pub span: u64,
    /// Whether the caller records it.
    pub is_sampled: bool,
}

impl Parent {
    /// Reads a header. `None`: it is not valid, so a trace begins anew.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (version, rest) = (header.get(..3)?, header.get(3..)?);
        let version = hex(version.strip_suffix('-')?)?;
        // Later versions may go on after a dash; 255 is none.
        let whole = rest.len() == PARTS_CHARS
            || version > 0 && rest.get(PARTS_CHARS..=PARTS_CHARS) == Some("-");
        if version == 255 || !whole {
            return None;
        }
        let mut parts = rest.get(..PARTS_CHARS)?.split('-');
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let (trace, span) = (hex(trace)?, u64::try_from(hex(span)?).ok()?);
        let is_sampled = hex(flags)? & 1 == 1;
        (trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            is_sampled,
        })
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

/// Lower-case hexadecimal digits, and nothing else.
fn hex(digits: &str) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sound = !digits.is_empty() && digits.bytes().all(lower);
    u128::from_str_radix(digits, 16).ok().filter(|_| sound)
}

/// What is told of a span besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(u64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its id within the trace.
    pub id: u64,
    /// The span that it is part of; none: the trace begins with it.
    pub parent: Option<u64>,
    /// What was done.
    pub name: Cow<'static, str>,
    /// When it began, ns since 1970.
    pub began_ns: u64,
    /// When it ended, ns since 1970.
    pub ended_ns: u64,
    /// What else is told.
    pub told: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// All spans of a request; the last one is the request itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The trace's id.
    pub trace: u128,
    /// The caller's `tracestate`.
    pub state: Option<String>,
    /// The spans.
    pub spans: Vec<Span>,
}

/// Decides what is traced, and takes what was noted.
#[derive(Debug)]
pub struct Tracer {
    /// Of 2^64 traces that begin here, so many are sampled.
    sampled: u64,
    queue: mpsc::Sender<Finished>,
    counts: Arc<Counts>,
}

/// What has become of traces.
#[derive(Debug, Default)]
pub struct Counts {
    /// Spans that a collector took.
    pub sent: Count,
    /// Spans that were dropped: the request had too many, the queue was full, or nobody took them.
    pub dropped: Count,
}

impl Tracer {
    /// Hands what was noted to `queue`; `ratio` of the traces that begin here are sampled (0 to 1).
    #[must_use]
    pub fn new(ratio: f64, queue: mpsc::Sender<Finished>, counts: Arc<Counts>) -> Self {
        // The cast saturates at both ends.
        let sampled = (ratio * u64::MAX as f64) as u64;
        Self {
            sampled,
            queue,
            counts,
        }
    }

    /// What has become of what was noted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Begins to note a request, if it is sampled.
    pub fn begin(
        self: &Arc<Self>,
        parent: Option<&str>,
        state: Option<&str>,
    ) -> Option<Arc<Trace>> {
        let parent = parent.and_then(Parent::parse);
        let (id, is_sampled) = match parent {
            Some(parent) => (parent.trace, parent.is_sampled),
            None => self.draw(),
        };
        let state = state.filter(|state| parent.is_some() && state.len() <= STATE_CHARS_MAX);
        is_sampled.then(|| {
            let root = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
            Arc::new(Trace {
                id,
                parent: parent.map(|parent| parent.span),
                state: state.map(str::to_owned),
                root,
                next: AtomicU64::new(1),
                within: AtomicU64::new(root),
                began: clock::monotonic(),
                began_ns: clock::system_ns(),
                spans: Mutex::default(),
                tracer: self.clone(),
            })
        })
    }

    /// The id of a trace that begins here, and whether it is sampled: its first half decides.
    fn draw(&self) -> (u128, bool) {
        let id = uuid::Uuid::new_v4();
        let is_sampled = id.as_u64_pair().0 < self.sampled || self.sampled == u64::MAX;
        (id.as_u128(), is_sampled)
    }
}

/// A request that is noted.
#[derive(Debug)]
pub struct Trace {
    id: u128,
    parent: Option<u64>,
    state: Option<String>,
    /// The request's own span.
    root: u64,
    /// Added to the root, the id of the next span.
    next: AtomicU64,
    /// The span that is under way.
    within: AtomicU64,
    began: Monotonic,
    began_ns: u64,
    spans: Mutex<Vec<Span>>,
    tracer: Arc<Tracer>,
}

impl Trace {
    /// The trace's id.
    #[must_use]
    pub fn id(&self) -> u128 {
        self.id
    }

    /// What whoever is called from here goes on with.
    #[must_use]
    pub fn parent(&self) -> Parent {
        Parent {
            trace: self.id,
            span: self.within.load(Ordering::Relaxed),
            is_sampled: true,
        }
    }

    /// The request has ended.
    pub fn finish(&self, name: String, told: Vec<(&'static str, Value)>, failed: Option<String>) {
        let root = Span {
            id: self.root,
            parent: self.parent,
            name: name.into(),
            began_ns: self.began_ns,
            ended_ns: self.now_ns(),
            told,
            failed,
        };
        let mut spans = std::mem::take(&mut *self.noted());
        spans.push(root);
        let count = spans.len() as u64;
        let finished = Finished {
            trace: self.id,
            state: self.state.clone(),
            spans,
        };
        if self.tracer.queue.try_send(finished).is_err() {
            self.tracer.counts.dropped.add_many(count);
        }
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> u64 {
        let since = clock::monotonic().saturating_duration_since(self.began);
        self.began_ns + u64::try_from(since.as_nanos()).unwrap_or(0)
    }
}

/// A span that is under way, until dropped; nothing where nothing is noted.
#[must_use = "a span ends when it is dropped"]
pub struct Entered(Option<Box<Open>>);

struct Open {
    trace: Arc<Trace>,
    span: Span,
    /// What was under way before it.
    outer: u64,
}

/// Begins a span of the request that the current task works for.
pub fn span(name: &'static str) -> Entered {
    let trace = request::current(|scope| scope.trace.clone());
    Entered(
        trace
            .flatten()
            .map(|trace| Box::new(Open::new(trace, name))),
    )
}

impl Open {
    fn new(trace: Arc<Trace>, name: &'static str) -> Self {
        let id = trace
            .root
            .wrapping_add(trace.next.fetch_add(1, Ordering::Relaxed) << 1);
        let outer = trace.within.swap(id, Ordering::Relaxed);
        let now_ns = trace.now_ns();
        let span = Span {
            id,
            parent: Some(outer),
            name: name.into(),
            began_ns: now_ns,
            ended_ns: now_ns,
            told: Vec::new(),
            failed: None,
        };
        Self { trace, span, outer }
    }
}

impl Entered {
    /// Tells something of it; `value` is worked out only where it is noted.
    pub fn tell<V: Into<Value>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(open) = &mut self.0 {
            open.span.told.push((name, value().into()));
        }
    }

    /// It failed.
    pub fn fail(&mut self, why: &dyn fmt::Display) {
        if let Some(open) = &mut self.0 {
            open.span.failed = Some(why.to_string());
        }
    }

    /// Notes how something ended.
    pub fn ended<T, E: fmt::Display>(&mut self, result: &Result<T, E>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open {
            trace,
            mut span,
            outer,
        } = *open;
        span.ended_ns = trace.now_ns();
        trace.within.store(outer, Ordering::Relaxed);
        let mut spans = trace.noted();
        if spans.len() < SPANS_MAX {
            spans.push(span);
        } else {
            trace.tracer.counts.dropped.add();
        }
    }
}

#[cfg(test)]
mod tests;
