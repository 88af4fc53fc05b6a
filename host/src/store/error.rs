//! Why the store did not answer, and why a transaction did not commit.

#[cfg(doc)]
use super::SUM_MAX;
use crate::ids::StreamName;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot answer now; trying again may help.
    #[error("the store is not available: {0}")]
    Unavailable(&'static str),
    /// What the snapshot has read has changed, so it can answer nothing more: take a new one.
    #[error("what was read has changed since")]
    Overtaken,
    /// The partition is another holder's now, or the records are not this holder's to handle.
    #[error("the partition is held elsewhere")]
    Fenced,
    /// The store did not say whether the transaction was committed, and cannot be asked now.
    #[error("the store did not say whether the transaction was committed")]
    Unresolved,
    /// The backend failed.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a transaction did not commit. Nothing of it happened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something it read has changed, or a record it removes is gone: run the invocation again.
    #[error("the transaction conflicts with a later commit")]
    Conflict,
    /// A movement would take an account below zero.
    #[error("account {account} holds {balance} datapoints")]
    Overdrawn {
        /// The account.
        account: String,
        /// What it holds.
        balance: u64,
    },
    /// A movement breaks a rule: same account twice, amount 0, sums past [`SUM_MAX`].
    #[error("a movement is invalid: {0}")]
    InvalidPosting(&'static str),
    /// A partition that it appends to holds as many records as it may.
    #[error("stream {0} is full: its groups are too far behind")]
    LogFull(StreamName),
    /// The store did not answer, or the input is not this holder's ([`Error::Fenced`]).
    #[error(transparent)]
    Store(#[from] Error),
}
