//! One partition of the model, and how far each of its groups is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leyden::store::{Claim, Holder, Offset, Record};

/// Whether an acknowledgement may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    Open,
    /// The contract leaves it open.
    Ajar,
    Shut,
}

/// What a group knows of records that went before it was done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Loss {
    #[default]
    None,
    /// A trim has just taken them.
    Fresh,
    /// It has gone on since, or they were taken out on purpose: a store may say either.
    Old,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) done: Offset,
    /// Records not acknowledged, and who fetched them last.
    pub(crate) fetched: BTreeMap<Offset, Holder>,
    /// Nothing after this was there when somebody last fetched.
    pub(crate) seen: Offset,
    pub(crate) last: Option<Holder>,
    /// What the last one has fetched since nobody else did.
    pub(crate) run: BTreeSet<Offset>,
    /// Records that went before they were acknowledged, and that no fetch has passed over; whether
    /// somebody had fetched them.
    pub(crate) gone: BTreeMap<Offset, bool>,
    /// How many ever went so: a store whose counters know only what was read may count them again.
    pub(crate) missed: u64,
    /// Whether the store was opened again and nobody has fetched since: it may count what was read before.
    pub(crate) is_uncounted: bool,
    pub(crate) loss: Loss,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) tail: Offset,
    pub(crate) records: BTreeMap<Offset, Record>,
    pub(crate) groups: BTreeMap<Arc<str>, Group>,
    /// Whether a transaction has taken out a record: a store may hold that for a loss of any group.
    pub(crate) is_holed: bool,
}

impl Kept {
    pub(crate) fn remove(&mut self, offsets: &[Offset], loss: Loss) {
        for offset in offsets {
            let was_there = self.records.remove(offset).is_some();
            for group in self.groups.values_mut() {
                if was_there && *offset > group.done {
                    group.lose(*offset, loss);
                }
            }
        }
    }
}

impl Group {
    /// Takes note that records were handled. One that is gone stays with its holder until it is
    /// acknowledged like the others, or a fetch finds it gone.
    pub(crate) fn acknowledge(&mut self, offsets: &[Offset]) {
        self.done = offsets.iter().copied().fold(self.done, Offset::max);
        self.fetched = self.fetched.split_off(&(self.done + 1));
        self.run = self.run.split_off(&(self.done + 1));
        let done = self.done;
        let stays = |offset: &Offset, held: bool| held && !offsets.contains(offset);
        self.gone
            .retain(|offset, held| *offset > done || stays(offset, *held));
        self.age();
    }

    /// The most that a store may count where the group has not acknowledged so many.
    pub(crate) fn lag_max(&self, lag: u64) -> u64 {
        if lag == 0 && self.gone.is_empty() {
            return 0;
        }
        let read_before = if self.is_uncounted { self.seen } else { 0 };
        lag + self.missed + read_before
    }

    pub(crate) fn holds(&self, holder: &Holder, offsets: &[Offset]) -> Fence {
        let others = |offset: &Offset| self.fetched.get(offset).is_some_and(|by| by != holder);
        let is_last = self.last.as_ref() == Some(holder);
        let unseen = offsets.iter().any(|offset| *offset > self.seen);
        if unseen || !is_last && offsets.iter().any(others) {
            return Fence::Shut;
        }
        let own = offsets.iter().all(|offset| self.run.contains(offset));
        if own && is_last && self.gone.is_empty() {
            return Fence::Open;
        }
        Fence::Ajar
    }

    pub(crate) fn fetch(&mut self, claim: &Claim, records: &[Record], tail: Offset, is_all: bool) {
        let holder = &claim.holder;
        let held = records.iter().map(|record| (record.offset, holder.clone()));
        self.fetched.extend(held);
        if self.last.as_ref() != Some(holder) {
            self.run.clear();
        }
        self.run.extend(records.iter().map(|record| record.offset));
        self.is_uncounted = false;
        (self.seen, self.last) = (tail, Some(holder.clone()));
        if is_all {
            let gone = std::mem::take(&mut self.gone);
            self.run.retain(|offset| !gone.contains_key(offset));
        }
        self.age();
    }

    fn lose(&mut self, offset: Offset, loss: Loss) {
        let was_fetched = self.fetched.remove(&offset).is_some();
        self.gone.insert(offset, was_fetched);
        self.missed += 1;
        if self.loss != Loss::Fresh {
            self.loss = loss;
        }
    }

    fn age(&mut self) {
        if self.loss == Loss::Fresh {
            self.loss = Loss::Old;
        }
    }
}

/// Records after an offset within both bounds, but always one.
pub(crate) fn fitting(
    records: &BTreeMap<Offset, Record>,
    after: Offset,
    limit: usize,
    bytes_max: usize,
) -> Vec<Record> {
    let mut bytes = 0;
    let fits = |(n, record): &(usize, &Record)| {
        bytes += record.payload.len();
        *n == 0 || bytes <= bytes_max
    };
    let Some(first) = after.checked_add(1) else {
        return Vec::new();
    };
    let after = records.range(first..).map(|(_, record)| record);
    let fitting = after.take(limit).enumerate().take_while(fits);
    fitting.map(|(_, record)| record.clone()).collect()
}
