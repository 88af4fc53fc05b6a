//! The model in the place of a store, so that the suite can be shown a store with a flaw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::{BoxFuture, ready};
use leyden::ids::StreamName;
use leyden::store::chain::Head;
use leyden::store::{
    Account, Claim, CommitError, Entry, Error, GroupStatus, Holder, HostInfo, LedgerCheck, Members,
    Offset, Order, Partition, PartitionStatus, Range, ReadSet, Record, Result, Snapshot, Space,
    Store, Subscription, Transaction, Version,
};
use tokio::sync::watch;

use crate::inputs::seen;
use crate::model::{Flaw, Kind, State, World};
use crate::model_groups::{Group, Kept, Loss, fitting};

type Tails = BTreeMap<Partition, watch::Sender<Offset>>;

/// The model.
pub(crate) struct Model {
    world: Arc<Mutex<World>>,
    tails: Mutex<Tails>,
    flaw: Flaw,
    units: u16,
}

/// Answers at once.
fn now<'a, T: Send + 'a>(answer: T) -> BoxFuture<'a, T> {
    Box::pin(ready(answer))
}

impl Model {
    pub(crate) fn new(kind: Kind, flaw: Flaw) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(kind, flaw))),
            tails: Mutex::default(),
            flaw,
            units: kind.partitions,
        }
    }

    /// What becomes of it when it is closed and opened again.
    pub(crate) fn reopen(&self) {
        self.world().log.reopen();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    fn tell_tails(&self, world: &World) {
        let mut tails = self.tails.lock().expect("not poisoned");
        for (partition, kept) in &world.log.partitions {
            tails
                .entry(partition.clone())
                .or_insert_with(|| watch::Sender::new(0))
                .send_replace(kept.tail);
        }
    }

    fn group_status(&self, name: &Arc<str>, group: &Group, kept: &Kept) -> GroupStatus {
        let lag = kept.records.range(group.done + 1..).count() as u64;
        let few = u64::from(self.flaw == Flaw::CountsOneTooFew);
        let oldest = kept.records.range(group.done + 1..).next();
        GroupStatus {
            group: Arc::clone(name),
            done: group.done,
            lag: lag.saturating_sub(few),
            pending: group.fetched.len() as u64,
            oldest: oldest.map(|(_, record)| record.published_at),
            lost: group.loss == Loss::Fresh && self.flaw != Flaw::HidesLosses,
        }
    }

    fn partition_status(&self, partition: &Partition, kept: &Kept) -> PartitionStatus {
        let groups = kept.groups.iter();
        PartitionStatus {
            partition: partition.clone(),
            newest: kept.tail,
            length: kept.records.len() as u64,
            groups: groups
                .map(|(name, group)| self.group_status(name, group, kept))
                .collect(),
        }
    }
}

struct ModelSnapshot {
    world: Arc<Mutex<World>>,
    state: Arc<State>,
    version: Version,
    reads: ReadSet,
}

impl ModelSnapshot {
    /// Moves forward where what is read now has changed since, provided that nothing else has.
    fn follow(&mut self, what: &ReadSet) -> Result<Flaw> {
        let world = self.world.lock().expect("not poisoned");
        let (from, to) = (self.state.version, world.version());
        let overtaken = || world.changed(&self.reads, from, to);
        let newer = world.changed(what, from, to);
        if world.flaw == Flaw::OvertakesForNothing && newer && !self.reads.keys.is_empty() {
            return Err(Error::Overtaken);
        }
        if world.kind.extends && newer {
            if world.flaw != Flaw::ExtendsBlindly && overtaken() {
                return Err(Error::Overtaken);
            }
            self.state = Arc::clone(&world.state);
            if world.flaw != Flaw::ReadsAheadOfItsVersion {
                self.version = to;
            }
        }
        Ok(world.flaw)
    }
}

impl Snapshot for ModelSnapshot {
    fn version(&self) -> Version {
        self.version
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        let what = (space.clone(), key.to_vec());
        let followed = self.follow(&ReadSet {
            keys: vec![what.clone()],
            ..ReadSet::default()
        });
        self.reads.keys.push(what);
        now(followed.map(|_| self.state.read(space, key)))
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        let followed = self.follow(&ReadSet {
            ranges: vec![(space.clone(), range.clone())],
            ..ReadSet::default()
        });
        let scanned = |flaw| self.state.scan(space, range, order, limit, flaw);
        let entries = followed.map(scanned);
        if let Ok(entries) = &entries {
            let seen = seen(range.clone(), order, limit, entries);
            self.reads.ranges.push((space.clone(), seen));
        }
        now(entries)
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        now(Ok(self.state.account(account)))
    }
}

impl Store for Model {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        let state = Arc::clone(&self.world().state);
        let snapshot = ModelSnapshot {
            world: Arc::clone(&self.world),
            version: state.version,
            state,
            reads: ReadSet::default(),
        };
        now(Ok(Box::new(snapshot) as Box<dyn Snapshot>))
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        Box::pin(async move {
            let mut world = self.world();
            let outcome = world.commit(&transaction);
            self.tell_tails(&world);
            outcome
        })
    }

    fn partitions<'a>(&'a self, stream: &'a StreamName) -> BoxFuture<'a, Result<u16>> {
        now(Ok(self.world().log.partitions_of(stream)))
    }

    fn read_log<'a>(
        &'a self,
        partition: &'a Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        let kept = self.world().log.kept(partition);
        now(Ok(fitting(&kept.records, after, limit, bytes_max)))
    }

    fn first_offset<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        now(Ok(self
            .world()
            .log
            .kept(partition)
            .records
            .keys()
            .next()
            .copied()))
    }

    fn tail(&self, partition: &Partition) -> watch::Receiver<Offset> {
        let mut tails = self.tails.lock().expect("not poisoned");
        tails
            .entry(partition.clone())
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe()
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<PartitionStatus>>> {
        let world = self.world();
        let partitions = world.log.partitions.iter();
        now(Ok(partitions
            .map(|(partition, kept)| self.partition_status(partition, kept))
            .collect()))
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        self.world().log.subscribe(subscription);
        now(Ok(()))
    }

    fn fetch<'a>(
        &'a self,
        claim: &'a Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        let fetched = self.world().log.fetch(claim, after, limit, bytes_max);
        now(fetched.ok_or(Error::Fenced))
    }

    fn backlog<'a>(&'a self, subscriptions: &'a [Subscription]) -> BoxFuture<'a, Result<u64>> {
        let world = self.world();
        let lag = subscriptions.iter().map(|one| world.log.lag(one)).sum();
        now(Ok(lag))
    }

    fn units(&self) -> u16 {
        self.units
    }

    fn beat<'a>(&'a self, info: &'a HostInfo, lease_ms: u64) -> BoxFuture<'a, Result<Members>> {
        now(Ok(self.world().log.beat(info, lease_ms)))
    }

    fn take<'a>(
        &'a self,
        unit: u16,
        from: Option<&'a Holder>,
        to: &'a Holder,
    ) -> BoxFuture<'a, Result<bool>> {
        now(Ok(self.world().log.take(unit, from, to)))
    }

    fn release<'a>(&'a self, holder: &'a Holder, unit: Option<u16>) -> BoxFuture<'a, Result<()>> {
        self.world().log.release(holder, unit);
        now(Ok(()))
    }

    fn trim<'a>(&'a self, partition: &'a Partition, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        now(Ok(self.world().log.trim(partition, up_to)))
    }

    fn accounts<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Account)>>> {
        now(Ok(self.world().state.accounts_after(after, limit)))
    }

    fn check_ledger(&self, noted: Option<Head>) -> BoxFuture<'_, Result<LedgerCheck>> {
        now(Ok(self.world().state.check(noted)))
    }

    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>> {
        watch::Sender::new(Ok(())).subscribe()
    }
}
