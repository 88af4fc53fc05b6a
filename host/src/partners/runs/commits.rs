//! The two commits of a run, tried until the store has said what became of them.

use std::time::Duration;

use super::super::answers::Asked;
use super::super::failpoints;
use super::super::holds::{self, Hold, Placed};
use super::super::receipts::Issued;
use super::super::settle::{self, Closing, Written};
use super::{Error, Shared};
use crate::clock;
use crate::dispatch::work;
use crate::store::{self, CommitError, Transaction};

/// Most tries to place a hold: others may move the same account, and the store may be away for a moment.
const HOLD_TRIES_MAX: u32 = 20;

/// Wait after a lost race, ms; as often longer as there were tries, up to [`RACE_MS_MAX`].
const RACE_MS: u64 = 1;

/// Longest wait after a lost race, ms.
const RACE_MS_MAX: u64 = 50;

/// Longest wait for a store that is away before it is asked again, ms.
const AWAY_MS_MAX: u64 = 1_000;

/// Shortest wait for a store that is away, ms.
const AWAY_MS_MIN: u64 = 20;

/// Receipts that were sent and not answered, at most: what comes after is another host's doing.
const TRIED_MAX: usize = 64;

/// What settling came to.
pub(super) enum Settled {
    /// It is done.
    Done(Issued),
    /// The partner was told something else meanwhile: the run is to be made again.
    Again,
    /// The hold was voided meanwhile.
    Gone,
    /// The batch that it was for is not this host's any more.
    Fenced,
}

/// What a commit that did not succeed calls for.
enum Refused {
    /// Another came first.
    Race,
    /// The store is away, and may have committed it.
    Away(store::Error),
    /// What it acknowledges is not this host's any more.
    Fenced,
    /// It never will.
    Never(super::super::Error),
}

impl Shared {
    /// Places a hold. Whether an earlier try of the same run did so, each try looks first.
    pub(super) async fn hold(&self, asked: &Asked, draft: Hold) -> Result<Placed, Error> {
        let mut why = Error::Unready("others use the same account at the same time".into());
        for tries in 1..=HOLD_TRIES_MAX {
            let refused = match self.try_hold(asked, draft.clone()).await {
                Ok(Ok(placed)) => return Ok(placed),
                Ok(Err(refused)) => refused,
                Err(error) if error.is_overtaken() => Refused::Race,
                Err(error) => return Err(error),
            };
            match refused {
                Refused::Race => race(tries).await,
                Refused::Fenced => return Err(store::Error::Fenced.into()),
                Refused::Never(error) => return Err(error.into()),
                Refused::Away(error) => {
                    why = error.into();
                    self.wait_for_store().await;
                }
            }
        }
        Err(why)
    }

    async fn try_hold(&self, asked: &Asked, draft: Hold) -> Result<Result<Placed, Refused>, Error> {
        let mut work = self.work();
        failpoints::pass("hold.read");
        let placed = holds::place(&mut work, asked, draft).await?;
        failpoints::pass("hold.commit");
        if !matches!(placed, Placed::Held(..)) {
            return Ok(Ok(placed));
        }
        let committed = self.commit(work.into_transaction()).await;
        failpoints::pass("hold.committed");
        Ok(committed.map(|()| placed))
    }

    /// Settles a run: until it is done, or its hold is gone, or its time is over.
    pub(super) async fn settle(&self, closing: &Closing) -> Result<Settled, Error> {
        let mut tried = Vec::new();
        for tries in 1.. {
            let refused = match self.try_settle(closing, &mut tried).await {
                Ok(Ok(settled)) => return Ok(settled),
                Ok(Err(refused)) => refused,
                Err(error) => refused_read(error),
            };
            match refused {
                Refused::Never(error) => return Err(error.into()),
                Refused::Fenced => return Ok(Settled::Fenced),
                Refused::Race => race(tries).await,
                Refused::Away(error) if self.is_over(closing) => return Err(error.into()),
                Refused::Away(_) => self.wait_for_store().await,
            }
        }
        Ok(Settled::Gone)
    }

    async fn try_settle(
        &self,
        closing: &Closing,
        tried: &mut Vec<Issued>,
    ) -> Result<Result<Settled, Refused>, work::Error> {
        let mut work = self.work();
        let issued = match settle::write(&mut work, &self.options.notary, closing).await? {
            Written::Settled(issued) => issued,
            Written::Overtaken => return Ok(Ok(Settled::Again)),
            Written::Gone => {
                let found = settle::found(&mut work, &closing.hold, tried).await?;
                return Ok(Ok(found.map_or(Settled::Gone, Settled::Done)));
            }
        };
        failpoints::pass("settle.commit");
        let committed = self
            .commit(Transaction {
                acknowledgement: closing.acknowledgement.clone(),
                ..work.into_transaction()
            })
            .await;
        failpoints::pass("settle.committed");
        if matches!(committed, Err(Refused::Away(_))) && tried.len() < TRIED_MAX {
            tried.push(issued.clone());
        }
        Ok(committed.map(|()| Settled::Done(issued)))
    }

    /// Whether nobody waits for the store any more: the hold is void by now, or the host is to stop.
    fn is_over(&self, closing: &Closing) -> bool {
        self.stop.is_cancelled() || clock::system_now().0 >= closing.hold.expires_at_ms
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), Refused> {
        match self.options.store.commit(transaction).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict | CommitError::Overdrawn { .. }) => Err(Refused::Race),
            Err(CommitError::Store(error)) => Err(refused(error)),
            Err(error) => Err(Refused::Never(super::super::Error::Commit(error))),
        }
    }

    /// Waits until the store may be there again: not for long, since it may be well without having said so.
    async fn wait_for_store(&self) {
        clock::sleep(Duration::from_millis(AWAY_MS_MIN)).await;
        let mut health = self.options.store.health();
        let back = health.wait_for(Result::is_ok);
        let _ = tokio::time::timeout(Duration::from_millis(AWAY_MS_MAX), back).await;
    }
}

async fn race(tries: u32) {
    let wait_ms = RACE_MS.saturating_mul(tries.into()).min(RACE_MS_MAX);
    clock::sleep(Duration::from_millis(wait_ms)).await;
}

fn refused(error: store::Error) -> Refused {
    match error {
        store::Error::Overtaken => Refused::Race,
        store::Error::Fenced => Refused::Fenced,
        error @ (store::Error::Unavailable(_) | store::Error::Unresolved) => Refused::Away(error),
        error => Refused::Never(error.into()),
    }
}

fn refused_read(error: work::Error) -> Refused {
    match error {
        work::Error::Store(error) => refused(error),
        // The hold's account changed between two looks at it.
        work::Error::Insufficient(_) => Refused::Race,
        error @ work::Error::Budget(_) => Refused::Never(error.into()),
    }
}
