//! What a store should do, said as plainly as possible: maps that are copied for every snapshot,
//! and the whole history of writes for the optimistic check. It can also be made wrong on purpose,
//! to show that the suite notices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, ready};
use leyden::ids::{Instant, StreamName};
use leyden::store::{
    Account, CommitError, Entry, ISSUER, LedgerCheck, Offset, Order, Posting, Range, ReadSet,
    Record, Result, Snapshot, Space, Store, Transaction, Version,
};
use tokio::sync::watch;

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
}

#[derive(Clone, Default)]
struct Stream {
    tail: Offset,
    records: BTreeMap<Offset, Record>,
}

/// Everything at one version.
#[derive(Clone, Default)]
struct State {
    version: Version,
    entries: BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>,
    streams: BTreeMap<StreamName, Stream>,
    accounts: BTreeMap<String, Account>,
    postings: u64,
}

/// A key that a version wrote (true) or removed (false).
type Written = (Space, Vec<u8>, bool);

#[derive(Default)]
struct Inner {
    state: Arc<State>,
    /// What each version wrote; version 1 is the first.
    history: Vec<Vec<Written>>,
    tails: BTreeMap<StreamName, watch::Sender<Offset>>,
}

/// The model.
pub(crate) struct Model {
    inner: Mutex<Inner>,
    flaw: Flaw,
}

impl Model {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            inner: Mutex::default(),
            flaw,
        }
    }

    pub(crate) fn flaw(&self) -> Flaw {
        self.flaw
    }

    fn commit_now(&self, transaction: &Transaction) -> std::result::Result<Version, CommitError> {
        let mut inner = self.inner.lock().expect("not poisoned");
        if transaction.is_empty() {
            return Ok(inner.state.version);
        }
        if inner.conflicts(&transaction.reads, self.flaw) {
            return Err(CommitError::Conflict);
        }
        let mut next = State::clone(&inner.state);
        let judged = transaction
            .postings
            .iter()
            .try_for_each(|posting| next.post(posting, self.flaw));
        if judged.is_err() && self.flaw != Flaw::KeepsHalfOfARefusedTransaction {
            return judged.map(|()| 0);
        }
        next.version += 1;
        next.write(transaction);
        next.append(transaction);
        let written = |write: &leyden::store::Write| {
            (
                write.space.clone(),
                write.key.clone(),
                write.value.is_some(),
            )
        };
        inner
            .history
            .push(transaction.writes.iter().map(written).collect());
        inner.state = Arc::new(next);
        inner.tell_tails();
        judged.map(|()| inner.state.version)
    }
}

impl Inner {
    fn conflicts(&self, reads: &ReadSet, flaw: Flaw) -> bool {
        let later = self.history.iter().skip(reads.version as usize).flatten();
        later.into_iter().any(|(space, key, present)| {
            let read = || reads.keys.iter().any(|(s, k)| s == space && k == key);
            let scanned = || {
                reads
                    .ranges
                    .iter()
                    .any(|(s, range)| s == space && contains(range, key))
            };
            let sees_range = flaw != Flaw::IgnoresRangesRead
                && (*present || flaw != Flaw::IgnoresRemovalsInRanges);
            (flaw != Flaw::IgnoresKeysRead && read()) || (sees_range && scanned())
        })
    }

    fn tell_tails(&mut self) {
        let state = Arc::clone(&self.state);
        for (name, stream) in &state.streams {
            let tail = self
                .tails
                .entry(name.clone())
                .or_insert_with(|| watch::Sender::new(0));
            tail.send_replace(stream.tail);
        }
    }
}

fn contains(range: &Range, key: &[u8]) -> bool {
    key >= range.start.as_slice() && range.end.as_ref().is_none_or(|end| key < end.as_slice())
}

impl State {
    fn post(&mut self, posting: &Posting, flaw: Flaw) -> std::result::Result<(), CommitError> {
        let Posting {
            debit,
            credit,
            amount,
            ..
        } = posting;
        if *amount == 0 || debit == credit {
            return Err(CommitError::InvalidPosting("shape"));
        }
        let mut giver = self.accounts.get(debit).copied().unwrap_or_default();
        let mut taker = self.accounts.get(credit).copied().unwrap_or_default();
        if debit != ISSUER && giver.balance() < *amount && flaw != Flaw::IgnoresOverdraft {
            return Err(CommitError::Overdrawn {
                account: debit.clone(),
                balance: giver.balance(),
            });
        }
        giver.debits = sum(giver.debits, *amount)?;
        taker.credits = sum(taker.credits, *amount)?;
        self.accounts.insert(debit.clone(), giver);
        self.accounts.insert(credit.clone(), taker);
        self.postings += 1;
        Ok(())
    }

    fn write(&mut self, transaction: &Transaction) {
        for write in &transaction.writes {
            let entries = self.entries.entry(write.space.clone()).or_default();
            match &write.value {
                Some(value) => entries.insert(write.key.clone(), value.clone()),
                None => entries.remove(&write.key),
            };
        }
    }

    fn append(&mut self, transaction: &Transaction) {
        for append in &transaction.appends {
            let stream = self.streams.entry(append.stream.clone()).or_default();
            stream.tail += 1;
            let (offset, published_at) = (stream.tail, Instant(transaction.at));
            let (key, payload) = (append.key.clone(), append.payload.clone());
            stream.records.insert(
                offset,
                Record {
                    offset,
                    key,
                    payload,
                    published_at,
                },
            );
        }
    }
}

fn sum(sum: u64, amount: u64) -> std::result::Result<u64, CommitError> {
    let grown = sum
        .checked_add(amount)
        .filter(|sum| i64::try_from(*sum).is_ok());
    grown.ok_or(CommitError::InvalidPosting("sum"))
}

struct ModelSnapshot {
    state: Arc<State>,
    flaw: Flaw,
}

impl ModelSnapshot {
    fn scan_now(&self, space: &Space, range: &Range, order: Order, limit: usize) -> Vec<Entry> {
        let at_end = |key: &[u8]| {
            self.flaw == Flaw::IncludesTheEndOfARange && range.end.as_deref() == Some(key)
        };
        let entries = self.state.entries.get(space).into_iter().flatten();
        let entries = entries.filter(|(key, _)| contains(range, key) || at_end(key));
        let entries = entries.map(|(key, value)| Entry {
            key: key.clone(),
            value: value.clone(),
        });
        match order {
            Order::Ascending => entries.take(limit).collect(),
            Order::Descending => {
                let all: Vec<_> = entries.collect();
                all.into_iter().rev().take(limit).collect()
            }
        }
    }

    fn read_log_now(
        &self,
        stream: &StreamName,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> Vec<Record> {
        let Some(stream) = self.state.streams.get(stream) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let fits = |(n, record): &(usize, &Record)| {
            bytes += record.payload.len();
            *n == 0 || bytes <= bytes_max
        };
        let after = stream
            .records
            .values()
            .filter(|record| record.offset > after);
        after
            .take(limit)
            .enumerate()
            .take_while(fits)
            .map(|(_, record)| record.clone())
            .collect()
    }
}

impl Snapshot for ModelSnapshot {
    fn version(&self) -> Version {
        self.state.version
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        let value = self
            .state
            .entries
            .get(space)
            .and_then(|entries| entries.get(key))
            .cloned();
        Box::pin(ready(Ok(value)))
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(ready(Ok(self.scan_now(space, range, order, limit))))
    }

    fn read_log<'a>(
        &'a mut self,
        stream: &'a StreamName,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(ready(
            Ok(self.read_log_now(stream, after, limit, bytes_max)),
        ))
    }

    fn first_offset<'a>(
        &'a mut self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<Offset>>> {
        let first = self
            .state
            .streams
            .get(stream)
            .and_then(|stream| stream.records.keys().next().copied());
        Box::pin(ready(Ok(first)))
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, Result<Account>> {
        Box::pin(ready(Ok(self
            .state
            .accounts
            .get(account)
            .copied()
            .unwrap_or_default())))
    }
}

impl Store for Model {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>>> {
        let state = Arc::clone(&self.inner.lock().expect("not poisoned").state);
        Box::pin(ready(Ok(Box::new(ModelSnapshot {
            state,
            flaw: self.flaw,
        }) as Box<dyn Snapshot>)))
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> BoxFuture<'_, std::result::Result<Version, CommitError>> {
        Box::pin(async move { self.commit_now(&transaction) })
    }

    fn tail(&self, stream: &StreamName) -> watch::Receiver<Offset> {
        let mut inner = self.inner.lock().expect("not poisoned");
        inner
            .tails
            .entry(stream.clone())
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe()
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<(StreamName, Offset)>>> {
        let inner = self.inner.lock().expect("not poisoned");
        let tails = inner
            .state
            .streams
            .iter()
            .map(|(name, stream)| (name.clone(), stream.tail))
            .collect();
        Box::pin(ready(Ok(tails)))
    }

    fn trim<'a>(&'a self, stream: &'a StreamName, up_to: Offset) -> BoxFuture<'a, Result<u64>> {
        let mut inner = self.inner.lock().expect("not poisoned");
        let state = Arc::make_mut(&mut inner.state);
        let removed = state.streams.get_mut(stream).map_or(0, |stream| {
            let before = stream.records.len();
            stream.records.retain(|offset, _| *offset > up_to);
            if self.flaw == Flaw::ReusesTrimmedOffsets && stream.records.is_empty() {
                stream.tail = 0;
            }
            before - stream.records.len()
        });
        Box::pin(ready(Ok(removed as u64)))
    }

    fn check_ledger(&self) -> BoxFuture<'_, Result<LedgerCheck>> {
        let state = &self.inner.lock().expect("not poisoned").state;
        let check = LedgerCheck {
            entries: state.postings,
            accounts: state.accounts.len() as u64,
            debits: state
                .accounts
                .values()
                .map(|account| u128::from(account.debits))
                .sum(),
            credits: state
                .accounts
                .values()
                .map(|account| u128::from(account.credits))
                .sum(),
            wrong_accounts: Vec::new(),
        };
        Box::pin(ready(Ok(check)))
    }
}
