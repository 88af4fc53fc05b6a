//! How what was told is kept: with a run that is settled, within bounds, apart from other partners.

use super::super::super::Tab;
use super::*;
use crate::store::{CommitError, Order, Range, Space};

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
