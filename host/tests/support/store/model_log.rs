//! The model's streams, its groups, and who holds what.

use std::collections::BTreeMap;
use std::sync::Arc;

use leyden::ids::{Instant, StreamName};
use leyden::store::{
    Acknowledgement, Append, Claim, Holder, HostInfo, Member, Members, Offset, Partition, Record,
    Subscription, Transaction, partition_of,
};

use crate::model::{Flaw, Kind};
use crate::model_groups::{Fence, Group, Kept, Loss, fitting};

/// Leases up to this are for tests of their end, ms.
const SHORT_LEASE_MS: u64 = 10;

/// All partitions, and the hosts.
pub(crate) struct Log {
    kind: Kind,
    flaw: Flaw,
    pub(crate) partitions: BTreeMap<Partition, Kept>,
    pub(crate) owners: Vec<Option<Holder>>,
    /// With the lease that each told last, ms.
    hosts: BTreeMap<Holder, (HostInfo, u64)>,
    appended: u64,
}

impl Log {
    pub(crate) fn new(kind: Kind, flaw: Flaw) -> Self {
        Self {
            kind,
            flaw,
            partitions: BTreeMap::new(),
            owners: vec![None; kind.partitions.into()],
            hosts: BTreeMap::new(),
            appended: 0,
        }
    }

    pub(crate) fn partitions_of(&self, stream: &StreamName) -> u16 {
        let name = stream.as_str();
        let narrow = name.starts_with("leyden.") || name.starts_with("clock.");
        if narrow && self.kind.has_narrow_streams {
            1
        } else {
            self.kind.partitions
        }
    }

    pub(crate) fn partition_for(&self, append: &Append) -> Partition {
        let partitions = self.partitions_of(&append.stream);
        let number = match self.flaw {
            Flaw::ScattersKeys => (self.appended % u64::from(partitions)) as u16,
            _ => partition_of(&append.key, partitions),
        };
        let stream = append.stream.clone();
        Partition { stream, number }
    }

    pub(crate) fn kept(&self, partition: &Partition) -> Kept {
        self.partitions.get(partition).cloned().unwrap_or_default()
    }

    pub(crate) fn tail(&self, partition: &Partition) -> Offset {
        self.partitions.get(partition).map_or(0, |kept| kept.tail)
    }

    /// Streams that are full, and those that this transaction takes over their bound: whether it may is
    /// left open.
    pub(crate) fn full(&self, transaction: &Transaction) -> (Vec<StreamName>, Vec<StreamName>) {
        let mut appends = BTreeMap::<_, u64>::new();
        for append in &transaction.appends {
            *appends.entry(self.partition_for(append)).or_default() += 1;
        }
        let (mut full, mut nearly) = (Vec::new(), Vec::new());
        for (partition, more) in appends {
            let kept = self.partitions.get(&partition);
            let length = kept.map_or(0, |kept| kept.records.len() as u64);
            if self.flaw != Flaw::IgnoresBound && length >= self.kind.log_records_max {
                full.push(partition.stream);
            } else if length + more > self.kind.log_records_max {
                nearly.push(partition.stream);
            }
        }
        if self.flaw == Flaw::IgnoresBound {
            nearly.clear();
        }
        (full, nearly)
    }

    /// Whether all these records are there.
    pub(crate) fn has_all(&self, removals: &[(Partition, Offset)]) -> bool {
        let has = |(partition, offset): &(Partition, Offset)| {
            let kept = self.partitions.get(partition);
            kept.is_some_and(|kept| kept.records.contains_key(offset))
        };
        self.flaw == Flaw::RemovesTwice || removals.iter().all(has)
    }

    /// Whether the claim is good, and the records are the group's next.
    pub(crate) fn fence(&self, input: &Acknowledgement) -> Fence {
        let Claim {
            subscription,
            holder,
        } = &input.claim;
        let kept = self.kept(&subscription.partition);
        let group = kept.groups.get(&subscription.group);
        let (Some(group), Some(first)) = (group, input.offsets.first()) else {
            return Fence::Shut;
        };
        if self.flaw != Flaw::IgnoresFence && !self.holds(holder, subscription) {
            return Fence::Shut;
        }
        if self.flaw == Flaw::AcknowledgesTwice || self.flaw == Flaw::IgnoresFence {
            return Fence::Open;
        }
        let next = kept.records.range(group.done + 1..).next();
        match next.is_some_and(|(next, _)| next == first) {
            true if self.flaw == Flaw::AcknowledgesUnfetched => Fence::Open,
            true => group.holds(holder, &input.offsets),
            false if group.gone.contains_key(first) => Fence::Ajar,
            false => Fence::Shut,
        }
    }

    fn holds(&self, holder: &Holder, subscription: &Subscription) -> bool {
        let unit = usize::from(subscription.partition.number);
        self.owners.get(unit).and_then(Option::as_ref) == Some(holder)
    }

    /// What a commit does here.
    pub(crate) fn apply(&mut self, transaction: &Transaction) {
        if self.flaw != Flaw::NeverAcknowledges {
            self.acknowledge(transaction);
        }
        for (partition, offset) in &transaction.removals {
            let kept = self.partitions.entry(partition.clone()).or_default();
            if self.flaw != Flaw::KeepsRemovedRecords {
                kept.remove(&[*offset], Loss::Old);
                kept.is_holed = true;
            }
        }
        for append in &transaction.appends {
            let partition = self.partition_for(append);
            self.appended += 1;
            let kept = self.partitions.entry(partition).or_default();
            kept.tail += self.kind.step;
            let record = Record {
                offset: kept.tail,
                key: append.key.clone(),
                payload: append.payload.clone(),
                published_at: Instant(transaction.at),
            };
            kept.records.insert(kept.tail, record);
        }
    }

    pub(crate) fn acknowledge(&mut self, transaction: &Transaction) {
        let Some(Acknowledgement { claim, offsets }) = &transaction.acknowledgement else {
            return;
        };
        let Subscription { group, partition } = &claim.subscription;
        let kept = self.partitions.entry(partition.clone()).or_default();
        let group = kept.groups.entry(Arc::clone(group)).or_default();
        group.acknowledge(offsets);
    }

    pub(crate) fn subscribe(&mut self, subscription: &Subscription) {
        let partition = subscription.partition.clone();
        let kept = self.partitions.entry(partition).or_default();
        let first = kept.records.keys().next().copied();
        let before = first.map_or(kept.tail, |first| first - 1);
        let done = match self.flaw {
            Flaw::StartsGroupsAtTheEnd => kept.tail,
            _ => before,
        };
        let group = || Group {
            done,
            ..Group::default()
        };
        kept.groups
            .entry(Arc::clone(&subscription.group))
            .or_insert_with(group);
    }

    /// The next records for a holder; `None` where the unit is not its own.
    pub(crate) fn fetch(
        &mut self,
        claim: &Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> Option<Vec<Record>> {
        if self.flaw != Flaw::FetchesForAnyone && !self.holds(&claim.holder, &claim.subscription) {
            return None;
        }
        let kept = self.partitions.get_mut(&claim.subscription.partition)?;
        let group = kept.groups.get_mut(&claim.subscription.group)?;
        let after_all = after.max(group.done);
        let mut records = fitting(&kept.records, after_all, limit, bytes_max);
        let foreign = |record: &Record| group.fetched.get(&record.offset);
        if self.flaw == Flaw::ForgetsPending {
            records.retain(|record| foreign(record).is_none_or(|by| *by == claim.holder));
        }
        let newest = records.last().map_or(0, |record| record.offset);
        let left = kept.records.range(after_all.max(newest) + 1..).next();
        group.fetch(claim, &records, kept.tail, after == 0 && left.is_none());
        if self.flaw == Flaw::BreaksKeyOrder {
            records.reverse();
        }
        Some(records)
    }

    pub(crate) fn lag(&self, subscription: &Subscription) -> u64 {
        let kept = self.kept(&subscription.partition);
        let group = kept.groups.get(&subscription.group);
        let done = group.map_or(0, |group| group.done);
        kept.records.range(done + 1..).count() as u64
    }

    pub(crate) fn trim(&mut self, partition: &Partition, up_to: Offset) -> u64 {
        let Some(kept) = self.partitions.get_mut(partition) else {
            return 0;
        };
        let old: Vec<_> = kept.records.range(..=up_to).map(|(old, _)| *old).collect();
        kept.remove(&old, Loss::Fresh);
        if self.flaw == Flaw::ReusesTrimmedOffsets && kept.records.is_empty() {
            kept.tail = 0;
        }
        old.len() as u64
    }

    pub(crate) fn beat(&mut self, info: &HostInfo, lease_ms: u64) -> Members {
        // A lease this short has ended when the next host tells.
        for (_, lease) in self.hosts.values_mut() {
            *lease = if *lease > SHORT_LEASE_MS { *lease } else { 0 };
        }
        let owners = self.owners.clone();
        let holds = |holder: &Holder| owners.iter().flatten().any(|owner| owner == holder);
        let told = (info.clone(), lease_ms);
        self.hosts.insert(info.holder.clone(), told);
        self.hosts
            .retain(|holder, (_, lease)| *lease > 0 || holds(holder));
        let member = |(info, lease): &(HostInfo, u64)| Member {
            info: info.clone(),
            lease_ms: *lease,
        };
        Members {
            hosts: self.hosts.values().map(member).collect(),
            owners: self.owners.clone(),
        }
    }

    pub(crate) fn knows(&self, holder: &Holder) -> bool {
        self.hosts.contains_key(holder)
    }

    pub(crate) fn take(&mut self, unit: u16, from: Option<&Holder>, to: &Holder) -> bool {
        let Some(owner) = self.owners.get_mut(usize::from(unit)) else {
            return false;
        };
        let takes = owner.as_ref() == from || self.flaw == Flaw::TakesFromAnyone;
        if takes {
            *owner = Some(to.clone());
        }
        takes
    }

    pub(crate) fn release(&mut self, holder: &Holder, unit: Option<u16>) {
        let is_meant = |n: usize| unit.is_none_or(|unit| usize::from(unit) == n);
        for (number, owner) in self.owners.iter_mut().enumerate() {
            let released = self.flaw != Flaw::ReleasesNothing && is_meant(number);
            if released && owner.as_ref() == Some(holder) {
                *owner = None;
            }
        }
        if unit.is_none() {
            self.hosts.remove(holder);
        }
    }

    /// What a store that is opened again may have forgotten.
    pub(crate) fn reopen(&mut self) {
        let kept = self.partitions.values_mut();
        for group in kept.flat_map(|kept| kept.groups.values_mut()) {
            group.is_uncounted = true;
        }
        if !self.kind.keeps_members {
            self.forget_members();
        }
    }

    fn forget_members(&mut self) {
        self.owners.fill(None);
        self.hosts.clear();
        let kept = self.partitions.values_mut();
        let groups = kept.flat_map(|kept| kept.groups.values_mut());
        for group in groups {
            (group.fetched, group.run) = Default::default();
        }
    }
}
