//! The transaction that an invocation builds: reads from one snapshot and its own writes, effects
//! collected until the export returns. A nested call works on its caller's.
//!
//! **Invariants.** Nothing here touches the store but reads. Everything read is remembered for the
//! check at commit. Every call is counted against a budget, so that no invocation is unbounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::dispatch::budget::Asked;
use crate::dispatch::notes::{Notes, Noting};
use crate::dispatch::overlay::{Overlay, merge};
use crate::dispatch::reads::Reads;
use crate::dispatch::used::Used;
use crate::ids::{Instant, StreamName};
use crate::metering::Meter;
use crate::policies::Decision;
use crate::store::{
    Append, Block, Entry, ISSUER, Order, Posting, Range, Snapshot, Space, Store, Transaction, Write,
};

pub use crate::dispatch::budget::{
    Budget, CALLS_MAX, EFFECT_BYTES_MAX, EFFECTS_MAX, READ_BYTES_MAX, STORE_WAIT_MAX, Spent,
};
pub use crate::dispatch::seed::Seed;

/// Most entries that one scan returns.
pub const SCAN_LIMIT_MAX: usize = 10_000;

/// Why a call of an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The invocation has used up its budget of something.
    #[error("used up its budget of {0}")]
    Budget(#[from] Budget),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// An account does not hold enough; it holds this much.
    #[error("the account holds only {0} datapoints")]
    Insufficient(u64),
}

/// What an invocation has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Its writes, by space and key.
    pub writes: Vec<Write>,
    /// Its records, in order.
    pub appends: Vec<Append>,
    /// Its movements, in order.
    pub postings: Vec<Posting>,
}

/// An invocation's transaction while it is being built.
pub struct Work {
    /// None in a replay, which has its snapshot from the start.
    store: Option<Arc<dyn Store>>,
    snapshot: Option<Box<dyn Snapshot>>,
    now: Instant,
    seed: Seed,
    randoms: u64,
    reads: Reads,
    overlay: Overlay,
    appends: Vec<Append>,
    postings: Vec<Posting>,
    deltas: BTreeMap<String, i128>,
    /// What accounts held in the snapshot.
    balances: BTreeMap<String, u64>,
    asked: Asked,
    log_lines: u32,
    /// What policies have decided in it.
    decisions: Vec<Decision>,
    is_shadow: bool,
    /// Component versions that it has called.
    pub(crate) used: Arc<Used>,
    /// Present where it is recorded or replayed.
    notes: Option<Arc<Notes>>,
    /// Its metered reading for a partner, if it reads for one.
    pub meter: Option<Box<Meter>>,
}

impl Work {
    /// An empty transaction of an invocation that runs at `now` and draws randomness from `seed`. It
    /// is handed from component to component, so it stays in one place.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, now: Instant, seed: Seed) -> Box<Self> {
        Self::over(Some(store), None, now, seed)
    }

    /// An invocation that runs once more, over what it once read.
    pub(crate) fn replayed(
        over: Box<dyn Snapshot>,
        now: Instant,
        seed: Seed,
        notes: Arc<Notes>,
        spent: Spent,
    ) -> Box<Self> {
        let mut work = Self::over(None, Some(over), now, seed);
        work.notes = Some(notes);
        work.asked = Asked::after(spent);
        work
    }

    fn over(
        store: Option<Arc<dyn Store>>,
        snapshot: Option<Box<dyn Snapshot>>,
        now: Instant,
        seed: Seed,
    ) -> Box<Self> {
        Box::new(Self {
            store,
            snapshot,
            now,
            seed,
            randoms: 0,
            reads: Reads::default(),
            overlay: Overlay::default(),
            appends: Vec::new(),
            postings: Vec::new(),
            deltas: BTreeMap::new(),
            balances: BTreeMap::new(),
            asked: Asked::default(),
            log_lines: 0,
            decisions: Vec::new(),
            is_shadow: false,
            used: Arc::default(),
            notes: None,
            meter: None,
        })
    }

    /// The transaction of an invocation that is run a second time, to be dropped; see [`super::shadow`].
    pub(crate) fn shadow(
        store: Arc<dyn Store>,
        now: Instant,
        seed: Seed,
        snapshot: Option<Box<dyn Snapshot>>,
    ) -> Box<Self> {
        let mut work = Self::new(store, now, seed);
        (work.snapshot, work.is_shadow) = (snapshot, true);
        work
    }

    /// Whether it is to be dropped.
    pub(crate) fn is_shadow(&self) -> bool {
        self.is_shadow
    }

    /// Notes from now on what the store answers and what is drawn; what it has used up until now.
    pub(crate) fn note(&mut self, notes: &Arc<Notes>) -> Spent {
        if let Some(store) = self.store.clone() {
            let taken = self.snapshot.take();
            self.snapshot = Some(Box::new(Noting::new(store, taken, notes.clone())));
            self.notes = Some(notes.clone());
        }
        self.asked.spent()
    }

    /// Its notes, where it is recorded or replayed.
    pub(crate) fn notes(&self) -> Option<&Arc<Notes>> {
        self.notes.as_ref()
    }

    /// How many times its component's deadline it may take.
    pub(crate) fn patience(&self) -> u64 {
        self.notes.as_ref().map_or(1, |notes| notes.patience())
    }

    /// What it has changed so far.
    pub(crate) fn effects(&self) -> Effects {
        Effects {
            writes: self.overlay.writes(),
            appends: self.appends.clone(),
            postings: self.postings.clone(),
        }
    }

    /// The invocation's instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The invocation's id, 32 hexadecimal digits: the same on a re-run, and nobody else's.
    #[must_use]
    pub fn id(&self) -> String {
        if let Some(given) = self.notes.as_ref().and_then(|notes| notes.id()) {
            return given;
        }
        // Components draw from 1 on.
        let high = self.seed.draw(0);
        let low = self.seed.draw(u64::MAX);
        format!("{high:016x}{low:016x}")
    }

    /// The next 64 random bits.
    pub fn random(&mut self) -> u64 {
        self.randoms += 1;
        match &self.notes {
            None => self.seed.draw(self.randoms),
            Some(notes) => notes.random(|| self.seed.draw(self.randoms)),
        }
    }

    /// Counts a log line; how many there were before it.
    pub fn count_log_line(&mut self) -> u32 {
        self.log_lines = self.log_lines.saturating_add(1);
        self.log_lines - 1
    }

    /// Notes what a policy has decided.
    ///
    /// # Errors
    /// The budget is used up.
    pub(crate) fn decided(&mut self, decision: Decision) -> Result<(), Error> {
        self.asked.call()?;
        self.decisions.push(decision);
        Ok(())
    }

    /// What policies have decided so far.
    pub(crate) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Where its randomness comes from.
    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// What policies have decided so far; nothing afterwards.
    pub(crate) fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decisions)
    }

    /// Whether so many more calls and bytes read are within its budget.
    #[must_use]
    pub fn has_left(&self, calls: u32, read_bytes: usize) -> bool {
        self.asked.has_left(calls, read_bytes)
    }

    /// How long it has waited for the store. That is not the component's own time.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.asked.waited()
    }

    /// The value under a key. A key is asked of the store once: what was read does not change.
    ///
    /// # Errors
    /// The budget is used up, or the store did not answer.
    pub async fn read(&mut self, space: &Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.asked.call()?;
        if let Some(written) = self.overlay.get(space, key) {
            return Ok(written.clone());
        }
        if let Some(read) = self.reads.get(space, key) {
            return Ok(read.clone());
        }
        let since = clock::monotonic();
        let read = self.snapshot().await?.read(space, key).await;
        self.asked.wait(since)?;
        let value = read?;
        self.asked
            .read(key.len() + value.as_ref().map_or(0, Vec::len))?;
        self.reads.keep(space, key, value.clone());
        Ok(value)
    }

    /// Reads many keys in one go, so that later reads of them do not wait for the store. Each counts as
    /// a call, and as read.
    ///
    /// # Errors
    /// The budget is used up, or the store did not answer.
    pub async fn prefetch(&mut self, space: &Space, keys: Vec<Vec<u8>>) -> Result<(), Error> {
        keys.iter().try_for_each(|_| self.asked.call())?;
        let is_unknown = |key: &Vec<u8>| {
            self.overlay.get(space, key).is_none() && self.reads.get(space, key).is_none()
        };
        let unknown: Vec<_> = keys.into_iter().filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let since = clock::monotonic();
        let read = self.snapshot().await?.read_many(space, &unknown).await;
        self.asked.wait(since)?;
        for (key, value) in unknown.iter().zip(read?) {
            self.asked
                .read(key.len() + value.as_ref().map_or(0, Vec::len))?;
            self.reads.keep(space, key, value);
        }
        Ok(())
    }

    /// Puts or removes a key.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn write(
        &mut self,
        space: &Space,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        self.asked.call()?;
        self.count_effect(key.len() + value.as_ref().map_or(0, Vec::len))?;
        self.overlay.put(space, key, value);
        Ok(())
    }

    /// Up to `limit` entries of a range, own writes included.
    ///
    /// # Errors
    /// The budget is used up, or the store did not answer.
    pub async fn scan(
        &mut self,
        space: &Space,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.asked.call()?;
        let limit = limit.min(SCAN_LIMIT_MAX);
        if limit == 0 || range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return Ok(Vec::new());
        }
        let fetch = limit + self.overlay.range(space, &range).len();
        let since = clock::monotonic();
        let scanned = self
            .snapshot()
            .await?
            .scan(space, &range, order, fetch)
            .await;
        self.asked.wait(since)?;
        let stored = scanned?;
        self.asked
            .read(stored.iter().map(|e| e.key.len() + e.value.len()).sum())?;
        let last = stored.last().filter(|_| stored.len() == fetch);
        let last = last.map(|entry| entry.key.as_slice());
        self.reads.keep_scan(space, &range, order, last);
        Ok(merge(
            stored,
            &self.overlay.range(space, &range),
            order,
            limit,
        ))
    }

    /// The same in one piece, smallest key first.
    ///
    /// # Errors
    /// The budget is used up, or the store did not answer.
    pub async fn scan_block(
        &mut self,
        space: &Space,
        range: Range,
        limit: usize,
    ) -> Result<Block, Error> {
        let limit = limit.min(SCAN_LIMIT_MAX);
        let is_empty = limit == 0 || range.end.as_ref().is_some_and(|end| *end <= range.start);
        if is_empty || !self.overlay.range(space, &range).is_empty() {
            let entries = self.scan(space, range, Order::Ascending, limit).await?;
            return Ok(entries.into_iter().collect());
        }
        self.asked.call()?;
        let since = clock::monotonic();
        let scanned = self
            .snapshot()
            .await?
            .scan_block(space, &range, limit)
            .await;
        self.asked.wait(since)?;
        let block = scanned?;
        self.asked.read(block.bytes.len())?;
        let last = block.last_key().filter(|_| block.count() == limit);
        self.reads.keep_scan(space, &range, Order::Ascending, last);
        Ok(block)
    }

    /// Appends a record to a stream.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn publish(
        &mut self,
        stream: StreamName,
        key: String,
        payload: Vec<u8>,
    ) -> Result<(), Error> {
        self.asked.call()?;
        self.count_effect(key.len() + payload.len())?;
        self.appends.push(Append {
            stream,
            key,
            payload,
        });
        Ok(())
    }

    /// What an account holds, own movements included; the issuer holds 0. An account is asked of the store once.
    ///
    /// # Errors
    /// The budget is used up, or the store did not answer.
    pub async fn balance(&mut self, account: &str) -> Result<u64, Error> {
        self.asked.call()?;
        let stored = match self.balances.get(account) {
            Some(known) => *known,
            None => {
                let since = clock::monotonic();
                let read = self.snapshot().await?.account(account).await;
                self.asked.wait(since)?;
                let stored = read?.balance();
                self.balances.insert(account.to_owned(), stored);
                stored
            }
        };
        let own = self.deltas.get(account).copied().unwrap_or(0);
        Ok(u64::try_from((i128::from(stored) + own).max(0)).unwrap_or(u64::MAX))
    }

    /// Records a movement. The store checks it again at commit, when others may have moved.
    ///
    /// # Errors
    /// The giver does not hold enough, the budget is used up, or the store did not answer.
    pub async fn post(&mut self, posting: Posting) -> Result<(), Error> {
        if posting.debit != ISSUER {
            let balance = self.balance(&posting.debit).await?;
            if balance < posting.amount {
                return Err(Error::Insufficient(balance));
            }
        }
        self.count_effect(posting.debit.len() + posting.credit.len() + posting.reference.len())?;
        *self.deltas.entry(posting.debit.clone()).or_default() -= i128::from(posting.amount);
        *self.deltas.entry(posting.credit.clone()).or_default() += i128::from(posting.amount);
        self.postings.push(posting);
        Ok(())
    }

    /// The finished transaction. It stands on the version that the snapshot has come to by now.
    #[must_use]
    pub fn into_transaction(self: Box<Self>) -> Transaction {
        self.into_parts().0
    }

    /// The finished transaction, and the snapshot that it stands on.
    pub(crate) fn into_parts(self: Box<Self>) -> (Transaction, Option<Box<dyn Snapshot>>) {
        let snapshot = self.snapshot;
        let version = snapshot.as_ref().map_or(0, |snapshot| snapshot.version());
        let transaction = Transaction {
            reads: self.reads.into_set(version),
            writes: self.overlay.into_writes(),
            appends: self.appends,
            postings: self.postings,
            at: self.now.0,
            ..Transaction::default()
        };
        (transaction, snapshot)
    }

    /// The snapshot, taken at the first read.
    async fn snapshot(&mut self) -> Result<&mut Box<dyn Snapshot>, Error> {
        if let (None, Some(store)) = (&self.snapshot, &self.store) {
            self.snapshot = Some(store.snapshot().await?);
        }
        let missing = crate::store::Error::Unavailable("no snapshot");
        self.snapshot.as_mut().ok_or(Error::Store(missing))
    }

    fn count_effect(&mut self, bytes: usize) -> Result<(), Budget> {
        let others = self.overlay.len() + self.appends.len() + self.postings.len();
        self.asked.effect(bytes, others)
    }
}
