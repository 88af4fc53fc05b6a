//! Attacks on sums: chosen and random ones, against the rules as they are carried out on a store; and how
//! what was told is kept, forgotten and settled.

use std::collections::BTreeMap;

use super::super::{Member, Tab};
use super::*;
use crate::dispatch::work::Seed;
use crate::ids::Instant;
use crate::store::embedded::{self, Embedded};
use crate::store::{CommitError, Order, Range, Space, Store};

/// Fewest households of a group under `fr-10`.
const LEAST: usize = 10;

/// A partner who reads sums.
struct Reader {
    store: Arc<dyn Store>,
    partner: PartnerId,
    bounds: Bounds,
    _folder: tempfile::TempDir,
}

impl Reader {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(embedded::Options::new(folder.path())).expect("a store");
        Self {
            store: Arc::new(store),
            partner: PartnerId::parse("acme").expect("an id"),
            bounds: BOUNDS,
            _folder: folder,
        }
    }

    fn work(&self) -> Box<Work> {
        let seed = Seed {
            secret: Arc::new([0; 32]),
            invocation: 0,
        };
        Work::new(self.store.clone(), Instant(0), seed)
    }

    /// What of these groups may be told, and the transaction that tells it.
    async fn judged(&self, groups: &[Gathered]) -> (Vec<Result<(), Rule>>, Told, Box<Work>) {
        let mut work = self.work();
        let loaded = Past::load(&mut work, &self.partner, Profile::Fr10, groups).await;
        let mut past = loaded.expect("what was told");
        let mut verdicts = Vec::new();
        for group in groups {
            verdicts.push(past.judge(&mut work, group).await.expect("a verdict"));
        }
        (verdicts, past.into_told(), work)
    }

    async fn keep(&self, work: &mut Work, told: &Told) -> Outcome {
        let kept = keep_within(work, &self.partner, told, self.bounds).await;
        kept.expect("it is kept")
    }

    /// Reads groups in one go; which of them were told.
    async fn read(&self, groups: &[Gathered]) -> Vec<bool> {
        let (verdicts, told, mut work) = self.judged(groups).await;
        assert_eq!(self.keep(&mut work, &told).await, Outcome::Kept);
        let committed = self.store.commit(work.into_transaction()).await;
        committed.expect("it is committed");
        verdicts.iter().map(Result::is_ok).collect()
    }

    /// Whether a read of one group is told.
    async fn tells(&self, group: Gathered) -> bool {
        self.read(&[group]).await == [true]
    }
}

/// Households that each draw 1 W from one hour to another.
fn at(hours: (u64, u64), ids: impl IntoIterator<Item = u64>) -> Gathered {
    let member = |id| Member {
        id,
        power_mw: 1_000,
        hidden: true,
    };
    Gathered {
        interval: Interval {
            starts_at_ms: hours.0 * 3_600_000,
            ends_at_ms: hours.1 * 3_600_000,
        },
        members: ids.into_iter().map(member).collect(),
        complete: true,
    }
}

fn hour(ids: impl IntoIterator<Item = u64>) -> Gathered {
    at((0, 1), ids)
}

#[tokio::test]
async fn a_total_less_its_communities_leaves_no_small_group() {
    let reader = Reader::new();
    assert!(reader.tells(hour(0..12)).await);
    assert!(reader.tells(hour(12..30)).await);
    assert!(!reader.tells(hour(0..33)).await, "the rest would be three");
    assert!(reader.tells(hour(0..40)).await, "the rest is ten");
    assert!(!reader.tells(hour(30..39)).await, "nine are too few");
    assert!(reader.tells(hour(30..40)).await);
}

#[tokio::test]
async fn a_community_cannot_be_cut_out_of_a_total_that_was_told() {
    let reader = Reader::new();
    assert!(reader.tells(hour(0..30)).await);
    assert!(!reader.tells(hour(0..25)).await, "the rest would be five");
    assert!(reader.tells(hour(0..20)).await);
}

#[tokio::test]
async fn one_that_withdraws_or_joins_is_not_the_difference() {
    let reader = Reader::new();
    assert!(reader.tells(hour(0..30)).await);
    assert!(!reader.tells(hour(1..30)).await, "one withdrew");
    assert!(!reader.tells(hour(0..31)).await, "one joined");
    assert!(!reader.tells(hour(1..31)).await, "one went, one came");
    assert!(reader.tells(at((1, 2), 1..31)).await, "another time");
    assert!(
        reader.tells(hour(0..30)).await,
        "the same tells nothing new"
    );
}

#[tokio::test]
async fn parts_of_a_union_are_not_told_apart_by_chains() {
    let reader = Reader::new();
    assert!(reader.tells(hour(0..20)).await);
    assert!(reader.tells(hour(10..30)).await);
    assert!(!reader.tells(hour(15..35)).await, "it would cut 10..20");
    assert!(!reader.tells(hour(5..25)).await, "it would cut 0..10");
    assert!(reader.tells(hour((0..10).chain(20..30))).await);
}

#[tokio::test]
async fn times_that_overlap_count_together() {
    let reader = Reader::new();
    assert!(reader.tells(at((4, 8), 0..30)).await);
    assert!(!reader.tells(at((7, 9), 1..30)).await);
    assert!(!reader.tells(at((0, 5), 1..30)).await);
    assert!(!reader.tells(at((5, 6), 1..30)).await);
    assert!(!reader.tells(at((3, 9), 1..30)).await);
    assert!(reader.tells(at((8, 12), 1..30)).await);
    assert!(reader.tells(at((0, 4), 1..30)).await);
}

#[tokio::test]
async fn groups_of_one_read_count_together_too() {
    let reader = Reader::new();
    let groups = [at((0, 2), 0..30), at((1, 2), 1..30), at((2, 3), 1..30)];
    assert_eq!(reader.read(&groups).await, [true, false, true]);
}

#[tokio::test]
async fn a_value_that_has_changed_since_is_not_told() {
    let reader = Reader::new();
    assert!(reader.tells(hour(0..30)).await);
    let mut corrected = hour(0..30);
    corrected.members[7].power_mw += 1;
    assert!(!reader.tells(corrected).await);
    assert!(reader.tells(hour(0..30)).await);
}

#[tokio::test]
async fn one_who_stands_out_in_the_rest_is_not_told() {
    let reader = Reader::new();
    let of = |ids: std::ops::Range<u64>| {
        let mut group = hour(ids);
        let first = group.members.iter_mut().filter(|member| member.id >= 20);
        first.for_each(|member| member.power_mw = 0);
        group
    };
    assert!(reader.tells(of(0..20)).await);
    assert!(!reader.tells(of(0..35)).await, "all others draw nothing");
}

#[tokio::test]
async fn whoever_reads_details_must_be_left_a_group_of_others() {
    let reader = Reader::new();
    let of = |start: u64, withholding: u64| {
        let mut group = at((start, start + 1), 0..40);
        let known = group.members.iter_mut().filter(|one| one.id >= withholding);
        known.for_each(|one| one.hidden = false);
        group
    };
    assert!(!reader.tells(of(0, 1)).await);
    assert!(!reader.tells(of(0, 9)).await);
    assert!(reader.tells(of(0, 10)).await);
    assert!(
        reader.tells(of(1, 0)).await,
        "there is nothing left to tell"
    );
    assert!(reader.tells(of(2, 40)).await);
}

#[tokio::test]
async fn too_many_different_groups_of_one_time_are_refused() {
    let reader = Reader::new();
    for community in 0..=EARLIER_MAX as u64 {
        let first = community * 10;
        assert!(reader.tells(hour(first..first + 10)).await, "{community}");
    }
    let (verdicts, ..) = reader.judged(&[hour(9_000..9_010)]).await;
    let rule = verdicts[0].clone().expect_err("a refusal");
    assert!(rule.0.contains("too many different groups"), "{rule}");
    assert!(reader.tells(hour(0..10)).await, "what is known stays so");
}

/// The fewest households that a sum or difference of cohorts can be about.
fn smallest_part(cohorts: &[BTreeSet<u64>]) -> usize {
    let mut parts: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
    for id in cohorts.iter().flatten().collect::<BTreeSet<_>>() {
        let of = cohorts.iter().map(|cohort| cohort.contains(id)).collect();
        *parts.entry(of).or_default() += 1;
    }
    parts.into_values().min().unwrap_or(usize::MAX)
}

/// The fewest households that a linear combination is about, of all in the reduced row echelon form of the
/// cohorts and of many at random. Exact: in the integers modulo a large prime.
fn smallest_combination(cohorts: &[BTreeSet<u64>], random: &mut Random) -> usize {
    const PRIME: u128 = (1 << 61) - 1;
    let ids: BTreeSet<u64> = cohorts.iter().flatten().copied().collect();
    let row = |cohort: &BTreeSet<u64>| -> Vec<u128> {
        ids.iter().map(|id| cohort.contains(id).into()).collect()
    };
    let mut rows: Vec<Vec<u128>> = cohorts.iter().map(row).collect();
    let mut all = rows.clone();
    for _ in 0..200 {
        let mut sum = vec![0; ids.len()];
        for row in &rows {
            let factor = (PRIME + u128::from(random.below(7)) - 3) % PRIME;
            for (total, value) in sum.iter_mut().zip(row) {
                *total = (*total + factor * value) % PRIME;
            }
        }
        all.push(sum);
    }
    let mut next = 0;
    for column in 0..ids.len() {
        let Some(pivot) = (next..rows.len()).find(|row| rows[*row][column] != 0) else {
            continue;
        };
        rows.swap(next, pivot);
        let scale = inverse(rows[next][column], PRIME);
        for value in &mut rows[next] {
            *value = *value * scale % PRIME;
        }
        let pivot_row = rows[next].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != next) {
            let factor = PRIME - row[column];
            for (value, subtract) in row.iter_mut().zip(&pivot_row) {
                *value = (*value + factor * subtract) % PRIME;
            }
        }
        next += 1;
    }
    all.extend(rows);
    let about = |row: &Vec<u128>| row.iter().filter(|value| **value != 0).count();
    let sizes = all.iter().map(about).filter(|size| *size > 0);
    sizes.min().unwrap_or(usize::MAX)
}

/// By Fermat's little theorem.
fn inverse(value: u128, prime: u128) -> u128 {
    let (mut power, mut base, mut rest) = (1, value % prime, prime - 2);
    while rest > 0 {
        if rest & 1 == 1 {
            power = power * base % prime;
        }
        base = base * base % prime;
        rest >>= 1;
    }
    power
}

/// Numbers that are the same in each run (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An installation whose households join, consent and withhold, and what somebody may ask of it.
struct Town {
    communities: Vec<BTreeSet<u64>>,
    withheld: BTreeSet<u64>,
    next: u64,
}

impl Town {
    fn new(random: &mut Random) -> Self {
        let mut town = Self {
            communities: vec![BTreeSet::new(); 5],
            withheld: BTreeSet::new(),
            next: 0,
        };
        for _ in 0..90 {
            town.join(random);
        }
        town
    }

    fn join(&mut self, random: &mut Random) {
        let at = random.below(5) as usize;
        self.communities[at].insert(self.next);
        self.next += 1;
    }

    fn live(&mut self, random: &mut Random) {
        match random.below(4) {
            0 => self.join(random),
            1 => {
                let house = random.below(self.next);
                if !self.withheld.remove(&house) {
                    self.withheld.insert(house);
                }
            }
            _ => {}
        }
    }

    /// A community or all, as far as they consent.
    fn asked(&self, random: &mut Random) -> BTreeSet<u64> {
        let all = || self.communities.iter().flatten().copied().collect();
        let of = match random.below(6) {
            at @ 0..5 => self.communities[at as usize].clone(),
            _ => all(),
        };
        of.difference(&self.withheld).copied().collect()
    }
}

/// Thousands of reads of one hour while households join and change their minds: no linear combination of
/// what is told is about fewer households than the rule asks for. Without the overlap check it would be.
#[tokio::test]
async fn random_reads_never_isolate_a_group() {
    let mut unguarded = usize::MAX;
    for seed in 0..12 {
        let mut random = Random(seed);
        let reader = Reader::new();
        let mut town = Town::new(&mut random);
        let (mut told, mut large): (Vec<BTreeSet<u64>>, Vec<BTreeSet<u64>>) = Default::default();
        for _ in 0..60 {
            town.live(&mut random);
            let asked = town.asked(&mut random);
            if asked.len() >= LEAST && !large.contains(&asked) {
                large.push(asked.clone());
            }
            if reader.tells(hour(asked.iter().copied())).await && !told.contains(&asked) {
                told.push(asked);
            }
        }
        assert!(told.len() > 1, "something is told (seed {seed})");
        assert!(smallest_part(&told) >= LEAST, "seed {seed}");
        let smallest = smallest_combination(&told, &mut random);
        assert!(smallest >= LEAST, "{smallest} of seed {seed}");
        unguarded = unguarded.min(smallest_combination(&large, &mut random));
    }
    assert!(unguarded < LEAST, "the attack is one: {unguarded}");
}

/// Any sets of households, not only those that communities and consent lead to.
#[tokio::test]
async fn chosen_sets_never_isolate_a_group() {
    for seed in 100..110 {
        let mut random = Random(seed);
        let reader = Reader::new();
        let mut told: Vec<BTreeSet<u64>> = Vec::new();
        for _ in 0..50 {
            let (first, length) = (random.below(80), 5 + random.below(60));
            let skip = 1 + random.below(3) as usize;
            let asked: BTreeSet<u64> = (first..first + length).step_by(skip).collect();
            if reader.tells(hour(asked.iter().copied())).await {
                told.push(asked);
            }
        }
        assert!(smallest_part(&told) >= LEAST, "seed {seed}");
        assert!(
            smallest_combination(&told, &mut random) >= LEAST,
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn what_a_run_was_told_is_kept_when_it_is_settled() {
    let reader = Reader::new();
    let tab = Tab::over(100);
    let (_, told, _) = reader.judged(&[hour(0..30)]).await;
    tab.tell(told);
    assert!(reader.judged(&[hour(1..30)]).await.0[0].is_ok(), "not yet");
    let mut work = reader.work();
    let settled = settle(&mut work, &reader.partner, &tab).await;
    assert_eq!(settled.expect("it is settled"), Outcome::Kept);
    let committed = reader.store.commit(work.into_transaction()).await;
    committed.expect("it is committed");
    assert!(!reader.tells(hour(1..30)).await);
}

#[tokio::test]
async fn of_two_runs_that_would_isolate_somebody_the_later_is_run_again() {
    let reader = Reader::new();
    let (tab, other) = (Tab::over(100), Tab::over(100));
    tab.tell(reader.judged(&[hour(0..30)]).await.1);
    other.tell(reader.judged(&[hour(1..30)]).await.1);
    let (mut work, mut late) = (reader.work(), reader.work());
    let settled = settle(&mut work, &reader.partner, &tab).await;
    assert_eq!(settled.expect("it is settled"), Outcome::Kept);
    let both_at_once = settle(&mut late, &reader.partner, &other).await;
    assert_eq!(both_at_once.expect("not yet seen"), Outcome::Kept);
    let committed = reader.store.commit(work.into_transaction()).await;
    committed.expect("it is committed");
    let conflict = reader.store.commit(late.into_transaction()).await;
    assert!(matches!(conflict, Err(CommitError::Conflict)));
    let mut again = reader.work();
    let settled = settle(&mut again, &reader.partner, &other).await;
    assert_eq!(settled.expect("it is seen"), Outcome::Overtaken);
}

#[tokio::test]
async fn runs_that_were_told_the_same_are_both_settled() {
    let reader = Reader::new();
    let (tab, other) = (Tab::over(100), Tab::over(100));
    tab.tell(reader.judged(&[hour(0..30)]).await.1);
    other.tell(reader.judged(&[hour(0..30)]).await.1);
    for tab in [tab, other] {
        let mut work = reader.work();
        let settled = settle(&mut work, &reader.partner, &tab).await;
        assert_eq!(settled.expect("it is settled"), Outcome::Kept);
        let committed = reader.store.commit(work.into_transaction()).await;
        committed.expect("it is committed");
    }
}

#[tokio::test]
async fn partners_do_not_count_together() {
    let mut reader = Reader::new();
    assert!(reader.tells(hour(0..30)).await);
    reader.partner = PartnerId::parse("acm").expect("an id");
    assert!(reader.tells(hour(1..30)).await);
    reader.partner = PartnerId::parse("acme").expect("an id");
    assert!(!reader.tells(hour(1..30)).await);
}

#[tokio::test]
async fn what_is_forgotten_is_not_told_again() {
    let mut reader = Reader::new();
    reader.bounds.intervals = 20;
    for start in 0..20 {
        assert!(reader.tells(at((start, start + 1), 0..30)).await);
    }
    assert!(!reader.tells(at((0, 1), 1..30)).await);
    assert!(reader.tells(at((30, 31), 0..30)).await, "the oldest go");
    let (verdicts, ..) = reader.judged(&[at((0, 1), 0..30)]).await;
    let rule = verdicts[0].clone().expect_err("a refusal");
    assert!(rule.0.contains("not remembered any more"), "{rule}");
    assert!(reader.tells(at((31, 32), 0..30)).await);
    assert!(!reader.tells(at((31, 32), 1..30)).await);
    let (_, told, mut work) = reader.judged(&[at((31, 32), 0..30)]).await;
    assert!(told.values.is_empty(), "it is known");
    let meta = Shelf::new(&reader.partner).meta(&mut work).await;
    assert!(meta.expect("a record").floor_ms > 0);
}

#[tokio::test]
async fn cohorts_are_kept_within_bounds_and_the_oldest_time_goes_with_them() {
    let mut reader = Reader::new();
    reader.bounds.cohorts = 3;
    // Each day a household joins.
    for day in 0..10 {
        let group = at((day * 24, day * 24 + 1), 0..30 + day);
        assert!(reader.tells(group).await, "day {day}");
    }
    assert!(!reader.tells(at((0, 1), 0..30)).await, "day 0 is forgotten");
    assert!(reader.tells(at((9 * 24, 9 * 24 + 1), 0..39)).await);
    assert!(!reader.tells(at((9 * 24, 9 * 24 + 1), 0..38)).await);
    let mut work = reader.work();
    let space = Space::from("leyden.cohorts");
    let cohorts = Range {
        start: b"acme\0c".to_vec(),
        end: Some(b"acme\0d".to_vec()),
    };
    let entries = work.scan(&space, cohorts, Order::Ascending, 100).await;
    assert_eq!(entries.expect("entries").len(), 3);
}

#[tokio::test]
async fn what_would_be_forgotten_at_once_is_not_told() {
    let mut reader = Reader::new();
    reader.bounds.cohorts = 1;
    assert!(reader.tells(at((48, 49), 0..30)).await);
    let (verdicts, told, mut work) = reader.judged(&[at((0, 1), 0..31)]).await;
    assert!(verdicts[0].is_ok());
    assert_eq!(reader.keep(&mut work, &told).await, Outcome::NoRoom);
}
