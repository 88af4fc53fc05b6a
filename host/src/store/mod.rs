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
mod error;
mod members;
mod partition;
mod transaction;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::ids::StreamName;
pub use audit::{Broken, Flaw, LedgerCheck};
use chain::Head;
pub use error::{CommitError, Error};
pub use members::{Holder, HostInfo, Member, Members};
pub use partition::{
    Acknowledgement, Claim, GroupStatus, Partition, PartitionStatus, Subscription, offset_of,
    offset_text, partition_of,
};
pub use transaction::{
    Account, Append, Block, Entry, Order, Posting, Range, ReadSet, Record, Space, Transaction,
    Write,
};

/// Ends once a transaction that was committed ahead is durable and snapshots show it.
///
/// # Errors
/// The store has failed before that; nothing has happened, except that [`Error::Unresolved`] says that it has not told.
pub type Durable = BoxFuture<'static, Result<()>>;

/// Of what is durable already.
fn durable() -> Durable {
    Box::pin(std::future::ready(Ok(())))
}

/// A commit's number; grows by one with every commit that changes something.
pub type Version = u64;

/// A record's place in its partition, more than 0. The embedded store counts 1, 2, 3; the entry
/// `ms-seq` of a Redis stream is `ms << 20 | seq` (see [`offset_text`]).
pub type Offset = u64;

/// The account that creates datapoints; it alone may go below zero.
pub const ISSUER: &str = "issuer";

/// The greatest sum of an account, datapoints: what a JSON number and a Lua number hold exactly.
pub const SUM_MAX: u64 = (1 << 53) - 1;

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

    /// Up to `limit` entries of a range in one piece, smallest key first.
    ///
    /// # Errors
    /// The store did not answer, or [`Error::Overtaken`].
    fn scan_block<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        limit: usize,
    ) -> BoxFuture<'a, Result<Block>> {
        Box::pin(async move {
            let entries = self.scan(space, range, Order::Ascending, limit).await?;
            Ok(entries.into_iter().collect())
        })
    }

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

    /// Commits a transaction and returns once it is judged: whatever is judged after it is judged on what it
    /// leaves, and only a store that fails before it is durable takes it back, together with all that was committed
    /// after it. Snapshots may not show it before it is durable. For what only has to be there before something else is
    /// committed.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn commit_ahead(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Durable, CommitError>> {
        Box::pin(async move {
            self.commit(transaction).await?;
            Ok(durable())
        })
    }

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

    /// Recomputes the ledger from its entries, while commits go on: sums, balances and the chain. Whoever has
    /// `noted` a head learns whether the chain still passes through it: somebody who can write to the store
    /// can make up a chain that is sound, but not one that does.
    ///
    /// # Errors
    /// The store did not answer.
    fn check_ledger(&self, noted: Option<Head>) -> BoxFuture<'_, Result<LedgerCheck>>;

    /// Whether the store answers; `Err` says why not. Kept current without being asked.
    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>>;
}
