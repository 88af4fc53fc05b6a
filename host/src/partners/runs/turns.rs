//! Whose turn it is to settle: one group of runs of a partner at a time. Runs that end while a group is being settled
//! wait together, and whoever gets the turn next takes them along, so that a partner's runs need one commit for
//! many of them and never stand in each other's way at the end of its chain of receipts.
//!
//! **Invariant.** Whoever waits is told what became of its run, or gets the turn itself: also where the one that
//! took it along failed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::super::receipts::Issued;
use super::super::settle::Closing;
use super::commits::Settled;
use crate::ids::PartnerId;

/// Runs that are settled together at most: more save hardly anything, and the first would wait longer.
const GROUP_MAX: usize = 32;

/// Bytes of reports and logs that runs bring along at most: a small part of what a transaction may have.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Receipts that were sent and not answered, at most: what comes after is another host's doing.
const TRIED_MAX: usize = 64;

/// A run on its way to be settled.
pub(super) struct Ending {
    pub(super) closing: Closing,
    /// Receipts of commits whose answers were lost, whoever sent them.
    tried: Mutex<Vec<Issued>>,
}

impl Ending {
    pub(super) fn new(closing: Closing) -> Arc<Self> {
        Arc::new(Self {
            closing,
            tried: Mutex::default(),
        })
    }

    /// Notes a receipt that may lie in the store.
    pub(super) fn sent(&self, issued: Issued) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.len() < TRIED_MAX {
            tried.push(issued);
        }
    }

    /// Receipts that may lie in the store.
    pub(super) fn tried(&self) -> Vec<Issued> {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.clone()
    }
}

/// A run in a group that is settled together.
pub(super) struct Member {
    pub(super) ending: Arc<Ending>,
    told: oneshot::Sender<Settled>,
}

impl Member {
    /// A run, and where it is told what became of it.
    pub(super) fn new(ending: &Arc<Ending>) -> (Self, oneshot::Receiver<Settled>) {
        let (told, answer) = oneshot::channel();
        let ending = ending.clone();
        (Self { ending, told }, answer)
    }

    /// Tells what became of it. Whoever is dropped instead waits for the turn itself.
    pub(super) fn tell(self, settled: Settled) {
        // Who does not listen any more has got the turn, and finds its hold gone.
        let _ = self.told.send(settled);
    }
}

/// Who waits for one partner's turn.
#[derive(Default)]
struct Counter {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Mutex<VecDeque<Member>>,
}

impl Counter {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Member>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turns of all partners.
#[derive(Default)]
pub(super) struct Turns {
    partners: Mutex<HashMap<PartnerId, Arc<Counter>>>,
}

/// A partner's turn, which ends when this is dropped.
pub(super) struct Turn {
    counter: Arc<Counter>,
    _guard: OwnedMutexGuard<()>,
}

/// What came of waiting to be settled.
pub(super) enum Waited {
    /// Another settled it.
    Told(Settled),
    /// It has the turn.
    Turn(Turn),
}

impl Turns {
    /// Waits for the partner's turn.
    pub(super) async fn wait(&self, partner: &PartnerId) -> Turn {
        let counter = self.counter(partner);
        let guard = counter.turn.clone().lock_owned().await;
        Turn {
            counter,
            _guard: guard,
        }
    }

    /// Waits for the partner's turn, or to be settled by whoever has it before.
    pub(super) async fn settled_or_turn(&self, ending: &Arc<Ending>) -> Waited {
        let counter = self.counter(&ending.closing.hold.partner);
        let (member, mut answer) = Member::new(ending);
        if ending.closing.goes_along() {
            counter.waiting().push_back(member);
        }
        let turn = counter.turn.clone().lock_owned();
        let guard = tokio::select! {
            biased;
            Ok(settled) = &mut answer => return Waited::Told(settled),
            guard = turn => guard,
        };
        counter
            .waiting()
            .retain(|waiting| !Arc::ptr_eq(&waiting.ending, ending));
        // It may have been told just before the turn came.
        match answer.try_recv() {
            Ok(settled) => Waited::Told(settled),
            Err(_) => Waited::Turn(Turn {
                counter,
                _guard: guard,
            }),
        }
    }

    fn counter(&self, partner: &PartnerId) -> Arc<Counter> {
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody has or waits for these: as many as runs are settled at once are left.
        partners.retain(|_, counter| Arc::strong_count(counter) > 1);
        partners.entry(partner.clone()).or_default().clone()
    }
}

impl Turn {
    /// Those who wait and can be settled together with a run, the longest waiting first.
    pub(super) fn companions(&self) -> Vec<Member> {
        let mut waiting = self.counter.waiting();
        let mut bytes = 0;
        let fits = |member: &&Member| {
            bytes += member.ending.closing.bytes();
            bytes <= GROUP_BYTES_MAX
        };
        let count = waiting.iter().take(GROUP_MAX - 1).take_while(fits).count();
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::holds;
    use super::*;

    fn ending(partner: &str) -> Arc<Ending> {
        let hold = holds::tests::of(partner);
        Ending::new(Closing::voiding(hold, "it is a test"))
    }

    async fn turn(turns: &Turns, ending: &Arc<Ending>) -> Turn {
        match turns.settled_or_turn(ending).await {
            Waited::Turn(turn) => turn,
            Waited::Told(_) => panic!("nobody has settled it"),
        }
    }

    #[tokio::test]
    async fn partners_take_turns_each_with_itself() {
        let turns = Turns::default();
        let (a, b) = (ending("a"), ending("b"));
        let first = turns.wait(&a.closing.hold.partner).await;
        let _other = turn(&turns, &b).await;
        let mut second = Box::pin(turn(&turns, &a));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        let _again = turn(&turns, &a).await;
        let kept = turns.partners.lock().unwrap().len();
        assert!(kept <= 2, "{kept}");
    }

    #[tokio::test]
    async fn those_who_wait_are_told_by_whoever_has_the_turn_or_get_it() {
        let turns = Turns::default();
        let endings: Vec<_> = (0..3).map(|_| ending("a")).collect();
        let first = turn(&turns, &endings[0]).await;
        let mut told = Box::pin(turns.settled_or_turn(&endings[1]));
        let mut dropped = Box::pin(turns.settled_or_turn(&endings[2]));
        assert!(futures_util::poll!(told.as_mut()).is_pending());
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
        let mut companions = first.companions().into_iter();
        let companion = companions.next().expect("the one who waits longest");
        assert!(Arc::ptr_eq(&companion.ending, &endings[1]));
        companion.tell(Settled::Gone);
        assert!(matches!(told.await, Waited::Told(Settled::Gone)));
        drop(companions);
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
        drop(first);
        let turn = match dropped.await {
            Waited::Turn(turn) => turn,
            Waited::Told(_) => panic!("nobody has settled it"),
        };
        assert!(turn.companions().is_empty(), "it is not its own companion");
    }

    #[tokio::test]
    async fn a_group_is_bounded_and_the_rest_goes_with_the_next() {
        let turns = Turns::default();
        let first = turns.wait(&ending("a").closing.hold.partner).await;
        let endings: Vec<_> = (0..GROUP_MAX + 5).map(|_| ending("a")).collect();
        let mut waiting: Vec<_> = endings
            .iter()
            .map(|ending| Box::pin(turns.settled_or_turn(ending)))
            .collect();
        for waiting in &mut waiting {
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        assert_eq!(first.companions().len(), GROUP_MAX - 1);
        assert_eq!(first.companions().len(), 6);
    }
}
