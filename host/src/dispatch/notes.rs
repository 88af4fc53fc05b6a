//! What is noted of an invocation that is recorded or replayed: what the store answered, and the randomness that was
//! drawn, and what a function was told from outside; for a replay also what is given instead of it. An invocation that is
//! neither carries none of this.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::outside::{Answer, Face, Outside, Reply, Sent, Told};
use super::seed::Seed;
use crate::ids::Instant;
use crate::keys::random;
use crate::store::{self, Account, Entry, Order, Range, Snapshot, Space, Store, Version};

/// Most draws of one invocation that are noted: a function is not bound in how many it makes, as components are by the
/// number of their calls.
const RANDOMS_MAX: usize = 1 << 20;

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
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Its id.
    pub(crate) id: String,
    /// When it ran.
    pub(crate) at: Instant,
    /// What it draws first; whatever it draws beyond comes from its seed.
    pub(crate) randoms: Vec<u64>,
    /// What a function is told.
    pub(crate) outside: Outside,
}

/// The notes of one invocation, shared between its transaction and whoever wants to know, since a component that
/// traps takes the transaction with it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    given: Option<Given>,
    patience: u64,
    answers: Mutex<Vec<Noted>>,
    randoms: Mutex<Vec<u64>>,
    outside: Mutex<Told>,
    lacking: Mutex<Option<String>>,
    fuel: AtomicU64,
}

impl Notes {
    /// Notes of an invocation that draws on what is given, and has so many times its deadline.
    #[must_use]
    pub(crate) fn replaying(mut given: Given, patience: u64) -> Self {
        let outside = std::mem::take(&mut given.outside);
        Self {
            outside: Mutex::new(Told::again(given.at, outside)),
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

    /// Where randomness of an invocation comes from that has no transaction: nobody foresees it, unless it is a replay, which
    /// draws the same each time.
    pub(crate) fn seed(&self) -> Seed {
        match &self.given {
            Some(given) => Seed::of(&[0; 32], &given.id),
            None => Seed::of(&random(), ""),
        }
    }

    /// The next 64 random bits: what is given, or else what `draw` says.
    pub(crate) fn random(&self, draw: impl FnOnce() -> u64) -> u64 {
        let mut randoms = held(&self.randoms);
        let given = self.given.as_ref();
        let given = given.and_then(|given| given.randoms.get(randoms.len()).copied());
        let random = given.unwrap_or_else(draw);
        if randoms.len() <= RANDOMS_MAX {
            randoms.push(random);
        }
        random
    }

    /// What a clock tells a function; `read` reads it.
    pub(crate) fn clock(&self, face: Face, read: impl FnOnce() -> u64) -> u64 {
        held(&self.outside).clock(face, read)
    }

    /// A function sends a request elsewhere; its number.
    pub(crate) fn sends(&self, method: String, uri: String) -> usize {
        held(&self.outside).send(method, uri)
    }

    /// All of that request was sent, with this body.
    pub(crate) fn sent_whole(&self, request: usize, body: Vec<u8>) {
        held(&self.outside).sent_whole(request, body);
    }

    /// That request was answered, or failed; the number of its answer.
    pub(crate) fn answered(&self, request: usize, reply: Result<Reply, String>) -> usize {
        held(&self.outside).answer(request, reply)
    }

    /// More of that answer's body came; none: it is at its end.
    pub(crate) fn answer_goes_on(&self, answer: usize, piece: Option<&[u8]>) {
        held(&self.outside).answer_goes_on(answer, piece);
    }

    /// What a replay is given as the answer to a request, and how many answers came before it. Where there is none, it is
    /// noted that the record lacks it.
    pub(crate) fn given_answer(&self, method: &str, uri: &str) -> Option<(usize, Answer)> {
        let given = held(&self.outside).given_answer(method, uri);
        if given.is_none() {
            let mut lacking = held(&self.lacking);
            lacking.get_or_insert_with(|| format!("sends {method} {uri}"));
        }
        given
    }

    /// What a function asked for first that its record does not hold.
    pub(crate) fn lacking(&self) -> Option<String> {
        held(&self.lacking).clone()
    }

    /// What a function has sent elsewhere so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        held(&self.outside).sent()
    }

    /// What it was told from outside so far.
    pub(crate) fn take_outside(&self) -> Outside {
        held(&self.outside).take()
    }

    /// Whether there was more than can be noted.
    pub(crate) fn is_cut(&self) -> bool {
        held(&self.outside).is_cut() || held(&self.randoms).len() > RANDOMS_MAX
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
