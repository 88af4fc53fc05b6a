//! Delivers one partition of a stream to one component, batch by batch.
//!
//! A batch that fails is halved until the record at fault stands alone; that one is tried a bounded
//! number of times and then put among the dead letters. Afterwards batches grow again, as long as they
//! are handled in good time. What is not the records' fault (the store, a race, a full log) is waited out
//! and never counted against them.
//!
//! **Invariant.** Nothing of a partition's state is kept here but guesses: after everything unexpected the store
//! is asked again for the first records that are not acknowledged.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::letters::Failure;
use super::status::Counters;
use crate::clock;
use crate::dispatch::Error;
use crate::ids::ComponentName;
use crate::registry::{Active, Generation};
use crate::store::{self, Acknowledgement, Claim, CommitError, Offset, Record, Subscription};

/// Most deliveries of a record that fails alone.
const DELIVERIES_MAX: u32 = 5;

/// Most payload bytes of a batch; one record may be longer.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Batches that take longer are cut, and those that take less than half of it grow: long ones keep others
/// waiting and are more likely to be overtaken, short ones cost more commits.
const BATCH_TIME: Duration = Duration::from_millis(200);

/// First wait after a failure, ms; doubled up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS: u64 = 50;

/// Longest wait after a failure, ms.
const BACKOFF_MS_MAX: u64 = 5_000;

/// Longest time without asking the store, in case news of a record was lost.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// Delivery to one group.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    component: ComponentName,
    claim: Claim,
    /// Everything up to here is handled.
    seen: watch::Sender<Offset>,
    /// Records of the next batch at most.
    limit: usize,
    /// Failures since the last success.
    failures: u32,
    /// The record that fails alone, and how often it did.
    suspect: (Offset, u32),
    /// Whether the store is to be told of the group again before the next batch.
    is_new: bool,
}

/// What a step came to.
enum Step {
    /// A batch was dealt with.
    Moved,
    /// There is nothing to handle.
    Nothing,
}

/// What a failed batch calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The records are at fault, or one of them.
    Poison {
        /// Trying again cannot help.
        certain: bool,
    },
    /// The moment is at fault.
    Transient,
    /// The partition is held elsewhere, or the records were handled already.
    Fenced,
}

impl Delivery {
    /// A delivery to a group; none where its name is not a component's.
    pub(super) fn new(
        shared: Arc<Shared>,
        subscription: Subscription,
        seen: watch::Sender<Offset>,
    ) -> Option<Self> {
        Some(Self {
            component: ComponentName::parse(&subscription.group).ok()?,
            claim: Claim {
                subscription,
                holder: shared.options.holder.clone(),
            },
            shared,
            seen,
            limit: usize::MAX,
            failures: 0,
            suspect: (0, 0),
            is_new: false,
        })
    }

    /// Delivers until told to stop, finishing the batch at hand.
    pub(super) async fn run(mut self, mut tail: watch::Receiver<Offset>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // What comes after this is news, however soon it comes.
            let newest = *tail.borrow_and_update();
            match self.step(&stop).await {
                Ok(Step::Moved) => self.failures = 0,
                Ok(Step::Nothing) => {
                    self.failures = 0;
                    self.saw(newest);
                    self.news(&mut tail, &stop).await;
                }
                Err(error) => self.back_off(&error, &stop).await,
            }
        }
    }

    /// Waits for a record that was not seen.
    async fn news(&self, tail: &mut watch::Receiver<Offset>, stop: &CancellationToken) {
        let seen = *self.seen.borrow();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tail.wait_for(|tail| *tail > seen) => {}
            () = clock::sleep(ASK_EVERY) => {}
        }
    }

    /// Fetches a batch, has it handled, and draws the consequences.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Step, Error> {
        let shared = self.shared.clone();
        let _place = tokio::select! {
            () = stop.cancelled() => return Ok(Step::Nothing),
            place = shared.places.acquire() => place.map_err(|_| Error::Stopping)?,
        };
        let generation = shared.registry.generation();
        let active = generation.components.get(&self.component);
        let active = active.ok_or(Error::Stopping)?;
        let limit = self.limit.min(active.manifest.limits.batch).max(1);
        let batch = self.fetch(limit).await?;
        if batch.is_empty() {
            return Ok(Step::Nothing);
        }
        self.handle(&generation, active, batch, limit).await?;
        Ok(Step::Moved)
    }

    /// The first records that are not acknowledged.
    async fn fetch(&mut self, limit: usize) -> Result<Vec<Record>, Error> {
        let store = &self.shared.store;
        if self.is_new {
            store.subscribe(&self.claim.subscription).await?;
            self.is_new = false;
        }
        let fetched = store.fetch(&self.claim, 0, limit, BATCH_BYTES_MAX).await;
        // The store may have lost the group, as a Redis that keeps nothing does when it restarts.
        self.is_new = fetched.is_err();
        Ok(fetched?)
    }

    async fn handle(
        &mut self,
        generation: &Arc<Generation>,
        active: &Active,
        batch: Vec<Record>,
        limit: usize,
    ) -> Result<(), Error> {
        let acknowledgement = Acknowledgement {
            claim: self.claim.clone(),
            offsets: batch.iter().map(|record| record.offset).collect(),
        };
        let (count, last) = (batch.len(), batch.last().map_or(0, |record| record.offset));
        let alone = (count == 1).then(|| batch[0].clone());
        let partition = self.claim.subscription.partition.clone();
        let (dispatch, began) = (&self.shared.dispatch, clock::monotonic());
        let handled = dispatch.events(
            generation,
            &self.component,
            partition,
            batch,
            &acknowledgement,
        );
        let handled = handled.await;
        match handled {
            Ok(()) => {
                let took = clock::monotonic().saturating_duration_since(began);
                self.limit = next_limit(count, limit, took);
                Counters::add(&self.shared.counters.deliveries, 1);
                Counters::add(&self.shared.counters.records, count);
                self.moved(last);
                Ok(())
            }
            Err(error) => {
                Counters::add(&self.shared.counters.failed, 1);
                self.failed(error, active, count, alone).await
            }
        }
    }

    async fn failed(
        &mut self,
        error: Error,
        active: &Active,
        count: usize,
        alone: Option<Record>,
    ) -> Result<(), Error> {
        match (verdict(&error), alone) {
            (Verdict::Poison { .. }, None) => {
                self.limit = count / 2;
                Ok(())
            }
            (Verdict::Poison { certain }, Some(record)) => {
                let deliveries = self.suspected(record.offset);
                if !certain && deliveries < DELIVERIES_MAX {
                    return Err(error);
                }
                self.bury(record, active, &error, deliveries).await
            }
            (Verdict::Transient | Verdict::Fenced, _) => Err(error),
        }
    }

    /// Counts a failure of a record alone; how many there have been.
    fn suspected(&mut self, offset: Offset) -> u32 {
        let before = match self.suspect {
            (suspect, count) if suspect == offset => count,
            _ => 0,
        };
        self.suspect = (offset, before + 1);
        before + 1
    }

    /// Puts a record among the dead letters and moves past it, in one commit.
    async fn bury(
        &mut self,
        record: Record,
        active: &Active,
        error: &Error,
        deliveries: u32,
    ) -> Result<(), Error> {
        let (offset, shared) = (record.offset, self.shared.clone());
        let failure = Failure {
            claim: &self.claim,
            version: active.digest,
            reason: error.to_string(),
            deliveries,
        };
        let burial = failure.burial(record, shared.clock.now().0);
        match shared.store.commit(burial).await {
            Ok(_) => {
                let subscription = &self.claim.subscription;
                let (stream, partition) = (
                    &subscription.partition.stream,
                    subscription.partition.number,
                );
                tracing::error!(
                    group = %self.component, %stream, partition, offset, %error,
                    "a record could not be handled and is now a dead letter"
                );
                Counters::add(&shared.counters.dead_letters, 1);
                self.moved(offset);
                Ok(())
            }
            Err(CommitError::LogFull(stream)) => Err(Error::LogFull(stream)),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(_) => Err(Error::Fenced),
        }
    }

    fn moved(&self, to: Offset) {
        self.saw(to);
        self.shared.moves.send_modify(|moves| *moves += 1);
    }

    fn saw(&self, to: Offset) {
        self.seen.send_if_modified(|seen| {
            let further = *seen < to;
            *seen = to.max(*seen);
            further
        });
    }

    /// Waits before the next try, and longer the more there have been.
    async fn back_off(&mut self, error: &Error, stop: &CancellationToken) {
        self.told(error);
        let wait_ms = (BACKOFF_MS << self.failures.min(10)).min(BACKOFF_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        let mut health = self.shared.store.health();
        let wait = async {
            let more = Duration::from_millis(wait_ms.saturating_sub(BACKOFF_MS));
            clock::sleep(Duration::from_millis(BACKOFF_MS)).await;
            if is_store_away(error) {
                // Tried at once when it is back.
                let back = health.wait_for(Result::is_ok);
                let _ = tokio::time::timeout(more, back).await;
            } else {
                clock::sleep(more).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = wait => {}
        }
    }

    fn told(&self, error: &Error) {
        let subscription = &self.claim.subscription;
        let (group, stream) = (&self.component, &subscription.partition.stream);
        let partition = subscription.partition.number;
        match error {
            Error::Fenced | Error::Store(store::Error::Fenced) => {
                Counters::add(&self.shared.counters.fenced, 1);
                tracing::info!(%group, %stream, partition, "refused: it is held elsewhere");
                self.shared.look.notify_one();
            }
            // The store tells of itself once, not every group.
            error if is_store_away(error) => {
                tracing::debug!(%group, %stream, partition, %error, "delivery waits");
            }
            error => tracing::warn!(%group, %stream, partition, %error, "delivery waits"),
        }
    }
}

fn is_store_away(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::Unavailable(_)))
}

/// Records of the next batch, at most, after one of `count` (of at most `limit`) took that long.
fn next_limit(count: usize, limit: usize, took: Duration) -> usize {
    if took > BATCH_TIME {
        (count / 2).max(1)
    } else if took <= BATCH_TIME / 2 {
        // One that was smaller than it might be says nothing about larger ones.
        limit.max(count).saturating_mul(2)
    } else {
        limit
    }
}

fn verdict(error: &Error) -> Verdict {
    match error {
        Error::Rejected(_) => Verdict::Poison { certain: true },
        Error::Trapped(..) | Error::Deadline(..) | Error::Misbehaved(..) | Error::Retry(..) => {
            Verdict::Poison { certain: false }
        }
        Error::Fenced | Error::Store(store::Error::Fenced) => Verdict::Fenced,
        Error::Contended(_)
        | Error::LogFull(_)
        | Error::Busy
        | Error::Stopping
        | Error::NotServed(_)
        | Error::KeyReused
        | Error::Store(_) => Verdict::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_fast_and_shrink_when_they_are_slow() {
        let ms = Duration::from_millis;
        assert_eq!(next_limit(100, 100, ms(10)), 200);
        assert_eq!(
            next_limit(3, 100, ms(10)),
            200,
            "a short one does not hold back"
        );
        assert_eq!(next_limit(100, 100, ms(150)), 100);
        assert_eq!(next_limit(100, 100, ms(201)), 50);
        assert_eq!(next_limit(1, 1, ms(5_000)), 1);
        assert_eq!(next_limit(1, usize::MAX, ms(1)), usize::MAX);
    }

    #[test]
    fn only_what_the_records_may_be_guilty_of_counts_against_them() {
        let away = Error::Store(store::Error::Unavailable("gone"));
        assert_eq!(verdict(&away), Verdict::Transient);
        assert_eq!(
            verdict(&Error::Store(store::Error::Unresolved)),
            Verdict::Transient
        );
        assert_eq!(verdict(&Error::Contended(20)), Verdict::Transient);
        assert_eq!(verdict(&Error::Busy), Verdict::Transient);
        assert_eq!(verdict(&Error::Fenced), Verdict::Fenced);
        assert_eq!(
            verdict(&Error::Store(store::Error::Fenced)),
            Verdict::Fenced
        );
    }
}
