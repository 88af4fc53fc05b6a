//! The two commits of a run, tried until the store has said what became of them.

use std::sync::Arc;
use std::time::Duration;

use super::super::answers::Asked;
use super::super::failpoints;
use super::super::holds::{self, Hold, Placed};
use super::super::receipts::Issued;
use super::super::settle::{self, Closing, Written};
use super::turns::{Ending, Member, Turn};
use super::{Error, Shared};
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::store::{self, CommitError, Durable, Transaction};

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

/// Runs under way at which their commits wait for each other: so many keep the machine busy, and what it does for each
/// commit counts for more than when that is done.
const COMPANY_MIN: usize = 8;

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
    /// Places a hold: from now on its datapoints are nobody else's. It has to be durable before the run is settled, and
    /// not before it begins; so what comes with it is waited for then. Whether an earlier try of the same run placed it,
    /// each try looks first.
    pub(super) async fn hold(
        &self,
        asked: &Asked,
        draft: Hold,
    ) -> Result<(Placed, Durable), Error> {
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

    async fn try_hold(
        &self,
        asked: &Asked,
        draft: Hold,
    ) -> Result<Result<(Placed, Durable), Refused>, Error> {
        let mut work = self.work();
        failpoints::pass("hold.read");
        let placed = holds::place(&mut work, asked, draft).await?;
        failpoints::pass("hold.commit");
        if !matches!(placed, Placed::Held(..)) {
            return Ok(Ok((placed, Box::pin(std::future::ready(Ok(()))))));
        }
        let transaction = self.patient(work.into_transaction());
        let committed = self.options.store.commit_ahead(transaction).await;
        failpoints::pass("hold.committed");
        Ok(committed
            .map(|durable| (placed, durable))
            .map_err(refused_commit))
    }

    /// Settles a run in its partner's turn: until it is done, or its hold is gone, or its time is over. Those who
    /// wait for the turn are settled with it.
    pub(super) async fn settle(&self, own: &Arc<Ending>, turn: &Turn) -> Result<Settled, Error> {
        let (member, mut told) = Member::new(own);
        let mut group = vec![member];
        group.extend(turn.companions());
        let mut why = Error::Unready("it cannot be settled".into());
        for tries in 1.. {
            let refused = match self.try_settle(&mut group).await {
                Ok(Ok(())) if group.is_empty() => break,
                Ok(Ok(())) => continue,
                Ok(Err(refused)) => refused,
                Err(error) => refused_read(error),
            };
            match refused {
                Refused::Race => race(tries).await,
                Refused::Fenced => fence(&mut group),
                // One may spoil it for the others: they are settled on their own.
                Refused::Never(_) if group.len() > 1 => group.truncate(1),
                Refused::Never(error) => {
                    why = error.into();
                    group.clear();
                }
                Refused::Away(error) => {
                    why = error.into();
                    group.retain(|member| !self.is_over(&member.ending.closing));
                    if !group.is_empty() {
                        self.wait_for_store().await;
                    }
                }
            }
            if group.is_empty() {
                break;
            }
        }
        told.try_recv().map_err(|_| why)
    }

    /// Settles a group in one commit. Those of whom it is known what became of them leave the group.
    async fn try_settle(
        &self,
        group: &mut Vec<Member>,
    ) -> Result<Result<(), Refused>, work::Error> {
        let mut work = self.work();
        let Some(receipts) = self.write(&mut work, group).await? else {
            return Ok(Ok(()));
        };
        let mut acknowledgements = group
            .iter()
            .map(|member| &member.ending.closing.acknowledgement);
        let transaction = Transaction {
            acknowledgement: acknowledgements.find_map(Clone::clone),
            ..work.into_transaction()
        };
        pass(group, "settle.commit");
        let committed = self.commit(transaction).await;
        pass(group, "settle.committed");
        match &committed {
            Ok(()) => {
                let settled = group.drain(..).zip(receipts);
                settled.for_each(|(member, issued)| member.tell(Settled::Done(issued)));
            }
            Err(Refused::Away(_)) => {
                let sent = group.iter().zip(receipts);
                sent.for_each(|(member, issued)| member.ending.sent(issued));
            }
            Err(_) => {}
        }
        Ok(committed)
    }

    /// Writes a group's settlements into a transaction; their receipts. None where there is nothing to commit
    /// of it.
    async fn write(
        &self,
        work: &mut Work,
        group: &mut Vec<Member>,
    ) -> Result<Option<Vec<Issued>>, work::Error> {
        let closings = group.iter().map(|member| &member.ending.closing);
        settle::prepare(work, closings).await?;
        let mut receipts = Vec::new();
        while let Some(member) = group.get(receipts.len()) {
            let closing = &member.ending.closing;
            match settle::write(work, &self.options.notary, closing).await? {
                Written::Settled(issued) => receipts.push(issued),
                Written::Gone => {
                    let tried = member.ending.tried();
                    let found = settle::found(work, &closing.hold, &tried).await?;
                    let settled = found.map_or(Settled::Gone, Settled::Done);
                    group.remove(receipts.len()).tell(settled);
                }
                Written::Overtaken => {
                    group.remove(receipts.len()).tell(Settled::Again);
                    return Ok(None);
                }
            }
        }
        Ok(Some(receipts).filter(|receipts| !receipts.is_empty()))
    }

    /// Whether nobody waits for the store any more: the hold is void by now, or the host is to stop.
    fn is_over(&self, closing: &Closing) -> bool {
        self.stop.is_cancelled() || clock::system_now().0 >= closing.hold.expires_at_ms
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), Refused> {
        let transaction = self.patient(transaction);
        let committed = self.options.store.commit(transaction).await;
        committed.map(drop).map_err(refused_commit)
    }

    /// A transaction that waits for others where many runs are under way.
    fn patient(&self, transaction: Transaction) -> Transaction {
        Transaction {
            patient: self.register.count() >= COMPANY_MIN,
            ..transaction
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

/// Every run passes the points of a commit, also where it shares it.
fn pass(group: &[Member], point: &'static str) {
    group.iter().for_each(|_| failpoints::pass(point));
}

/// The one whose batch is not this host's any more leaves the group.
fn fence(group: &mut Vec<Member>) {
    let acknowledges = |member: &Member| member.ending.closing.acknowledgement.is_some();
    let at = group.iter().position(acknowledges).unwrap_or(0);
    if at < group.len() {
        group.remove(at).tell(Settled::Fenced);
    }
}

async fn race(tries: u32) {
    let wait_ms = RACE_MS.saturating_mul(tries.into()).min(RACE_MS_MAX);
    clock::sleep(Duration::from_millis(wait_ms)).await;
}

fn refused_commit(error: CommitError) -> Refused {
    match error {
        CommitError::Conflict | CommitError::Overdrawn { .. } => Refused::Race,
        CommitError::Store(error) => refused(error),
        error => Refused::Never(super::super::Error::Commit(error)),
    }
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
