//! A store that fails on request: everything is passed on to a real one but the calls that a test has
//! chosen. For tests of what the dispatcher makes of it.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test file uses its part, and one that cannot go on should stop"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use leyden::ids::StreamName;
use leyden::store::chain::Head;
use leyden::store::{
    Account, Claim, CommitError, Durable, Entry, Error, Holder, HostInfo, LedgerCheck, Members,
    Offset, Order, Partition, PartitionStatus, Range, Record, Result, Snapshot, Space, Store,
    Subscription, Transaction, Version,
};
use tokio::sync::watch;

/// What a chosen read answers.
pub(crate) type ReadFault = fn() -> Error;

/// What a commit answers instead of committing.
pub(crate) type CommitFault = fn() -> CommitError;

/// What becomes of a commit.
pub(crate) enum Fate {
    /// It is passed on.
    Sound,
    /// It is not passed on; the answer.
    Refused(CommitFault),
    /// It is passed on, and its answer is lost; the one that comes instead.
    Unanswered(CommitFault),
    /// It is judged ahead, and then taken back.
    TakenBack(ReadFault),
    /// It is passed on, and judged ahead; whether it is durable is not told.
    Untold(ReadFault),
}

/// Passes calls on to a store, some chosen ones excepted.
pub(crate) struct Faulty {
    store: Arc<dyn Store>,
    reads: Arc<Reads>,
    commit_fault: Option<CommitFault>,
    /// What becomes of the next commits; those after them are passed on.
    fates: Mutex<VecDeque<Fate>>,
    gate: Option<Gate>,
}

/// Before commits that write to a space: these alone have fates then.
struct Gate {
    space: Space,
    open: watch::Sender<bool>,
    /// Commits that came to it.
    came: AtomicU64,
}

/// Which reads fail.
struct Reads {
    /// How many of them succeed before each that fails.
    sound: u64,
    /// Reads so far since the last that failed.
    count: AtomicU64,
    /// How many are still to fail.
    left: AtomicU64,
    fault: ReadFault,
}

struct FaultySnapshot {
    snapshot: Box<dyn Snapshot>,
    reads: Arc<Reads>,
}

impl Faulty {
    /// Of the reads from now on, the `at`th (from 1) fails, the `at`th after that and so on, so many `times`.
    pub(crate) fn at_read(store: Arc<dyn Store>, at: u64, times: u64, fault: ReadFault) -> Self {
        let reads = Reads {
            sound: at.saturating_sub(1),
            count: AtomicU64::new(0),
            left: times.into(),
            fault,
        };
        Self {
            store,
            reads: Arc::new(reads),
            commit_fault: None,
            fates: Mutex::default(),
            gate: None,
        }
    }

    /// The next commits have these fates.
    pub(crate) fn at_commits(store: Arc<dyn Store>, fates: impl IntoIterator<Item = Fate>) -> Self {
        Self {
            fates: Mutex::new(fates.into_iter().collect()),
            ..Self::at_read(store, 1, 0, || Error::Overtaken)
        }
    }

    /// Commits that write to a space wait until they are let through, and have these fates then.
    pub(crate) fn behind_gate(
        store: Arc<dyn Store>,
        space: &str,
        fates: impl IntoIterator<Item = Fate>,
    ) -> Self {
        let gate = Gate {
            space: space.into(),
            open: watch::Sender::new(false),
            came: AtomicU64::new(0),
        };
        Self {
            gate: Some(gate),
            ..Self::at_commits(store, fates)
        }
    }

    /// Lets through who waits at the gate, and all after them.
    pub(crate) fn open_gate(&self) {
        self.gate.as_ref().expect("a gate").open.send_replace(true);
    }

    /// How many commits came to the gate.
    pub(crate) fn came_to_gate(&self) -> u64 {
        self.gate
            .as_ref()
            .expect("a gate")
            .came
            .load(Ordering::Relaxed)
    }

    /// Every commit fails.
    pub(crate) fn at_commit(store: Arc<dyn Store>, commit_fault: CommitFault) -> Self {
        Self {
            commit_fault: Some(commit_fault),
            ..Self::at_read(store, 1, 0, || Error::Overtaken)
        }
    }

    /// Whether a chosen read was reached.
    pub(crate) fn has_failed(&self, times: u64) -> bool {
        self.reads.left.load(Ordering::Relaxed) < times
    }
}

impl Faulty {
    /// Commits as the next fate has it.
    fn fated(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        let fate = self.fates.lock().expect("no panic").pop_front();
        match fate.unwrap_or(Fate::Sound) {
            Fate::Sound => self.store.commit(transaction),
            Fate::Refused(fault) => Box::pin(async move { Err(fault()) }),
            Fate::Unanswered(fault) => Box::pin(async move {
                self.store.commit(transaction).await?;
                Err(fault())
            }),
            Fate::TakenBack(fault) => Box::pin(async move { Err(fault().into()) }),
            Fate::Untold(fault) => Box::pin(async move {
                self.store.commit(transaction).await?;
                Err(fault().into())
            }),
        }
    }

    /// The next commit's fate, if it is one of those that are judged ahead.
    fn fate_ahead(&self) -> Option<Fate> {
        let mut fates = self.fates.lock().expect("no panic");
        fates.pop_front_if(|fate| matches!(fate, Fate::TakenBack(_) | Fate::Untold(_)))
    }
}

impl FaultySnapshot {
    fn count(&self) -> Result<()> {
        let Reads {
            sound,
            count,
            left,
            fault,
        } = self.reads.as_ref();
        if left.load(Ordering::Relaxed) == 0 || count.fetch_add(1, Ordering::Relaxed) < *sound {
            return Ok(());
        }
        count.store(0, Ordering::Relaxed);
        left.fetch_sub(1, Ordering::Relaxed);
        Err(fault())
    }
}

impl Snapshot for FaultySnapshot {
    fn version(&self) -> Version {
        self.snapshot.version()
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        match self.count() {
            Ok(()) => self.snapshot.read(space, key),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        match self.count() {
            Ok(()) => self.snapshot.scan(space, range, order, limit),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        match self.count() {
            Ok(()) => self.snapshot.account(account),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

impl Store for Faulty {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        Box::pin(async {
            let faulty: Box<dyn Snapshot> = Box::new(FaultySnapshot {
                snapshot: self.store.snapshot().await?,
                reads: self.reads.clone(),
            });
            Ok(faulty)
        })
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        if let Some(fault) = self.commit_fault {
            return Box::pin(async move { Err(fault()) });
        }
        let comes_to = |gate: &Gate| transaction.writes.iter().any(|w| w.space == gate.space);
        match &self.gate {
            None => self.fated(transaction),
            Some(gate) if comes_to(gate) => Box::pin(async move {
                gate.came.fetch_add(1, Ordering::Relaxed);
                let open = gate.open.subscribe().wait_for(|open| *open).await.is_ok();
                assert!(open, "the gate is still there");
                self.fated(transaction).await
            }),
            Some(_) => self.store.commit(transaction),
        }
    }

    fn commit_ahead(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Durable, CommitError>> {
        let fate = self.fate_ahead();
        Box::pin(async move {
            let durable = match fate {
                Some(Fate::TakenBack(fault)) => Err(fault()),
                Some(Fate::Untold(fault)) => {
                    self.commit(transaction).await.map(|_| Err(fault()))?
                }
                _ => self.commit(transaction).await.map(|_| Ok(()))?,
            };
            Ok(Box::pin(async { durable }) as Durable)
        })
    }

    fn partitions<'a>(&'a self, stream: &'a StreamName) -> BoxFuture<'a, Result<u16>> {
        self.store.partitions(stream)
    }

    fn read_log<'a>(
        &'a self,
        partition: &'a Partition,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        self.store.read_log(partition, after, limit, bytes_max)
    }

    fn first_offset<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        self.store.first_offset(partition)
    }

    fn tail(&self, partition: &Partition) -> watch::Receiver<Offset> {
        self.store.tail(partition)
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<PartitionStatus>>> {
        self.store.streams()
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        self.store.subscribe(subscription)
    }

    fn fetch<'a>(
        &'a self,
        claim: &'a Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        self.store.fetch(claim, after, limit, bytes_max)
    }

    fn backlog<'a>(&'a self, subscriptions: &'a [Subscription]) -> BoxFuture<'a, Result<u64>> {
        self.store.backlog(subscriptions)
    }

    fn units(&self) -> u16 {
        self.store.units()
    }

    fn beat<'a>(&'a self, info: &'a HostInfo, lease_ms: u64) -> BoxFuture<'a, Result<Members>> {
        self.store.beat(info, lease_ms)
    }

    fn take<'a>(
        &'a self,
        unit: u16,
        from: Option<&'a Holder>,
        to: &'a Holder,
    ) -> BoxFuture<'a, Result<bool>> {
        self.store.take(unit, from, to)
    }

    fn release<'a>(&'a self, holder: &'a Holder, unit: Option<u16>) -> BoxFuture<'a, Result<()>> {
        self.store.release(holder, unit)
    }

    fn trim<'a>(&'a self, partition: &'a Partition, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        self.store.trim(partition, up_to)
    }

    fn accounts<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Account)>>> {
        self.store.accounts(after, limit)
    }

    fn check_ledger(&self, noted: Option<Head>) -> BoxFuture<'_, Result<LedgerCheck>> {
        self.store.check_ledger(noted)
    }

    fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>> {
        self.store.health()
    }
}
