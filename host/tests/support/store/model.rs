//! What a store should do, said as plainly as possible: maps that are copied for every version, and the
//! whole history of writes for the optimistic check. It can also be made wrong on purpose, to show that
//! the suite notices. Streams, groups and units are in `model_log` and `model_groups`; `model_store` puts it in the place of
//! a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leyden::ids::StreamName;
use leyden::store::chain::Head;
use leyden::store::{
    Account, Broken, CommitError, Entry, Error, ISSUER, LedgerCheck, Order, Posting, Range,
    ReadSet, SUM_MAX, Space, Transaction, Version, Write,
};

use crate::model_groups::Fence;
use crate::model_log::Log;

/// Records that a partition holds at most in most tests: few, so that it is met.
pub(crate) const LOG_RECORDS_MAX: u64 = 200;

/// What stores do differently without being wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Partitions of a stream, and units.
    pub(crate) partitions: u16,
    /// Streams of one partition only: the host's own, and the clock's.
    pub(crate) has_narrow_streams: bool,
    /// Records that a partition holds at most.
    pub(crate) log_records_max: u64,
    /// From one offset to the next, at least.
    pub(crate) step: u64,
    /// Snapshots move forward rather than keep an old version.
    pub(crate) extends: bool,
    /// Hosts, their units and what they have fetched are still known when the store is opened again.
    pub(crate) keeps_members: bool,
}

/// A mistake that a store could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    IgnoresKeysRead,
    IgnoresRangesRead,
    IgnoresRemovalsInRanges,
    IgnoresOverdraft,
    KeepsHalfOfARefusedTransaction,
    IncludesTheEndOfARange,
    ReusesTrimmedOffsets,
    ForgetsOnReopen,
    IgnoresBound,
    IgnoresFence,
    FetchesForAnyone,
    AcknowledgesTwice,
    AcknowledgesUnfetched,
    AcknowledgesOutside,
    NeverAcknowledges,
    ForgetsPending,
    BreaksKeyOrder,
    ScattersKeys,
    KeepsRemovedRecords,
    RemovesTwice,
    StartsGroupsAtTheEnd,
    TakesFromAnyone,
    ReleasesNothing,
    CountsOneTooFew,
    HidesLosses,
    ExtendsBlindly,
    ReadsAheadOfItsVersion,
    OvertakesForNothing,
    LeavesReferencesUnchained,
    ForgetsWhatCameBefore,
}

/// How a commit ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Fenced,
    Conflict,
    Full(StreamName),
    Overdrawn(String, u64),
    Invalid,
    Failed(String),
}

impl Outcome {
    pub(crate) fn of(result: &Result<Version, CommitError>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(CommitError::Conflict) => Self::Conflict,
            Err(CommitError::LogFull(stream)) => Self::Full(stream.clone()),
            Err(CommitError::Overdrawn { account, balance }) => {
                Self::Overdrawn(account.clone(), *balance)
            }
            Err(CommitError::InvalidPosting(_)) => Self::Invalid,
            Err(CommitError::Store(Error::Fenced)) => Self::Fenced,
            Err(CommitError::Store(error)) => Self::Failed(format!("{error:?}")),
        }
    }

    pub(crate) fn into_error(self) -> CommitError {
        match self {
            Self::Done | Self::Failed(_) => CommitError::Store(Error::Unresolved),
            Self::Fenced => CommitError::Store(Error::Fenced),
            Self::Conflict => CommitError::Conflict,
            Self::Full(stream) => CommitError::LogFull(stream),
            Self::Overdrawn(account, balance) => CommitError::Overdrawn { account, balance },
            Self::Invalid => CommitError::InvalidPosting("invalid"),
        }
    }
}

/// The map and the ledger at one version.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) version: Version,
    entries: BTreeMap<Space, BTreeMap<Vec<u8>, Arc<[u8]>>>,
    accounts: BTreeMap<String, Account>,
    head: Head,
}

/// A key that a version wrote (true) or removed (false).
type Written = (Space, Vec<u8>, bool);

/// Everything there is.
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) flaw: Flaw,
    pub(crate) state: Arc<State>,
    pub(crate) log: Log,
    /// Versions that a snapshot may still ask for.
    past: BTreeMap<Version, Arc<State>>,
    /// What each version wrote; version 1 is the first.
    history: Vec<Vec<Written>>,
}

impl World {
    pub(crate) fn new(kind: Kind, flaw: Flaw) -> Self {
        Self {
            kind,
            flaw,
            state: Arc::default(),
            log: Log::new(kind, flaw),
            past: BTreeMap::from([(0, Arc::default())]),
            history: Vec::new(),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.state.version
    }

    /// The state at a version that was not forgotten.
    pub(crate) fn at(&self, version: Version) -> Arc<State> {
        Arc::clone(&self.past[&version])
    }

    pub(crate) fn forget_before(&mut self, version: Version) {
        self.past = self.past.split_off(&version);
    }

    /// Whether something of this was written after one version and up to another.
    pub(crate) fn changed(&self, reads: &ReadSet, after: Version, up_to: Version) -> bool {
        let later = &self.history[after.min(up_to) as usize..up_to as usize];
        later.iter().flatten().any(|(space, key, present)| {
            let read = || reads.keys.iter().any(|(s, k)| s == space && k == key);
            let scanned = || {
                let mut ranges = reads.ranges.iter();
                ranges.any(|(s, range)| s == space && contains(range, key))
            };
            let sees_range = self.flaw != Flaw::IgnoresRangesRead
                && (*present || self.flaw != Flaw::IgnoresRemovalsInRanges);
            (self.flaw != Flaw::IgnoresKeysRead && read()) || (sees_range && scanned())
        })
    }

    /// Every outcome of a transaction that is right; more than one where the contract leaves it open.
    pub(crate) fn judge(&self, transaction: &Transaction) -> Vec<Outcome> {
        let mut right = Vec::new();
        let acknowledgement = transaction.acknowledgement.as_ref();
        match acknowledgement.map_or(Fence::Open, |input| self.log.fence(input)) {
            Fence::Shut => return vec![Outcome::Fenced],
            Fence::Ajar => right.push(Outcome::Fenced),
            Fence::Open => {}
        }
        let reads = &transaction.reads;
        let overtaken = self.changed(reads, reads.version, self.version());
        if overtaken || !self.log.has_all(&transaction.removals) {
            right.push(Outcome::Conflict);
            return right;
        }
        let (full, would_be_full) = self.log.full(transaction);
        let is_full = !full.is_empty();
        right.extend(full.into_iter().chain(would_be_full).map(Outcome::Full));
        if !is_full {
            let judged = State::clone(&self.state).post(transaction, self.flaw);
            right.extend(judged.err().unwrap_or_else(|| vec![Outcome::Done]));
        }
        right
    }

    /// Does what a transaction says, without a check.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> Version {
        let mut next = State::clone(&self.state);
        next.version += 1;
        next.write(&transaction.writes);
        drop(next.post(transaction, self.flaw));
        self.log.apply(transaction);
        let written = |write: &Write| {
            let present = write.value.is_some();
            (write.space.clone(), write.key.clone(), present)
        };
        let written = transaction.writes.iter().map(written).collect();
        self.history.push(written);
        self.state = Arc::new(next);
        self.past.insert(self.version(), Arc::clone(&self.state));
        self.version()
    }

    /// Judges and, where it is right, does.
    pub(crate) fn commit(&mut self, transaction: &Transaction) -> Result<Version, CommitError> {
        if transaction.is_empty() {
            return Ok(self.version());
        }
        let refusal = match self.judge(transaction).pop() {
            None | Some(Outcome::Done) => return Ok(self.apply(transaction)),
            Some(refusal) => refusal,
        };
        let of_movements = matches!(refusal, Outcome::Overdrawn(..) | Outcome::Invalid);
        if of_movements && self.flaw == Flaw::KeepsHalfOfARefusedTransaction {
            self.apply(transaction);
        }
        if self.flaw == Flaw::AcknowledgesOutside && refusal != Outcome::Fenced {
            self.log.acknowledge(transaction);
        }
        Err(refusal.into_error())
    }
}

pub(crate) fn contains(range: &Range, key: &[u8]) -> bool {
    key >= range.start.as_slice() && range.end.as_ref().is_none_or(|end| key < end.as_slice())
}

impl State {
    pub(crate) fn read(&self, space: &Space, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.entries.get(space).and_then(|entries| entries.get(key));
        value.map(|value| value.to_vec())
    }

    pub(crate) fn scan(
        &self,
        space: &Space,
        range: &Range,
        order: Order,
        limit: usize,
        flaw: Flaw,
    ) -> Vec<Entry> {
        let at_end =
            |key: &[u8]| flaw == Flaw::IncludesTheEndOfARange && range.end.as_deref() == Some(key);
        let entries = self.entries.get(space).into_iter().flatten();
        let entries = entries.filter(|(key, _)| contains(range, key) || at_end(key));
        let entry = |(key, value): (&Vec<u8>, &Arc<[u8]>)| Entry {
            key: key.clone(),
            value: value.to_vec(),
        };
        match order {
            Order::Ascending => entries.take(limit).map(entry).collect(),
            Order::Descending => {
                let all: Vec<_> = entries.collect();
                all.into_iter().rev().take(limit).map(entry).collect()
            }
        }
    }

    pub(crate) fn account(&self, name: &str) -> Account {
        self.accounts.get(name).copied().unwrap_or_default()
    }

    /// Of the heads that there were it knows the last one.
    pub(crate) fn check(&self, noted: Option<Head>) -> LedgerCheck {
        let accounts = || self.accounts.values();
        LedgerCheck {
            entries: self.head.entries,
            accounts: self.accounts.len() as u64,
            debits: accounts().map(|account| u128::from(account.debits)).sum(),
            credits: accounts().map(|account| u128::from(account.credits)).sum(),
            wrong_accounts: Vec::new(),
            head: self.head,
            broken: noted
                .filter(|noted| *noted != self.head)
                .map(|noted| Broken {
                    entry: noted.entries,
                    place: None,
                    flaw: leyden::store::Flaw::Noted,
                }),
        }
    }

    pub(crate) fn accounts_after(&self, after: &str, limit: usize) -> Vec<(String, Account)> {
        let after = self
            .accounts
            .iter()
            .filter(|(name, _)| name.as_str() > after);
        let named = after.map(|(name, account)| (name.clone(), *account));
        named.take(limit).collect()
    }

    fn write(&mut self, writes: &[Write]) {
        for write in writes {
            let entries = self.entries.entry(write.space.clone()).or_default();
            match &write.value {
                Some(value) => entries.insert(write.key.clone(), value.as_slice().into()),
                None => entries.remove(&write.key),
            };
        }
    }

    /// Moves in order, up to the first movement that is not right.
    fn post(&mut self, transaction: &Transaction, flaw: Flaw) -> Result<(), Vec<Outcome>> {
        let mut done = 0;
        let outcome = transaction.postings.iter().try_for_each(|posting| {
            let wrong = self.wrongs(posting, flaw);
            if !wrong.is_empty() {
                return Err(wrong);
            }
            let mut giver = self.account(&posting.debit);
            giver.debits += posting.amount;
            self.accounts.insert(posting.debit.clone(), giver);
            let mut taker = self.account(&posting.credit);
            taker.credits += posting.amount;
            self.accounts.insert(posting.credit.clone(), taker);
            done += 1;
            Ok(())
        });
        self.chain(&transaction.postings[..done], transaction.at, flaw);
        outcome
    }

    fn chain(&mut self, postings: &[Posting], at_ms: u64, flaw: Flaw) {
        let mut postings = postings.to_vec();
        if flaw == Flaw::LeavesReferencesUnchained {
            let references = postings.iter_mut().map(|posting| &mut posting.reference);
            references.for_each(String::clear);
        }
        if flaw == Flaw::ForgetsWhatCameBefore {
            self.head.hash = Head::default().hash;
        }
        self.head.commit(&postings, at_ms);
    }

    /// All that is wrong with a movement; a store may name any of it.
    fn wrongs(&self, posting: &Posting, flaw: Flaw) -> Vec<Outcome> {
        let amount = posting.amount;
        let (giver, taker) = (self.account(&posting.debit), self.account(&posting.credit));
        let too_much = |sum: u64| sum.checked_add(amount).is_none_or(|sum| sum > SUM_MAX);
        let mut wrongs = Vec::new();
        let is_one = posting.debit == posting.credit;
        if amount == 0 || is_one || too_much(giver.debits) || too_much(taker.credits) {
            wrongs.push(Outcome::Invalid);
        }
        let overdrawn = posting.debit != ISSUER && giver.balance() < amount;
        if overdrawn && flaw != Flaw::IgnoresOverdraft {
            wrongs.push(Outcome::Overdrawn(posting.debit.clone(), giver.balance()));
        }
        wrongs
    }
}

/// Each of them once.
pub(crate) fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}
