//! Random attacks: whatever is told, no linear combination of it is about a small group. What is told is solved
//! exactly here, by other means than the rules decide by.

use std::collections::BTreeMap;

use super::*;

/// Fewest households of a group under `fr-10`.
const LEAST: usize = 10;

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
