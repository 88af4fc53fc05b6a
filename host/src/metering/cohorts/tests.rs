//! Attacks on sums, one by one, against the rules as they are carried out on a store.

mod keeping;
mod random;

use super::super::Member;
use super::*;
use crate::dispatch::work::Seed;
use crate::ids::Instant;
use crate::store::Store;
use crate::store::embedded::{self, Embedded};

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
