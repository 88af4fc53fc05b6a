//! The store of many hosts: everything lies in Redis (7.0 or later), under one hash tag, so that every
//! commit is one script on one node. Hosts keep nothing.
//!
//! Each file of this folder adds the trait's methods of its concern to `Shared`; this one opens it and
//! hands the calls on. `keys` names everything that lies in Redis.
//!
//! **Invariants.** Everything sent may be sent again. Only `link` makes connections, only `keys` makes
//! keys, and only `commit` changes state, log and ledger.

mod catalog;
mod commit;
mod fetch;
mod groups;
mod keys;
mod ledger;
mod link;
mod log;
mod members;
mod options;
mod pack;
mod reply;
mod restore;
mod server;
mod snapshot;
mod tails;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::chain::Head;
use super::{
    Account, Claim, CommitError, Holder, HostInfo, LedgerCheck, Members, Offset, Partition,
    PartitionStatus, Record, Result, Snapshot, Store, Subscription, Transaction, Version, audit,
};
use crate::ids::StreamName;
#[cfg(feature = "mutations")]
pub use options::Mutation;
pub use options::{NAMESPACE, OpenError, Options};
pub(in crate::store) use restore::{Place, Restore};
pub use server::{Durability, Synced};

/// The store. Cheap to share.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

/// What all parts of the store use.
struct Shared {
    options: Options,
    /// Units that hosts share, as the installation has them.
    units: u16,
    durability: Durability,
    keys: keys::Keys,
    link: link::Link,
    tails: tails::Tails,
    /// How many partitions each stream has, as far as asked.
    catalog: catalog::Catalog,
    /// Commits of this process that have no answer yet.
    commits: commit::Commits,
    /// How far this process' claims have come.
    reaches: fetch::Reaches,
}

impl Redis {
    /// Connects, checks the server and makes the namespace where it is new.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: Options) -> std::result::Result<Self, OpenError> {
        Ok(Self::over(server::open(&options).await?, options))
    }

    /// The store on a server with an installation in it.
    fn over(opened: server::Opened, options: Options) -> Self {
        let server::Opened {
            link,
            units,
            durability,
        } = opened;
        if durability.is_nothing() {
            tracing::warn!("{durability}");
        } else {
            tracing::info!("{durability}");
        }
        let keys = keys::Keys::new(&options.namespace);
        let shared = Shared {
            tails: tails::Tails::start(&link, &keys),
            catalog: catalog::Catalog::default(),
            commits: commit::Commits::default(),
            reaches: fetch::Reaches::default(),
            options,
            units,
            durability,
            keys,
            link,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What a crash of the server can lose, as far as the server tells.
    #[must_use]
    pub fn durability(&self) -> &Durability {
        &self.shared.durability
    }
}

impl Store for Redis {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        Box::pin(snapshot::take(&self.shared))
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        Box::pin(self.shared.commit(transaction))
    }

    fn partitions<'a>(&'a self, stream: &'a StreamName) -> BoxFuture<'a, Result<u16>> {
        Box::pin(self.shared.partitions(stream))
    }

    fn read_log<'a>(
        &'a self,
        partition: &'a Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(self.shared.read_log(partition, after, limit, bytes_max))
    }

    fn first_offset<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        Box::pin(self.shared.first_offset(partition))
    }

    fn tail(&self, partition: &Partition) -> watch::Receiver<Offset> {
        self.shared.tails.watch(partition)
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<PartitionStatus>>> {
        Box::pin(self.shared.streams())
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.shared.subscribe(subscription))
    }

    fn fetch<'a>(
        &'a self,
        claim: &'a Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(self.shared.fetch(claim, after, limit, bytes_max))
    }

    fn backlog<'a>(&'a self, subscriptions: &'a [Subscription]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.shared.backlog(subscriptions))
    }

    fn units(&self) -> u16 {
        self.shared.units
    }

    fn beat<'a>(&'a self, info: &'a HostInfo, lease_ms: u64) -> BoxFuture<'a, Result<Members>> {
        Box::pin(self.shared.beat(info, lease_ms))
    }

    fn take<'a>(
        &'a self,
        unit: u16,
        from: Option<&'a Holder>,
        to: &'a Holder,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.shared.take(unit, from, to))
    }

    fn release<'a>(&'a self, holder: &'a Holder, unit: Option<u16>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.shared.release(holder, unit))
    }

    fn trim<'a>(&'a self, partition: &'a Partition, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.shared.trim(partition, up_to))
    }

    fn accounts<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Account)>>> {
        Box::pin(self.shared.accounts_after(after, limit))
    }

    fn check_ledger(&self, noted: Option<Head>) -> BoxFuture<'_, Result<LedgerCheck>> {
        Box::pin(audit::check(&*self.shared, noted))
    }

    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>> {
        self.shared.link.health()
    }
}
