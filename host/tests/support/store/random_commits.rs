//! Random commits, alone and together, compared with the model's.

use std::sync::Arc;

use futures_util::future::join_all;
use leyden::store::{
    Acknowledgement, Claim, CommitError, Offset, Partition, ReadSet, Subscription, Transaction,
    Version,
};

use crate::model::{Outcome, distinct};
use crate::random::{Checked, Run};

/// A transaction in the model's numbers, and in the store's.
pub(crate) struct Planned {
    expected: Transaction,
    given: Transaction,
}

type Found = Result<Version, CommitError>;

impl Run<'_> {
    pub(crate) async fn commit(&mut self) -> Checked {
        let planned = self.plan().await?;
        let found = self.subject().commit(planned.given.clone()).await;
        self.judge(&planned, &found)?;
        self.learn([planned]).await
    }

    /// Sends several at once. Those that were committed are done in the order of their versions; those that
    /// were refused must be right to be refused somewhere between.
    pub(crate) async fn commit_together(&mut self) -> Checked {
        let mut planned = Vec::new();
        for _ in 0..2 + self.numbers.below(8) {
            planned.push(self.plan().await?);
        }
        let subject = self.subject();
        let given = planned.iter().map(|planned| planned.given.clone());
        let found = join_all(given.map(|given| subject.commit(given))).await;
        let mut done: Vec<_> = planned.iter().zip(&found).collect();
        let mut refused: Vec<_> = done.extract_if(.., |(_, found)| found.is_err()).collect();
        done.sort_by_key(|(_, found)| found.as_ref().ok());
        self.excuse(&mut refused);
        for (planned, found) in done {
            self.judge(planned, found)?;
            self.excuse(&mut refused);
        }
        // What is left is not right even now: let it say so.
        for (planned, found) in refused {
            self.judge(planned, found)?;
        }
        self.learn(planned).await
    }

    /// Takes out what is right to be refused now.
    fn excuse(&mut self, refused: &mut Vec<(&Planned, &Found)>) {
        let right = |(planned, found): &mut (&Planned, &Found)| {
            self.world
                .judge(&planned.expected)
                .contains(&Outcome::of(found))
        };
        let excused: Vec<_> = refused.extract_if(.., right).collect();
        excused
            .iter()
            .for_each(|(_, found)| self.count(&Outcome::of(found)));
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done => self.tally.committed += 1,
            Outcome::Conflict => self.tally.conflicts += 1,
            Outcome::Overdrawn(..) => self.tally.overdrawn += 1,
            Outcome::Invalid => self.tally.invalid += 1,
            Outcome::Full(_) => self.tally.full += 1,
            Outcome::Fenced => self.tally.fenced += 1,
            Outcome::Failed(_) => {}
        }
    }

    /// Checks an outcome, and does in the model what was done in the store.
    fn judge(&mut self, planned: &Planned, found: &Found) -> Checked {
        let expected = &planned.expected;
        if expected.is_empty() {
            return self.works("commit of nothing", found.as_ref()).map(|_| ());
        }
        let (right, outcome) = (self.world.judge(expected), Outcome::of(found));
        if !right.contains(&outcome) {
            let what = format!("commit: expected one of {right:?}, found {outcome:?}");
            return self.wrong(&format!("{what}: {}", briefly(expected)));
        }
        self.count(&outcome);
        if let Ok(found) = found {
            self.tally.acknowledged += u64::from(expected.acknowledgement.is_some());
            self.tally.removed += expected.removals.len() as u64;
            let version = self.world.apply(expected);
            self.note_version(*found, version)?;
        }
        Ok(())
    }

    /// Learns which offsets the store has given, and sees what it has told its watchers.
    async fn learn(&mut self, planned: impl IntoIterator<Item = Planned>) -> Checked {
        let appends = planned
            .into_iter()
            .flat_map(|planned| planned.expected.appends);
        let partitions: Vec<_> = appends
            .map(|append| self.world.log.partition_for(&append))
            .collect();
        for partition in distinct(partitions) {
            let told = *self.subject().tail(&partition).borrow();
            let known = self.offsets.get(&partition).map_or(0, Vec::len) as Offset;
            let mut expected = self
                .world
                .log
                .kept(&partition)
                .records
                .split_off(&(known + 1));
            let after = self.offset(&partition, known);
            let found = self
                .subject()
                .read_log(&partition, after, usize::MAX, usize::MAX)
                .await;
            let found = self.works("new records", found)?;
            let mut offsets: Vec<_> = found.iter().map(|record| record.offset).collect();
            for (record, offset) in expected.values_mut().zip(&offsets) {
                record.offset = *offset;
            }
            self.same("new records", &expected.into_values().collect(), &found)?;
            let grow = after == 0 || offsets.first().is_none_or(|first| *first > after);
            self.same(
                "offsets grow",
                &true,
                &(grow && offsets.is_sorted_by(|a, b| a < b)),
            )?;
            if let Some(newest) = offsets.last() {
                self.same("tail", newest, &told)?;
            }
            let known = self.offsets.entry(partition).or_default();
            known.append(&mut offsets);
        }
        Ok(())
    }

    /// A transaction on a snapshot, or a blind one.
    async fn plan(&mut self) -> Checked<Planned> {
        let reads = if self.numbers.once_in(3) {
            ReadSet::default()
        } else {
            self.any_reads().await?
        };
        let version = self.model_version(reads.version);
        let acknowledgement = if self.numbers.once_in(3) {
            self.acknowledgement()
        } else {
            None
        };
        let removals = self.removals();
        let least = removals.len() as u64;
        let writes = (0..least.max(self.numbers.below(5)))
            .map(|_| self.numbers.write())
            .collect();
        let appends = (0..self.numbers.below(4))
            .map(|_| self.numbers.append())
            .collect();
        let posts = self.numbers.once_in(3);
        let postings = if posts { 1 + self.numbers.below(3) } else { 0 };
        let postings = (0..postings).map(|_| self.numbers.posting()).collect();
        let expected = Transaction {
            reads: ReadSet {
                version,
                ..reads.clone()
            },
            writes,
            appends,
            removals,
            acknowledgement,
            postings,
            at: self.numbers.below(1 << 40),
            patient: self.numbers.once_in(4),
        };
        let given = Transaction {
            reads,
            ..self.in_the_stores_numbers(&expected)
        };
        Ok(Planned { expected, given })
    }

    fn in_the_stores_numbers(&self, transaction: &Transaction) -> Transaction {
        let mut given = transaction.clone();
        for (partition, offset) in &mut given.removals {
            *offset = self.offset(partition, *offset);
        }
        if let Some(Acknowledgement { claim, offsets }) = &mut given.acknowledgement {
            let partition = &claim.subscription.partition;
            let translated = offsets.iter().map(|offset| self.offset(partition, *offset));
            *offsets = translated.collect();
        }
        given
    }

    /// Rarely a record that is there, or was.
    fn removals(&mut self) -> Vec<(Partition, Offset)> {
        if !self.numbers.once_in(25) {
            return Vec::new();
        }
        let partition = self.any_partition();
        let tail = self.world.log.tail(&partition);
        let newest = tail.saturating_sub(self.numbers.below(20));
        (newest > 0)
            .then_some((partition, newest))
            .into_iter()
            .collect()
    }

    /// Mostly what a holder has fetched; sometimes of one who holds the unit no more, a second time, out
    /// of order, or what nobody has fetched.
    fn acknowledgement(&mut self) -> Option<Acknowledgement> {
        let subscription = self.any_subscription()?;
        let kept = self.world.log.kept(&subscription.partition);
        let group = &kept.groups[&subscription.group];
        let owner = self.owner(&subscription);
        let right = owner.unwrap_or_else(|| self.numbers.holder());
        let holder = if self.numbers.once_in(6) {
            self.numbers.holder()
        } else {
            right
        };
        let open = kept
            .records
            .range(group.done + 1..)
            .map(|(offset, _)| *offset);
        // As they were fetched, even where one of them is gone by now.
        let held = |offset: &Offset| group.run.contains(offset);
        let gone = group.gone.keys().copied().filter(held);
        let fetched = distinct(open.clone().chain(gone));
        let mut offsets: Vec<_> = fetched.into_iter().take_while(held).collect();
        match self.numbers.below(12) {
            0 => {
                offsets = kept
                    .records
                    .range(..=group.done)
                    .map(|(offset, _)| *offset)
                    .collect();
            }
            1 => drop(offsets.drain(..offsets.len().min(1))),
            2 => offsets = open.collect(),
            _ => offsets.truncate(1 + self.numbers.below(6) as usize),
        }
        let claim = Claim {
            subscription,
            holder,
        };
        (!offsets.is_empty()).then_some(Acknowledgement { claim, offsets })
    }

    pub(crate) fn any_subscription(&mut self) -> Option<Subscription> {
        let partitions = self.world.log.partitions.iter();
        let all: Vec<_> = partitions
            .flat_map(|(partition, kept)| {
                let subscription = |group: &Arc<str>| Subscription {
                    group: Arc::clone(group),
                    partition: partition.clone(),
                };
                kept.groups.keys().map(subscription)
            })
            .collect();
        (!all.is_empty()).then(|| self.numbers.pick(&all).clone())
    }
}

/// What a transaction is about, without its bytes.
fn briefly(transaction: &Transaction) -> String {
    let Transaction {
        reads,
        acknowledgement,
        removals,
        postings,
        ..
    } = transaction;
    let appends = transaction.appends.iter().map(|append| &append.key);
    format!(
        "read {reads:?}, done with {acknowledgement:?}, removes {removals:?}, appends {:?}, moves {postings:?}",
        appends.collect::<Vec<_>>()
    )
}
