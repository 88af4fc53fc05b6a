//! Makes what was told part of a transaction: of a service's own, or of the one that settles a run.

use std::collections::BTreeMap;

use super::super::{Interval, Tab};
use super::kept::Shelf;
use super::{BOUNDS, Bounds, NewValue, Told, Value};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;

/// What became of values that were to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are part of the transaction.
    Kept,
    /// The partner was told something else in the meantime that they were not judged against.
    Overtaken,
    /// So much is kept of the partner that these would be the first to be forgotten.
    NoRoom,
}

/// Makes what a read tells part of a transaction.
///
/// # Errors
/// The invocation's budget is used up, or the store did not answer.
pub async fn keep(
    work: &mut Work,
    partner: &PartnerId,
    told: &Told,
) -> Result<Outcome, work::Error> {
    keep_within(work, partner, told, BOUNDS).await
}

pub(super) async fn keep_within(
    work: &mut Work,
    partner: &PartnerId,
    told: &Told,
    bounds: Bounds,
) -> Result<Outcome, work::Error> {
    if told.values.is_empty() {
        return Ok(Outcome::Kept);
    }
    let shelf = Shelf::new(partner);
    let mut meta = shelf.meta(work).await?;
    let intervals = told.values.iter().map(|new| new.interval);
    let mut values = shelf.values(work, &meta, intervals).await?;
    let mut added: BTreeMap<Interval, bool> = BTreeMap::new();
    for new in &told.values {
        let NewValue {
            interval,
            value,
            judged_against,
            ..
        } = new;
        if values.at(*interval).contains(value) {
            continue;
        }
        let is_known =
            |other: Value| judged_against.contains(&other.cohort) || other.cohort == value.cohort;
        let mut around = values.overlapping(*interval, meta.longest_ms);
        let here = values.at(*interval);
        // The parts that go with it are those of exactly the values that are here.
        let is_as_judged = around.all(|(_, other)| is_known(other)) && here.len() == new.beside;
        if !is_as_judged || here.iter().any(|told| told.cohort == value.cohort) {
            return Ok(Outcome::Overtaken);
        }
        let is_new = here.is_empty();
        added.entry(*interval).or_insert(is_new);
        drop(around);
        values.add(new);
        meta.longest_ms = meta
            .longest_ms
            .max(interval.ends_at_ms - interval.starts_at_ms);
    }
    let added: Vec<_> = added.into_iter().collect();
    shelf.put(work, meta, &values, &added, told, bounds).await
}

/// Makes all that a run was told part of the transaction that settles it. If not [`Outcome::Kept`], another
/// run of the partner was settled in between: then nothing of this run may leave the host; it is run again,
/// with a new tab.
///
/// # Errors
/// The invocation's budget is used up, or the store did not answer.
pub async fn settle(
    work: &mut Work,
    partner: &PartnerId,
    tab: &Tab,
) -> Result<Outcome, work::Error> {
    for told in tab.told() {
        let outcome = keep(work, partner, &told).await?;
        if outcome != Outcome::Kept {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Kept)
}
