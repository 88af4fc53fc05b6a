//! The durable state of an installation: an ordered map, the streams' log, the groups' places in it and
//! the ledger, changed by transactions only; and which host owns which partitions. No WIT type and
//! no component appears here; what a key means is its owner's business.
//!
//! **Invariants.** What a snapshot has read never changes. A transaction commits whole or not at
//! all, and only if nothing it read has changed since. What was committed is as durable as the backend
//! promises before [`Store::commit`] returns. Offsets of a partition grow in commit order. A group
//! acknowledges the records of a partition in their order, each once, and only through the holder of
//! that partition. The ledger sums to zero after every commit, and its entries are chained by their hashes.

pub mod chain;
pub mod copy;
pub mod embedded;
pub mod redis;

mod audit;
mod members;
mod partition;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::ids::{Instant, StreamName};
pub use audit::{Broken, Flaw, LedgerCheck};
pub use members::{Holder, HostInfo, Member, Members};
pub use partition::{
    Acknowledgement, Claim, GroupStatus, Partition, PartitionStatus, Subscription, offset_of,
    offset_text, partition_of,
};

/// A commit's number; grows by one with every commit that changes something.
pub type Version = u64;

/// A record's place in its partition, more than 0. The embedded store counts 1, 2, 3; the entry
/// `ms-seq` of a Redis stream is `ms << 20 | seq` (see [`offset_text`]).
pub type Offset = u64;

/// The account that creates datapoints; it alone may go below zero.
pub const ISSUER: &str = "issuer";

/// The greatest sum of an account, datapoints: what a JSON number and a Lua number hold exactly.
pub const SUM_MAX: u64 = (1 << 53) - 1;

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
    /// Records that are taken out of the log (dead letters that are dealt with). One that is not there
    /// any more is a [`CommitError::Conflict`], so that nothing is dealt with twice.
    pub removals: Vec<(Partition, Offset)>,
    /// The input it is done with: checked before anything else, and moved by the same commit.
    pub acknowledgement: Option<Acknowledgement>,
    /// Its movements, in order: each is judged on what those before it left.
    pub postings: Vec<Posting>,
    /// The instant it is stamped with.
    pub at: u64,
}

impl Transaction {
    /// Whether committing would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
            && self.appends.is_empty()
            && self.postings.is_empty()
            && self.removals.is_empty()
            && self.acknowledgement.is_none()
    }
}

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

/// A store result.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything committed up to one version, as far as it has been read. A backend that keeps no old
/// versions moves the snapshot forward when something newer is read, provided that nothing read
/// before has changed; otherwise it answers [`Error::Overtaken`]. Holding one costs a connection of the
/// embedded store: keep it short.
pub trait Snapshot: Send {
    /// The version everything read so far was read at; everything committed before it is seen.
    fn version(&self) -> Version;

    /// The value under a key.
    ///
    /// # Errors
    /// The store did not answer, or [`Error::Overtaken`].
    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>>;

    /// The values under many keys of a space, in their order: what [`Snapshot::read`] says of each, in one
    /// go where the store is far away.
    ///
    /// # Errors
    /// The store did not answer, or [`Error::Overtaken`].
    fn read_many<'a>(
        &'a mut self,
        space: &'a Space,
        keys: &'a [Vec<u8>],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.read(space, key).await?);
            }
            Ok(values)
        })
    }

    /// Up to `limit` entries of a range in order.
    ///
    /// # Errors
    /// The store did not answer, or [`Error::Overtaken`].
    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>>;

    /// An account's sums at this version or later; zero for one that never moved. Movements are
    /// judged at commit and never conflict, so this is not part of what was read.
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
    /// empty commits without a check, since it read one version and changes nothing; its version
    /// is the one it read. Checked in this order: the acknowledgement, what was read, the log's
    /// bounds, the movements. Dropping the future does not take the transaction back.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing happened then, except that [`Error::Unresolved`] says that the
    /// store has not told.
    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>>;

    /// How many partitions a stream has; the same for ever. Of a new stream, how many it will have.
    ///
    /// # Errors
    /// The store did not answer.
    fn partitions<'a>(&'a self, stream: &'a StreamName) -> BoxFuture<'a, Result<u16>>;

    /// Records of a partition after an offset, in order: at most `limit`, and only as many as have
    /// payloads of `bytes_max` bytes together (but always one, where there is one).
    ///
    /// # Errors
    /// The store did not answer.
    fn read_log<'a>(
        &'a self,
        partition: &'a Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>>;

    /// The offset of a partition's oldest record that is still kept; `None` when none is.
    ///
    /// # Errors
    /// The store did not answer.
    fn first_offset<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<Option<Offset>>>;

    /// The offset of a partition's newest record (0: none yet), kept current. It is set before the
    /// commit of this process that appended returns; what others append shows within milliseconds.
    fn tail(&self, partition: &Partition) -> watch::Receiver<Offset>;

    /// All partitions that have ever had a record or a group, by stream and number, with their groups.
    ///
    /// # Errors
    /// The store did not answer.
    fn streams(&self) -> BoxFuture<'_, Result<Vec<PartitionStatus>>>;

    /// Makes a group known; a new one begins with the oldest record that is kept. Idempotent.
    ///
    /// # Errors
    /// The store did not answer.
    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>>;

    /// The next records that the group has not acknowledged, after `after` (0: from the first), in
    /// order, bounded as in [`Store::read_log`]. They are then this holder's to handle: whoever held
    /// them before can acknowledge them no more.
    ///
    /// # Errors
    /// [`Error::Fenced`] where the partition's unit is not the holder's, or the store did not answer.
    fn fetch<'a>(
        &'a self,
        claim: &'a Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>>;

    /// How many records these groups have not acknowledged, all counted at one instant.
    ///
    /// # Errors
    /// The store did not answer.
    fn backlog<'a>(&'a self, subscriptions: &'a [Subscription]) -> BoxFuture<'a, Result<u64>>;

    /// Number of units that hosts share: unit `n` is partition `n` of every stream.
    fn units(&self) -> u16;

    /// Tells that a host is alive for `lease_ms` more from now by the store's clock, and returns
    /// everyone and everything that is held. Who has not told for its lease is not alive.
    ///
    /// # Errors
    /// The store did not answer.
    fn beat<'a>(&'a self, info: &'a HostInfo, lease_ms: u64) -> BoxFuture<'a, Result<Members>>;

    /// Takes a unit for `to`, if `from` holds it (none: nobody does). From then on the former holder
    /// is fenced. Whether it did.
    ///
    /// # Errors
    /// The store did not answer.
    fn take<'a>(
        &'a self,
        unit: u16,
        from: Option<&'a Holder>,
        to: &'a Holder,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Gives up all units of a holder (`unit`: only that one), without waiting for its lease to end;
    /// with all units it also stops being a member.
    ///
    /// # Errors
    /// The store did not answer.
    fn release<'a>(&'a self, holder: &'a Holder, unit: Option<u16>) -> BoxFuture<'a, Result<()>>;

    /// Removes a partition's oldest records up to and including `up_to`, a bounded number per call;
    /// returns how many went. Call it again until that is 0. Offsets are never used again.
    ///
    /// # Errors
    /// The store did not answer.
    fn trim<'a>(&'a self, partition: &'a Partition, up_to: Offset) -> BoxFuture<'a, Result<u64>>;

    /// Up to `limit` accounts after a name (empty: from the first), by name. What moves meanwhile may show or not.
    ///
    /// # Errors
    /// The store did not answer.
    fn accounts<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Account)>>>;

    /// Recomputes the ledger from its entries, while commits go on: sums, balances and the chain.
    ///
    /// # Errors
    /// The store did not answer.
    fn check_ledger(&self) -> BoxFuture<'_, Result<LedgerCheck>>;

    /// Whether the store answers; `Err` says why not. Kept current without being asked.
    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>>;
}
