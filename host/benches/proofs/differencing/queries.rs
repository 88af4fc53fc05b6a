//! Cohorts that somebody asks for who wants to single a household out: at random, and as the literature has
//! it. What is told of each is decided by the host's own code, over a store.

use std::sync::Arc;

use leyden::dispatch::work::{Seed, Work};
use leyden::ids::{Instant, PartnerId};
use leyden::metering::cohorts::{self, Outcome, Past};
use leyden::metering::{Gathered, Group, Interval, Member, Profile};
use leyden::store::Store;
use leyden::store::embedded::{Embedded, Options};

use super::algebra::Span;
use crate::proof::Random;

/// Fewest and most households of a world.
const HOUSEHOLDS: (u64, u64) = (40, 200);

/// Cohorts asked for in a world.
const QUERIES: usize = 120;

/// How cohorts are chosen.
const STRATEGIES: [(&str, Choose); 8] = [
    ("at random", at_random),
    ("all but one", all_but_one),
    ("each a household longer", growing),
    ("trackers", trackers),
    ("by the bits of their numbers", by_bits),
    ("communities with somebody who moves", movers),
    ("near what was told", neighbours),
    ("all but a small rest", small_rest),
];

type Choose = fn(usize, usize, &mut Random) -> Vec<usize>;

/// How many they are.
pub const WAYS: usize = STRATEGIES.len();

/// What came of many worlds.
#[derive(Debug, Default)]
pub struct Found {
    pub asked: usize,
    pub told: usize,
    /// Worlds in which a household's value follows.
    pub isolated: Vec<String>,
    /// Differences of two values that break the profile's own rule.
    pub uneven: Vec<String>,
}

/// Tries each strategy in so many worlds. A host that forgets judges each question as if it were the first.
pub async fn attack(worlds: usize, forgets: bool, random: &mut Random) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(Options::new(folder.path())).expect("a store");
    let (store, mut found): (Arc<dyn Store>, _) = (Arc::new(store), Found::default());
    for world in 0..worlds {
        for (what, choose) in STRATEGIES {
            let name = format!("{what} {world} {forgets}").replace(' ', "-");
            let mut world = World::new(store.clone(), &name, random);
            world.forgets = forgets;
            world.attack(what, choose, random, &mut found).await;
        }
    }
    found
}

/// Households in one interval, and a partner who asks about them.
struct World {
    store: Arc<dyn Store>,
    partner: PartnerId,
    profile: Profile,
    powers_mw: Vec<u64>,
    forgets: bool,
    /// How far the times asked for are apart at most, ms; they overlap even so.
    shift_ms: u64,
}

impl World {
    fn new(store: Arc<dyn Store>, partner: &str, random: &mut Random) -> Self {
        let households = HOUSEHOLDS.0 + random.below(HOUSEHOLDS.1 - HOUSEHOLDS.0);
        let profiles = [Profile::Us1515, Profile::Fr10];
        Self {
            store,
            partner: PartnerId::parse(partner).expect("an id"),
            profile: profiles[random.below(2) as usize],
            forgets: false,
            shift_ms: random.below(2) * 2,
            powers_mw: (0..households).map(|_| power_mw(random)).collect(),
        }
    }

    async fn attack(&mut self, what: &str, choose: Choose, random: &mut Random, found: &mut Found) {
        let (mut span, mut told) = (Span::new(self.powers_mw.len()), Vec::<Vec<usize>>::new());
        let partner = self.partner.clone();
        for number in 0..QUERIES {
            if self.forgets {
                self.partner = PartnerId::parse(&format!("{partner}-{number}")).expect("an id");
            }
            let mut members = choose(number, self.powers_mw.len(), random);
            members.sort_unstable();
            members.dedup();
            found.asked += 1;
            if self.ask(&members, random).await {
                found.told += 1;
                span.add(&members);
                told.push(members);
            }
        }
        found.uneven.extend(self.uneven(what, &told));
        let isolated = span.isolated();
        if !isolated.is_empty() {
            found.isolated.push(format!(
                "{what}: households {isolated:?} of {}",
                self.partner
            ));
        }
    }

    /// Differences of a value and another that is part of it, which the profile would not tell by themselves.
    fn uneven(&self, what: &str, told: &[Vec<usize>]) -> Option<String> {
        for all in told {
            for part in told.iter().filter(|part| part.len() < all.len()) {
                if !part.iter().all(|one| all.binary_search(one).is_ok()) {
                    continue;
                }
                let mut group = Group::default();
                let rest = all.iter().filter(|one| part.binary_search(one).is_err());
                rest.for_each(|one| group.add(self.powers_mw[*one]));
                if let Err(rule) = self.profile.judge(&group) {
                    return Some(format!("{what}: {rule}"));
                }
            }
        }
        None
    }

    /// Whether the sum of these households is told. In half of the worlds times overlap without being
    /// the same.
    async fn ask(&self, members: &[usize], random: &mut Random) -> bool {
        let starts_at_ms = 1_000 + random.below(self.shift_ms + 1);
        let group = Gathered {
            interval: Interval {
                starts_at_ms,
                ends_at_ms: starts_at_ms + 10,
            },
            members: members.iter().map(|one| self.member(*one)).collect(),
            complete: true,
        };
        let mut work = self.work();
        let groups = [group];
        let past = Past::load(&mut work, &self.partner, self.profile, &groups).await;
        let mut past = past.expect("the store answers");
        let judged = past.judge(&mut work, &groups[0]).await;
        if judged.expect("the store answers").is_err() {
            return false;
        }
        let kept = cohorts::keep(&mut work, &self.partner, &past.into_told()).await;
        assert_eq!(kept.expect("the store answers"), Outcome::Kept);
        self.store
            .commit(work.into_transaction())
            .await
            .expect("committed");
        true
    }

    fn member(&self, number: usize) -> Member {
        Member {
            id: number as u64 + 1,
            power_mw: self.powers_mw[number],
            hidden: true,
        }
    }

    fn work(&self) -> Box<Work> {
        let seed = Seed {
            secret: Arc::new([0; 32]),
            invocation: 0,
        };
        Work::new(self.store.clone(), Instant(1_000), seed)
    }
}

/// Most draw little, some much.
fn power_mw(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => 2_000_000 + random.below(4_000_000),
        _ => 200_000 + random.below(800_000),
    }
}

fn at_random(_: usize, of: usize, random: &mut Random) -> Vec<usize> {
    let share = 1 + random.below(99);
    (0..of).filter(|_| random.below(100) < share).collect()
}

/// Everybody, then everybody but each in turn.
fn all_but_one(number: usize, of: usize, _: &mut Random) -> Vec<usize> {
    (0..of)
        .filter(|one| number == 0 || *one != number - 1)
        .collect()
}

fn growing(number: usize, of: usize, _: &mut Random) -> Vec<usize> {
    (0..of.min(10 + number)).collect()
}

/// A set, what is not in it, and each with one household more or less.
fn trackers(number: usize, of: usize, random: &mut Random) -> Vec<usize> {
    let (target, cut) = (random.below(of as u64) as usize, of / 2);
    let is_low = |one: &usize| *one < cut;
    match number % 4 {
        0 => (0..of).filter(is_low).collect(),
        1 => (0..of).filter(|one| !is_low(one)).collect(),
        2 => (0..of)
            .filter(|one| is_low(one) || *one == target)
            .collect(),
        _ => (0..of)
            .filter(|one| !is_low(one) && *one != target)
            .collect(),
    }
}

/// Everybody, then those with each bit and those without.
fn by_bits(number: usize, of: usize, _: &mut Random) -> Vec<usize> {
    let bit = number / 2 % 8;
    (0..of)
        .filter(|one| number == 0 || (one >> bit & 1 == 1) == number.is_multiple_of(2))
        .collect()
}

/// Communities of a third each, all of them, and one that somebody leaves for another.
fn movers(number: usize, of: usize, random: &mut Random) -> Vec<usize> {
    let mover = random.below(of as u64) as usize;
    let community = |one: usize| match (one == mover && number > 4, one * 3 / of) {
        (true, community) => (community + 1) % 3,
        (false, community) => community,
    };
    (0..of)
        .filter(|one| number % 4 == 3 || community(*one) == number % 4)
        .collect()
}

/// A half with a few changed.
fn neighbours(number: usize, of: usize, random: &mut Random) -> Vec<usize> {
    let changed: Vec<_> = (0..number % 30)
        .map(|_| random.below(of as u64) as usize)
        .collect();
    (0..of)
        .filter(|one| (*one < of / 2) != changed.contains(one))
        .collect()
}

/// Everybody, then everybody but as many as a profile asks for.
fn small_rest(number: usize, of: usize, random: &mut Random) -> Vec<usize> {
    let first = random.below(of as u64) as usize;
    let rest = if number == 0 {
        0
    } else {
        10 + random.below(8) as usize
    };
    (0..of)
        .filter(|one| (one + of - first) % of >= rest)
        .collect()
}
