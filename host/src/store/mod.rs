//! The durable state of a host: an ordered map, the streams' log and the ledger, changed by
//! transactions only. No WIT type and no component appears here; what a key means is its owner's
//! business.
//!
//! **Invariants.** A snapshot never changes. A transaction commits whole or not at all, and only
//! if nothing it read has changed since its snapshot. What was committed is durable before
//! [`Store::commit`] returns. Offsets of a stream grow by one from 1 without gaps, in commit order.
//! The ledger sums to zero after every commit.

pub mod embedded;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::ids::{Instant, StreamName};

/// A commit's number; grows by one with every commit that changes something.
pub type Version = u64;

/// A record's place in its stream; the first is 1.
pub type Offset = u64;

/// The account that creates datapoints; it alone may go below zero.
pub const ISSUER: &str = "issuer";

/// A part of the ordered map with one owner: a component's name, or `leyden.<what>` for the host's
/// own (a component's name has no dot, so the two never meet).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Space(pub Arc<str>);

impl From<&str> for Space {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, 1 byte or more.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Keys from `start` (included) to `end` (excluded; none: no upper bound), by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Range {
    /// First key.
    pub start: Vec<u8>,
    /// First key after it.
    pub end: Option<Vec<u8>>,
}

/// Which end a scan starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: Offset,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Vec<u8>,
    /// When it was published, by the host's clock.
    pub published_at: Instant,
}

/// What an account has seen. Both sums only grow; the balance is `credits - debits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Datapoints that left.
    pub debits: u64,
    /// Datapoints that came.
    pub credits: u64,
}

impl Account {
    /// What the account holds; 0 for the issuer, who owes.
    #[must_use]
    pub fn balance(&self) -> u64 {
        self.credits.saturating_sub(self.debits)
    }
}

/// A write: the new value, or `None` to remove the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Whose key.
    pub space: Space,
    /// The key.
    pub key: Vec<u8>,
    /// Its new value.
    pub value: Option<Vec<u8>>,
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// To which stream.
    pub stream: StreamName,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Vec<u8>,
}

/// A movement of datapoints: one entry that debits one account and credits another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Who gives.
    pub debit: String,
    /// Who receives; not the giver.
    pub credit: String,
    /// How much, more than 0.
    pub amount: u64,
    /// What for.
    pub reference: String,
}

/// What a transaction has read, for the check at commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Version of the snapshot that was read.
    pub version: Version,
    /// Keys read, present or not.
    pub keys: Vec<(Space, Vec<u8>)>,
    /// Ranges scanned, as far as the scan got.
    pub ranges: Vec<(Space, Range)>,
}

/// Everything one invocation changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What it stands on.
    pub reads: ReadSet,
    /// Its writes; the last one of a key counts.
    pub writes: Vec<Write>,
    /// Its records, in order.
    pub appends: Vec<Append>,
    /// Its movements, in order: each is judged on what those before it left.
    pub postings: Vec<Posting>,
    /// The instant it is stamped with.
    pub at: u64,
}

impl Transaction {
    /// Whether committing would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.appends.is_empty() && self.postings.is_empty()
    }
}

/// The whole ledger, compared with what its entries add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerCheck {
    /// Entries.
    pub entries: u64,
    /// Accounts.
    pub accounts: u64,
    /// Debits of all accounts as they are kept, datapoints; equals `credits` in a sound ledger.
    pub debits: u128,
    /// Credits of all accounts as they are kept, datapoints.
    pub credits: u128,
    /// Accounts whose kept sums differ from their entries or that are below zero without right.
    pub wrong_accounts: Vec<String>,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot answer now; trying again may help.
    #[error("the store is not available: {0}")]
    Unavailable(&'static str),
    /// The backend failed.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a transaction did not commit. Nothing of it happened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something it read has changed: run the invocation again.
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
    /// A movement breaks a rule: same account twice, amount 0, sums past 2^63.
    #[error("a movement is invalid: {0}")]
    InvalidPosting(&'static str),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A store result.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything committed up to one version. Holding one costs a connection: keep it short.
pub trait Snapshot: Send {
    /// A version that this snapshot is at or after, and before which nothing is missing.
    fn version(&self) -> Version;

    /// The value under a key.
    ///
    /// # Errors
    /// The store did not answer.
    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>>;

    /// Up to `limit` entries of a range in order.
    ///
    /// # Errors
    /// The store did not answer.
    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>>;

    /// Records of a stream after an offset, in order: at most `limit`, and only as many as have
    /// payloads of `bytes_max` bytes together (but always one, where there is one).
    ///
    /// # Errors
    /// The store did not answer.
    fn read_log<'a>(
        &'a mut self,
        stream: &'a StreamName,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>>;

    /// The offset of a stream's oldest record that is still kept; `None` when none is.
    ///
    /// # Errors
    /// The store did not answer.
    fn first_offset<'a>(
        &'a mut self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<Offset>>>;

    /// An account's sums; zero for one that never moved.
    ///
    /// # Errors
    /// The store did not answer.
    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>>;
}

/// A durable store. Cheap to share.
pub trait Store: Send + Sync {
    /// A snapshot of everything committed so far.
    ///
    /// # Errors
    /// The store did not answer.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>>;

    /// Commits a transaction and returns its version once it is durable. A transaction that is
    /// empty commits without a check, since it read one snapshot and changes nothing; its version
    /// is the one it read. What was read is checked before the movements are judged. Dropping the
    /// future does not take the transaction back.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing happened then.
    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>>;

    /// The offset of a stream's newest record (0: none yet), kept current. It is set before the
    /// commit that appended returns.
    fn tail(&self, stream: &StreamName) -> watch::Receiver<Offset>;

    /// All streams that have ever had a record, with the offset of the newest.
    ///
    /// # Errors
    /// The store did not answer.
    fn streams(&self) -> BoxFuture<'_, Result<Vec<(StreamName, Offset)>>>;

    /// Removes a stream's oldest records up to and including `up_to`, a bounded number per call;
    /// returns how many went. Call it again until that is 0. Offsets are never used again.
    ///
    /// # Errors
    /// The store did not answer.
    fn trim<'a>(&'a self, stream: &'a StreamName, up_to: Offset) -> BoxFuture<'a, Result<u64>>;

    /// Recomputes the ledger from its entries.
    ///
    /// # Errors
    /// The store did not answer.
    fn check_ledger(&self) -> BoxFuture<'_, Result<LedgerCheck>>;
}
