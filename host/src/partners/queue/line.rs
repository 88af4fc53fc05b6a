//! The line's decisions: who goes, who waits, who is next. Pure; the queue calls who it names.

use std::collections::{HashMap, VecDeque};

use super::Full;
use crate::ids::PartnerId;

/// Most runs of one partner that wait: a burst as large as anybody has a use for, since the last of them would
/// wait for long.
pub(super) const OWN_WAITING_MAX: usize = 512;

/// Most runs of all partners that wait: each holds its parameters and, most often, a connection.
pub(super) const WAITING_MAX: usize = 2_048;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

/// What a run of a partner takes up, and how many it may have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Units of room that it takes up, 1 or more.
    pub(crate) room: usize,
    /// Runs of the partner at once, 1 or more.
    pub(crate) runs: usize,
}

/// Somebody who waits.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    room: usize,
}

/// One partner's runs.
#[derive(Debug, Default)]
struct Standing {
    runs_max: usize,
    running: usize,
    waiting: VecDeque<Waiting>,
}

/// Whether a partner's next run may begin.
#[derive(Debug, PartialEq, Eq)]
enum Chance {
    /// It may.
    Now,
    /// Not before another run of the same partner ends, or there is much room again; others go first.
    Later,
    /// It is the partner's only one and its turn: what becomes free is kept for it.
    First,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Line {
    room: usize,
    used: usize,
    waiting: usize,
    partners: HashMap<PartnerId, Standing>,
    /// Partners that wait, each once, the one whose turn it is first.
    turns: VecDeque<PartnerId>,
    tickets: u64,
}

impl Line {
    /// A line before so many units of room.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room: room.max(1),
            used: 0,
            waiting: 0,
            partners: HashMap::new(),
            turns: VecDeque::new(),
            tickets: 0,
        }
    }

    /// Units of room that are taken, and runs that wait.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.used, self.waiting)
    }

    /// What a claim takes up here: never more than there is.
    pub(super) fn room_for(&self, claim: Claim) -> usize {
        claim.room.clamp(1, self.room)
    }

    /// Somebody arrives at the end of the partner's line. Whether they may go, [`Line::call`] tells.
    pub(super) fn arrive(&mut self, partner: &PartnerId, claim: Claim) -> Result<Ticket, Full> {
        let room = self.room_for(claim);
        if self.waiting >= WAITING_MAX {
            return Err(Full::All);
        }
        let standing = self.partners.entry(partner.clone()).or_default();
        if standing.waiting.len() >= OWN_WAITING_MAX {
            return Err(Full::Own);
        }
        standing.runs_max = claim.runs.max(1);
        if standing.waiting.is_empty() {
            self.turns.push_back(partner.clone());
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        standing.waiting.push_back(Waiting { ticket, room });
        self.waiting += 1;
        Ok(ticket)
    }

    /// A run ends that took up so much room.
    pub(super) fn leave(&mut self, partner: &PartnerId, room: usize) {
        if let Some(standing) = self.partners.get_mut(partner) {
            standing.running = standing.running.saturating_sub(1);
            self.used = self.used.saturating_sub(room);
        }
        self.forget(partner);
    }

    /// Somebody who waits does not want to any more.
    pub(super) fn give_up(&mut self, partner: &PartnerId, ticket: Ticket) {
        let Some(standing) = self.partners.get_mut(partner) else {
            return;
        };
        let before = standing.waiting.len();
        standing.waiting.retain(|waiting| waiting.ticket != ticket);
        self.waiting -= before - standing.waiting.len();
        if standing.waiting.is_empty() {
            self.turns.retain(|turn| turn != partner);
        }
        self.forget(partner);
    }

    /// Those who may go now, in the order of their turns.
    pub(super) fn call(&mut self) -> Vec<Ticket> {
        let mut called = Vec::new();
        while let Some(ticket) = self.next() {
            called.push(ticket);
        }
        called
    }

    /// The next who may go: of the first partner in turn that can. That partner goes to the end then.
    fn next(&mut self) -> Option<Ticket> {
        let mut chances = self.turns.iter().map(|partner| self.chance(partner));
        let at = chances.position(|chance| chance != Chance::Later)?;
        if self.chance(self.turns.get(at)?) == Chance::First {
            return None;
        }
        let partner = self.turns.remove(at)?;
        let standing = self.partners.get_mut(&partner)?;
        let next = standing.waiting.pop_front()?;
        standing.running += 1;
        self.used += next.room;
        self.waiting -= 1;
        if !standing.waiting.is_empty() {
            self.turns.push_back(partner);
        }
        Some(next.ticket)
    }

    /// A partner's first run may use all the room there is, further ones only half of it, so that partners who
    /// have many running leave room for those who have none.
    fn chance(&self, partner: &PartnerId) -> Chance {
        let standing = self.partners.get(partner);
        let next = standing.and_then(|s| s.waiting.front().map(|next| (s, next.room)));
        let Some((standing, room)) = next else {
            return Chance::Later;
        };
        let (is_first, used) = (standing.running == 0, self.used + room);
        let bound = if is_first { self.room } else { self.room / 2 };
        match used <= bound && standing.running < standing.runs_max {
            true => Chance::Now,
            false if is_first => Chance::First,
            false => Chance::Later,
        }
    }

    /// Forgets a partner of whom nothing runs or waits.
    fn forget(&mut self, partner: &PartnerId) {
        let is_gone = |standing: &Standing| standing.running == 0 && standing.waiting.is_empty();
        if self.partners.get(partner).is_some_and(is_gone) {
            self.partners.remove(partner);
        }
    }

    /// Partners that are remembered.
    #[cfg(test)]
    pub(super) fn partners(&self) -> usize {
        self.partners.len()
    }
}
