//! Random steps on streams, groups, units and hosts, compared with the model's.

use std::time::Duration;

use leyden::store::{
    Claim, GroupStatus, Holder, Members, Offset, Partition, PartitionStatus, Subscription,
};

use crate::model_groups::{Group, Kept, Loss};
use crate::random::{Checked, Run};
use crate::rules::trim_all;

/// A lease that does not end while the suite runs, ms.
const LEASE_MS: u64 = 3_600_000;

/// Longest wait for a store that was just opened to tell its watchers what is there.
const TAIL_WAIT_MAX: Duration = Duration::from_secs(20);

impl Run<'_> {
    pub(crate) fn any_partition(&mut self) -> Partition {
        let partitions = self.partitions();
        self.numbers.pick(&partitions).clone()
    }

    pub(crate) fn owner(&self, subscription: &Subscription) -> Option<Holder> {
        let unit = usize::from(subscription.partition.number);
        self.world.log.owners[unit].clone()
    }

    pub(crate) async fn read_log(&mut self) -> Checked {
        let partition = self.any_partition();
        let kept = self.world.log.kept(&partition);
        let after = self.numbers.below(kept.tail + 3);
        // Between two records, where there is such an offset.
        let back = u64::from(after > 0 && self.numbers.once_in(4));
        let limit = *self.numbers.pick(&[0, 1, 7, usize::MAX]);
        let bytes_max = *self.numbers.pick(&[0, 30, 500, usize::MAX]);
        let expected = crate::model_groups::fitting(&kept.records, after - back, limit, bytes_max);
        let given = self.offset(&partition, after) - back;
        let found = self
            .subject()
            .read_log(&partition, given, limit, bytes_max)
            .await;
        let what = format!("log of {partition:?} after {given}, {limit} or {bytes_max} bytes");
        let expected = self.translated(&partition, expected);
        self.same(&what, &expected, &self.works(&what, found)?)?;

        let first = kept.records.keys().next();
        let expected = first.map(|first| self.offset(&partition, *first));
        let found = self.works("first", self.subject().first_offset(&partition).await)?;
        self.same("first offset", &expected, &found)?;
        let found = self.works(
            "partitions",
            self.subject().partitions(&partition.stream).await,
        )?;
        let expected = self.world.log.partitions_of(&partition.stream);
        self.same("partitions", &expected, &found)
    }

    pub(crate) async fn compare_records(&mut self, partition: &Partition) -> Checked {
        let expected = self
            .world
            .log
            .kept(partition)
            .records
            .into_values()
            .collect();
        let found = self
            .subject()
            .read_log(partition, 0, usize::MAX, usize::MAX)
            .await;
        let expected = self.translated(partition, expected);
        self.same("all records", &expected, &self.works("log", found)?)
    }

    /// Mostly only what all groups are done with.
    pub(crate) async fn trim(&mut self) -> Checked {
        let partition = self.any_partition();
        let kept = self.world.log.kept(&partition);
        let done = kept.groups.values().map(|group| group.done).min();
        let up_to = match self.numbers.below(20) {
            0 => Offset::MAX,
            1 => self.numbers.below(kept.tail + 2),
            2..10 => done.unwrap_or(kept.tail),
            _ => done
                .unwrap_or(kept.tail)
                .min(self.numbers.below(kept.tail + 2)),
        };
        let given = self.offset(&partition, up_to);
        let expected = self.world.log.trim(&partition, up_to);
        let found = trim_all(&*self.subject(), &partition, given).await;
        self.same("trimmed", &expected, &self.works("trim", found)?)?;
        self.tally.trims += 1;
        Ok(())
    }

    pub(crate) async fn subscribe(&mut self) -> Checked {
        let subscription = Subscription {
            group: self.numbers.group(),
            partition: self.any_partition(),
        };
        self.world.log.subscribe(&subscription);
        self.works("subscribe", self.subject().subscribe(&subscription).await)
    }

    pub(crate) async fn beat(&mut self) -> Checked {
        let holder = self.numbers.holder();
        self.tell(holder).await
    }

    async fn tell(&mut self, holder: Holder) -> Checked {
        let info = self.numbers.host(holder);
        let mut expected = self.world.log.beat(&info, LEASE_MS);
        let found = self.works("beat", self.subject().beat(&info, LEASE_MS).await)?;
        let in_time = found
            .hosts
            .iter()
            .all(|host| (1..=LEASE_MS).contains(&host.lease_ms));
        self.same("leases last", &true, &in_time)?;
        without_leases(&mut expected);
        let mut found = found;
        without_leases(&mut found);
        self.same("members", &expected, &found)
    }

    /// Mostly from who holds it.
    pub(crate) async fn take(&mut self) -> Checked {
        let units = self.works("units", Ok::<_, ()>(self.subject().units()))?;
        self.same("units", &self.world.kind.partitions, &units)?;
        let unit = self.numbers.below(units.into()) as u16;
        let from = match self.numbers.below(6) {
            0 => None,
            1 => Some(self.numbers.holder()),
            _ => self.world.log.owners[usize::from(unit)].clone(),
        };
        let to = self.numbers.holder();
        if !self.world.log.knows(&to) {
            self.tell(to.clone()).await?;
        }
        let expected = self.world.log.take(unit, from.as_ref(), &to);
        let found = self.subject().take(unit, from.as_ref(), &to).await;
        let found = self.works("take", found)?;
        self.same(
            &format!("{to} takes {unit} from {from:?}"),
            &expected,
            &found,
        )?;
        self.tally.taken += u64::from(found);
        Ok(())
    }

    pub(crate) async fn release(&mut self) -> Checked {
        let holder = self.numbers.holder();
        let units = u64::from(self.world.kind.partitions);
        let some = !self.numbers.once_in(4);
        let unit = some.then(|| self.numbers.below(units) as u16);
        self.world.log.release(&holder, unit);
        self.works("release", self.subject().release(&holder, unit).await)
    }

    /// Mostly by who holds the unit, from the first record or after what it has fetched.
    pub(crate) async fn fetch(&mut self) -> Checked {
        let Some(subscription) = self.any_subscription() else {
            return self.subscribe().await;
        };
        let Some(owner) = self.owner(&subscription) else {
            return self.take().await;
        };
        let holder = if self.numbers.once_in(6) {
            self.numbers.holder()
        } else {
            owner
        };
        let partition = subscription.partition.clone();
        let kept = self.world.log.kept(&partition);
        let own = kept.groups[&subscription.group].fetched.iter();
        let mut own = own
            .filter(|(_, by)| **by == holder)
            .map(|(offset, _)| *offset);
        let after = if self.numbers.once_in(3) {
            own.next_back().unwrap_or(0)
        } else {
            0
        };
        let limit = *self.numbers.pick(&[1, 2, 3, 10, usize::MAX]);
        let bytes_max = *self.numbers.pick(&[0, 30, 500, usize::MAX, usize::MAX]);
        let claim = Claim {
            subscription,
            holder,
        };
        let given = self.offset(&partition, after);
        let expected = self.world.log.fetch(&claim, after, limit, bytes_max);
        let found = self.subject().fetch(&claim, given, limit, bytes_max).await;
        let what = format!("{claim:?} fetches after {given}, {limit} or {bytes_max} bytes");
        let Some(expected) = expected else {
            self.tally.refused_fetches += 1;
            let fenced = matches!(found, Err(leyden::store::Error::Fenced));
            return self.same(&format!("{what}: fenced"), &true, &fenced);
        };
        self.tally.fetched += expected.len() as u64;
        let expected = self.translated(&partition, expected);
        self.same(&what, &expected, &self.works(&what, found)?)
    }

    pub(crate) async fn backlog(&mut self) -> Checked {
        let count = self.numbers.below(4);
        let some: Vec<_> = (0..count).filter_map(|_| self.any_subscription()).collect();
        let some: Vec<_> = crate::model::distinct(some).into_iter().collect();
        let (mut least, mut most) = (0, 0);
        for one in &some {
            let (lag, kept) = (self.world.log.lag(one), self.world.log.kept(&one.partition));
            least += lag;
            most += kept.groups[&one.group].lag_max(lag);
        }
        let found = self.works("backlog", self.subject().backlog(&some).await)?;
        let what = format!("backlog of {some:?}: {found} in {least}..={most}");
        self.same(&what, &true, &(least..=most).contains(&found))
    }

    pub(crate) async fn status(&mut self) -> Checked {
        let mut found = self.works("streams", self.subject().streams().await)?;
        let is_sorted = found.is_sorted_by(|a, b| a.partition < b.partition);
        self.same("streams are sorted", &true, &is_sorted)?;
        // A store may name partitions of a stream that were never used.
        found.retain(|status| status.newest > 0 || !status.groups.is_empty());
        let mut expected = self.world.log.partitions.clone();
        expected.retain(|_, kept| kept.tail > 0 || !kept.groups.is_empty());
        let names: Vec<_> = found
            .iter()
            .map(|status| status.partition.clone())
            .collect();
        self.same("streams", &expected.keys().cloned().collect(), &names)?;
        for (kept, status) in expected.values().zip(&found) {
            self.compare_status(kept, status).await?;
        }
        Ok(())
    }

    async fn compare_status(&mut self, kept: &Kept, found: &PartitionStatus) -> Checked {
        let partition = &found.partition;
        let newest = self.offset(partition, kept.tail);
        self.same("newest", &newest, &found.newest)?;
        self.same("length", &(kept.records.len() as u64), &found.length)?;
        // Where the newest record is gone, one that opens the store may see the one before it.
        let least = kept.records.keys().next_back();
        let least = least.map_or(0, |least| self.offset(partition, *least));
        let is_told = |tail: &Offset| (least..=newest).contains(tail);
        let mut tail = self.subject().tail(partition);
        let told = tokio::time::timeout(TAIL_WAIT_MAX, tail.wait_for(is_told)).await;
        self.same("the tail is told", &true, &matches!(told, Ok(Ok(_))))?;

        let names: Vec<_> = found.groups.iter().map(|group| &group.group).collect();
        self.same("groups", &kept.groups.keys().collect(), &names)?;
        for (group, status) in kept.groups.values().zip(&found.groups) {
            let (tail, open) = (kept.tail, kept.records.range(group.done + 1..).count());
            let what = format!("{partition:?}: {status:?}, expected {open} to {tail}: {group:?}");
            self.same(
                &what,
                &[true; 5],
                &self.is_status(partition, kept, group, status),
            )?;
            self.tally.lost += u64::from(status.lost);
        }
        Ok(())
    }

    /// Whether lag, pending, done, oldest and lost are right. What a group has missed may count as long as
    /// there is something that it has not read.
    fn is_status(
        &self,
        partition: &Partition,
        kept: &Kept,
        group: &Group,
        found: &GroupStatus,
    ) -> [bool; 5] {
        let open = || kept.records.range(group.done + 1..);
        let lag = open().count() as u64;
        let held = open().filter(|(offset, _)| group.fetched.contains_key(offset));
        let held = held.count();
        // What is gone and still held may hold `done` back, but never what is open.
        let splits = |offset: &Offset| {
            let (said, is) = (
                self.offset(partition, *offset) <= found.done,
                *offset <= group.done,
            );
            said == is || (is && !group.gone.is_empty())
        };
        let oldest = open().next().map(|(_, record)| record.published_at);
        [
            (lag..=group.lag_max(lag)).contains(&found.lag),
            (held as u64..=found.lag).contains(&found.pending),
            kept.records.keys().all(splits),
            found.oldest == oldest || !group.gone.is_empty(),
            match group.loss {
                Loss::None => !found.lost || kept.is_holed,
                Loss::Fresh => found.lost,
                Loss::Old => true,
            },
        ]
    }
}

/// Leases run while the suite does.
fn without_leases(members: &mut Members) {
    members.hosts.iter_mut().for_each(|host| host.lease_ms = 0);
}
