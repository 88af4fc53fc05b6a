//! How an invocation can fail, for whoever asked for it. `gateway/problem.rs` maps each case to
//! its HTTP status.

use crate::dispatch::types::Problem;
use crate::ids::{ComponentName, Digest, StreamName};

/// Which version of which component an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: Digest,
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.component, self.version.short())
    }
}

/// Why an invocation has no answer. No effect of it was kept, unless the case says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The component refuses the input.
    #[error("refused: {}", .0.detail)]
    Rejected(Problem),
    /// The component asked to be run later, and did so on every attempt.
    #[error("{0} asks to try again later: {1}")]
    Retry(Culprit, String),
    /// The component trapped; the reason is its own (such as `unreachable`), not the host's internals.
    #[error("{0} trapped: {1}")]
    Trapped(Culprit, String),
    /// The component ran past its deadline (ms).
    #[error("{0} ran past its deadline of {1} ms")]
    Deadline(Culprit, u64),
    /// The component broke a rule of the host, in words (an answer that is not valid HTTP, a limit).
    #[error("{0} {1}")]
    Misbehaved(Culprit, String),
    /// Other invocations kept changing what this one read, on every attempt.
    #[error("gave way to other invocations {0} times")]
    Contended(u32),
    /// The batch is not this host's to handle any more, or was handled already.
    #[error("the batch was handled elsewhere")]
    Fenced,
    /// A stream that it publishes to holds as many records as it may: its groups are too far behind.
    #[error("stream {0} is full: its groups are too far behind")]
    LogFull(StreamName),
    /// All places are taken and the queue is full.
    #[error("all places are taken and the queue is full")]
    Busy,
    /// No active component exports an interface that the host itself needs for the answer.
    #[error("no active component exports {0}")]
    NotServed(&'static str),
    /// The host is shutting down.
    #[error("the host is shutting down")]
    Stopping,
    /// The idempotency key was used before with another request.
    #[error("the idempotency key was used before with a different request")]
    KeyReused,
    /// The store did not answer. [`crate::store::Error::Unresolved`]: the effects may have been kept.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

impl Error {
    /// The component that has failed, if one has ([`Error::is_failure`]).
    pub(crate) fn failed(&self) -> Option<&Culprit> {
        match self {
            Self::Retry(culprit, _)
            | Self::Trapped(culprit, _)
            | Self::Deadline(culprit, _)
            | Self::Misbehaved(culprit, _) => Some(culprit),
            _ => None,
        }
    }

    /// Whether a component has failed: not where it refuses what it was asked, and not where the store or the host has
    /// no answer.
    pub(crate) fn is_failure(&self) -> bool {
        self.failed().is_some()
    }
}
