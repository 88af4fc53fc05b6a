//! What is noted of an invocation that is recorded or replayed: what the store answered, and the randomness that was
//! drawn; for a replay also what is given instead of it. An invocation that is neither carries none of this.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use crate::store::{self, Account, Entry, Order, Range, Snapshot, Space, Store, Version};

/// One answer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Noted {
    /// The value under a key.
    Key(Space, Vec<u8>, Option<Vec<u8>>),
    /// Entries of a range, at most so many in this order.
    Scan(Scanned, Vec<Entry>),
    /// The sums of an account.
    Account(String, Account),
}

/// What a scan asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where.
    pub(crate) space: Space,
    /// What.
    pub(crate) range: Range,
    /// From which end.
    pub(crate) order: Order,
    /// How many at most.
    pub(crate) limit: usize,
}

/// What an invocation draws on in a replay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// Its id.
    pub(crate) id: String,
    /// What it draws first; whatever it draws beyond comes from its seed.
    pub(crate) randoms: Vec<u64>,
}

/// The notes of one invocation, shared between its transaction and whoever wants to know, since a component that
/// traps takes the transaction with it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    given: Option<Given>,
    patience: u64,
    answers: Mutex<Vec<Noted>>,
    randoms: Mutex<Vec<u64>>,
    fuel: AtomicU64,
}

impl Notes {
    /// Notes of an invocation that draws on what is given, and has so many times its deadline.
    #[must_use]
    pub(crate) fn replaying(given: Given, patience: u64) -> Self {
        Self {
            given: Some(given),
            patience,
            ..Self::default()
        }
    }

    /// Whether the invocation is a replay.
    pub(crate) fn is_replay(&self) -> bool {
        self.given.is_some()
    }

    /// What the store answered so far, in its order.
    pub(crate) fn take_answers(&self) -> Vec<Noted> {
        std::mem::take(&mut *held(&self.answers))
    }

    /// The randomness that was drawn so far.
    pub(crate) fn randoms(&self) -> Vec<u64> {
        held(&self.randoms).clone()
    }

    /// The fuel that was burnt, where the engine counts it.
    pub(crate) fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    /// Counts fuel.
    pub(crate) fn burnt(&self, fuel: u64) {
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
    }

    /// How many times its deadline the invocation has: a replay counts fuel, which is slower, and maybe elsewhere.
    pub(super) fn patience(&self) -> u64 {
        self.patience.max(1)
    }

    /// The invocation's id, where it is given.
    pub(super) fn id(&self) -> Option<String> {
        self.given.as_ref().map(|given| given.id.clone())
    }

    /// The next 64 random bits: what is given, or else what `draw` says.
    pub(super) fn random(&self, draw: impl FnOnce() -> u64) -> u64 {
        let mut randoms = held(&self.randoms);
        let given = self.given.as_ref();
        let given = given.and_then(|given| given.randoms.get(randoms.len()).copied());
        let random = given.unwrap_or_else(draw);
        randoms.push(random);
        random
    }

    fn note(&self, answer: Noted) {
        held(&self.answers).push(answer);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A snapshot that notes what it answers. It is taken at the first read.
pub(super) struct Noting {
    store: Arc<dyn Store>,
    inner: Option<Box<dyn Snapshot>>,
    notes: Arc<Notes>,
}

impl Noting {
    pub(super) fn new(
        store: Arc<dyn Store>,
        inner: Option<Box<dyn Snapshot>>,
        notes: Arc<Notes>,
    ) -> Self {
        Self {
            store,
            inner,
            notes,
        }
    }

    async fn inner(&mut self) -> store::Result<&mut Box<dyn Snapshot>> {
        if self.inner.is_none() {
            self.inner = Some(self.store.snapshot().await?);
        }
        let missing = store::Error::Unavailable("no snapshot");
        self.inner.as_mut().ok_or(missing)
    }
}

impl Snapshot for Noting {
    fn version(&self) -> Version {
        self.inner.as_ref().map_or(0, |inner| inner.version())
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, store::Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            let value = self.inner().await?.read(space, key).await?;
            let noted = Noted::Key(space.clone(), key.to_vec(), value.clone());
            self.notes.note(noted);
            Ok(value)
        })
    }

    fn read_many<'a>(
        &'a mut self,
        space: &'a Space,
        keys: &'a [Vec<u8>],
    ) -> BoxFuture<'a, store::Result<Vec<Option<Vec<u8>>>>> {
        Box::pin(async move {
            let values = self.inner().await?.read_many(space, keys).await?;
            for (key, value) in keys.iter().zip(&values) {
                let noted = Noted::Key(space.clone(), key.clone(), value.clone());
                self.notes.note(noted);
            }
            Ok(values)
        })
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, store::Result<Vec<Entry>>> {
        Box::pin(async move {
            let entries = self.inner().await?.scan(space, range, order, limit).await?;
            let scanned = Scanned {
                space: space.clone(),
                range: range.clone(),
                order,
                limit,
            };
            self.notes.note(Noted::Scan(scanned, entries.clone()));
            Ok(entries)
        })
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, store::Result<Account>> {
        Box::pin(async move {
            let sums = self.inner().await?.account(account).await?;
            self.notes.note(Noted::Account(account.to_owned(), sums));
            Ok(sums)
        })
    }
}
