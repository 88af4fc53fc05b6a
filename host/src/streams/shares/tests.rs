//! Hosts that join, leave and die, simulated: shares become even, and few units move.

use super::*;
use crate::store::{HostInfo, Member};

/// A lease that has not ended.
const ALIVE_MS: u64 = 1_000;

fn holder(number: usize) -> Holder {
    Holder(format!("h{number:02}").into())
}

fn member(number: usize, lease_ms: u64) -> Member {
    let info = HostInfo {
        holder: holder(number),
        url: String::new(),
        version: String::new(),
        started_at_ms: 0,
        generation: 0,
    };
    Member { info, lease_ms }
}

/// Hosts 0 to `hosts`, alive, and the owner of each unit by number.
fn members(hosts: usize, owners: &[Option<usize>]) -> Members {
    Members {
        hosts: (0..hosts).map(|number| member(number, ALIVE_MS)).collect(),
        owners: owners.iter().map(|owner| owner.map(holder)).collect(),
    }
}

/// Marsaglia's xorshift64, so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("small")).expect("small")
    }
}

/// An installation whose hosts act one at a time, each on what it saw some time ago.
struct World {
    members: Members,
    moves: usize,
}

impl World {
    fn new(units: usize) -> Self {
        Self {
            members: members(0, &vec![None; units]),
            moves: 0,
        }
    }

    fn join(&mut self, number: usize) {
        self.members.hosts.push(member(number, ALIVE_MS));
    }

    fn living(&self) -> Vec<Holder> {
        let living = self.members.hosts.iter().filter(|host| host.lease_ms > 0);
        living.map(|host| host.info.holder.clone()).collect()
    }

    fn die(&mut self, holder: &Holder) {
        let dead = self.members.hosts.iter_mut();
        dead.filter(|host| host.info.holder == *holder)
            .for_each(|host| host.lease_ms = 0);
    }

    fn leave(&mut self, holder: &Holder) {
        self.members
            .hosts
            .retain(|host| host.info.holder != *holder);
        let owned = self.members.owners.iter_mut();
        owned
            .filter(|owner| owner.as_ref() == Some(holder))
            .for_each(|owner| *owner = None);
    }

    /// Does what a host has decided, as the store would: a unit is taken only from whom it names.
    fn act(&mut self, me: &Holder, actions: Actions) {
        for unit in actions.release {
            if self.members.owners[usize::from(unit)].as_ref() == Some(me) {
                self.members.owners[usize::from(unit)] = None;
            }
        }
        for (unit, from) in actions.take {
            if self.members.owners[usize::from(unit)] == from {
                self.members.owners[usize::from(unit)] = Some(me.clone());
                self.moves += 1;
            }
        }
    }

    /// Lets all act, in random order and on views that may be old, until nobody does anything; how many
    /// rounds that took.
    fn settle(&mut self, random: &mut Random) -> usize {
        for round in 0..100 {
            let mut acted = false;
            let mut living = self.living();
            let old = self.members.clone();
            while !living.is_empty() {
                let me = living.swap_remove(random.below(living.len()));
                let view = if random.below(3) == 0 {
                    &old
                } else {
                    &self.members
                };
                let actions = decide(&me, view);
                acted |= !actions.is_empty();
                self.act(&me, actions);
            }
            if !acted {
                return round;
            }
        }
        panic!("does not come to rest: {:?}", self.members.owners);
    }

    fn check_even(&self) {
        let living = self.living();
        let counts: Vec<_> = living
            .iter()
            .map(|holder| held(holder, &self.members).len())
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), self.members.owners.len());
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 1)
        );
        assert!(is_even(&living[0], &self.members));
    }
}

#[test]
fn the_first_host_takes_everything() {
    let actions = decide(&holder(0), &members(1, &[None, None]));
    assert_eq!(actions.take, [(0, None), (1, None)]);
    assert!(actions.release.is_empty());
}

#[test]
fn one_that_joins_waits_for_what_the_others_give_up() {
    let view = members(2, &[Some(0), Some(0), Some(0), Some(0), Some(0)]);
    assert_eq!(decide(&holder(1), &view), Actions::default());
    let given = decide(&holder(0), &view);
    assert_eq!((given.take, given.release), (vec![], vec![3, 4]));
    assert!(!is_even(&holder(1), &view));
}

#[test]
fn a_dead_host_is_named_when_its_units_are_taken() {
    let mut view = members(2, &[Some(0), Some(1)]);
    view.hosts[1].lease_ms = 0;
    let taken = decide(&holder(0), &view).take;
    assert_eq!(taken, [(1, Some(holder(1)))]);
}

#[test]
fn who_is_not_listed_but_asks_counts_as_alive() {
    let view = members(0, &[None]);
    assert_eq!(decide(&holder(7), &view).take, [(0, None)]);
}

#[test]
fn two_hosts_never_take_the_same_unit_on_one_view() {
    let owners: Vec<_> = (0..16).map(|unit| (unit % 3 == 0).then_some(0)).collect();
    let view = members(5, &owners);
    let mut taken = BTreeSet::new();
    for number in 0..5 {
        for (unit, _) in decide(&holder(number), &view).take {
            assert!(taken.insert(unit), "unit {unit} is taken twice");
        }
    }
    let without = owners.iter().filter(|owner| owner.is_none()).count();
    assert_eq!(taken.len(), without);
}

#[test]
fn more_hosts_than_units_leave_some_idle() {
    let mut world = World::new(2);
    (0..5).for_each(|number| world.join(number));
    world.settle(&mut Random(5));
    world.check_even();
}

/// Of `before` even shares only what the newcomer lacks moves, and of a dead host's only its own.
#[test]
fn only_the_surplus_moves() {
    for (units, hosts) in [(16, 1), (16, 2), (16, 3), (5, 3), (64, 7), (1, 1)] {
        let mut random = Random(11);
        let mut world = World::new(units);
        (0..hosts).for_each(|number| world.join(number));
        world.settle(&mut random);
        world.moves = 0;
        world.join(hosts);
        world.settle(&mut random);
        world.check_even();
        assert!(world.moves <= units.div_ceil(hosts + 1), "{units} {hosts}");
        let dead = holder(0);
        let lost = held(&dead, &world.members).len();
        world.moves = 0;
        world.die(&dead);
        world.settle(&mut random);
        world.check_even();
        assert_eq!(world.moves, lost, "{units} units, {hosts} hosts");
    }
}

#[test]
fn shares_become_even_whatever_comes_and_goes() {
    for seed in 1..=300 {
        let mut random = Random(seed * 7_919);
        let mut world = World::new(1 + random.below(32));
        let mut named = 0;
        for _ in 0..20 {
            let living = world.living();
            match random.below(4) {
                0 if living.len() > 1 => world.die(&living[random.below(living.len())]),
                1 if living.len() > 1 => world.leave(&living[random.below(living.len())]),
                _ => {
                    world.join(named);
                    named += 1;
                }
            }
            if random.below(3) > 0 {
                let rounds = world.settle(&mut random);
                assert!(rounds <= 10, "seed {seed}: {rounds} rounds");
                world.check_even();
            }
        }
    }
}
