//! Which units a host takes and which it gives up, so that all hosts come to hold equally many. Pure.
//!
//! Every host decides for itself from the same view, and no two take the same unit where their views
//! agree; where they differ, the store lets one win.
//!
//! **Invariants.** Shares differ by one at most. A unit moves only away from a host that holds more than
//! its share or is dead. Where everybody has their share, nobody does anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Holder, Members};

/// What a host does next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Actions {
    /// Units to take, and from whom: nobody, or a host that is dead.
    pub(super) take: Vec<(u16, Option<Holder>)>,
    /// Units to give up: it holds more than its share.
    pub(super) release: Vec<u16>,
}

impl Actions {
    pub(super) fn is_empty(&self) -> bool {
        self.take.is_empty() && self.release.is_empty()
    }
}

/// What `me`, who lives, does about what it sees.
pub(super) fn decide(me: &Holder, members: &Members) -> Actions {
    let alive = alive(me, members);
    let shares = shares(&alive, members);
    let of = |holder: &Holder| held(holder, members);
    let mine = of(me);
    let share = shares.get(me).copied().unwrap_or(0);
    let release = mine.iter().skip(share).copied().collect();
    let wanting = shares.iter();
    let wanting = wanting.filter_map(|(holder, share)| {
        let missing = share.saturating_sub(of(holder).len());
        (missing > 0).then_some((*holder, missing))
    });
    let ownerless = free(&alive, members);
    Actions {
        take: dealt(&ownerless, wanting.collect(), me),
        release,
    }
}

/// Whether every living host holds its share and no unit is without a living one.
pub(super) fn is_even(me: &Holder, members: &Members) -> bool {
    let alive = alive(me, members);
    let shares = shares(&alive, members);
    shares
        .iter()
        .all(|(holder, share)| held(holder, members).len() == *share)
}

/// How many units no living host holds.
pub(super) fn ownerless(me: &Holder, members: &Members) -> usize {
    free(&alive(me, members), members).len()
}

fn alive<'m>(me: &'m Holder, members: &'m Members) -> BTreeSet<&'m Holder> {
    let others = members.hosts.iter().filter(|host| host.lease_ms > 0);
    let mut alive: BTreeSet<_> = others.map(|host| &host.info.holder).collect();
    alive.insert(me);
    alive
}

/// The units of a holder, ascending: it keeps the lowest, so that unit 0, which has duties, seldom moves.
fn held(holder: &Holder, members: &Members) -> Vec<u16> {
    let owned = (0..).zip(&members.owners);
    let owned = owned.filter(|(_, owner)| owner.as_ref() == Some(holder));
    owned.map(|(unit, _)| unit).collect()
}

/// How many units each is to hold. Where they do not divide evenly, those have one more that hold most
/// already, so that as few as possible move.
fn shares<'m>(alive: &BTreeSet<&'m Holder>, members: &Members) -> BTreeMap<&'m Holder, usize> {
    let (units, hosts) = (members.owners.len(), alive.len().max(1));
    let mut ranked: Vec<_> = alive.iter().copied().collect();
    ranked.sort_by_key(|holder| std::cmp::Reverse(held(holder, members).len()));
    let share = |rank: usize| units / hosts + usize::from(rank < units % hosts);
    let shared = ranked.into_iter().enumerate();
    shared.map(|(rank, holder)| (holder, share(rank))).collect()
}

/// Units that nobody alive holds, and who is written down for them.
fn free(alive: &BTreeSet<&Holder>, members: &Members) -> Vec<(u16, Option<Holder>)> {
    let units = (0..).zip(&members.owners);
    let free = units.filter(|(_, owner)| owner.as_ref().is_none_or(|o| !alive.contains(o)));
    free.map(|(unit, owner)| (unit, owner.clone())).collect()
}

/// Deals units out one at a time to those that miss some; those for `me`.
fn dealt(
    free: &[(u16, Option<Holder>)],
    mut wanting: Vec<(&Holder, usize)>,
    me: &Holder,
) -> Vec<(u16, Option<Holder>)> {
    let mut mine = Vec::new();
    let mut next = 0;
    for unit in free {
        if wanting.is_empty() {
            break;
        }
        next %= wanting.len();
        let (holder, missing) = &mut wanting[next];
        if *holder == me {
            mine.push(unit.clone());
        }
        *missing -= 1;
        if *missing == 0 {
            wanting.remove(next);
        } else {
            next += 1;
        }
    }
    mine
}

#[cfg(test)]
mod tests;
