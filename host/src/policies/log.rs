//! The log of decisions: what each policy was asked and what it said, written by the commit of the invocation that
//! asked, so it holds exactly the decisions that counted. A decision of an invocation that failed led to nothing and is
//! not here.
//!
//! A key is the kind's name, 0, the commit's stamp by the system's clock (`clock::stamp`, 12 bytes), the invocation's id
//! (16 bytes) and the number of the part (2 bytes); a value is a [`Part`] as JSON.
//!
//! **Invariant.** The log is bounded by age and by size ([`Bounds`]), whatever is written to it.

mod retention;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Decision, Kind};
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::registry::Generation;
use crate::store::{self, Order, Range, Snapshot, Space, Store};
pub use retention::{Bounds, Retention, keep};

/// Parts of the log.
const SPACE: &str = "leyden.decisions";

/// Bytes of decisions after which a part ends: small enough that reading one is cheap.
const PART_BYTES: usize = 64 << 10;

/// Most parts that are read at a time.
const PARTS_MAX: usize = 256;

/// Bytes of a key behind the kind's name and 0.
const PLACE_BYTES: usize = clock::STAMP_BYTES + 16 + 2;

/// How many decisions of a kind are kept: all of one invocation out of so many; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling(pub u32);

impl Default for Sampling {
    fn default() -> Self {
        Self(1)
    }
}

impl Sampling {
    /// Whether an invocation's decisions are kept.
    fn keeps(self, invocation: u128) -> bool {
        match self.0 {
            0 => false,
            one_in => invocation.is_multiple_of(u128::from(one_in)),
        }
    }
}

/// What an invocation decided of one kind, or a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The invocation's instant, ms since 1970 by the host's clock.
    pub at: u64,
    /// The invocation's id.
    pub invocation: String,
    /// The generation that it ran in.
    pub generation: u64,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
}

/// A place in the log of a kind: what comes before it is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<u8>);

impl Place {
    /// Reads one as it is told.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok();
        bytes.filter(|b| b.len() == PLACE_BYTES).map(Self)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What was decided for an invocation or a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decided {
    /// The generation that it ran in.
    pub(crate) generation: u64,
    /// In order.
    pub(crate) decisions: Vec<Decision>,
    /// Which kinds are logged, and how much of them.
    pub(crate) sampling: BTreeMap<Kind, Sampling>,
}

impl Decided {
    /// What was decided in a generation.
    pub(crate) fn of(generation: &Generation, decisions: Vec<Decision>) -> Self {
        let sampling = generation
            .policies()
            .map(|policy| (policy.kind, policy.log));
        Self {
            generation: generation.number,
            sampling: sampling.collect(),
            decisions,
        }
    }
}

/// Enters what an invocation has decided into its own transaction.
///
/// # Errors
/// The invocation's budget of effects is used up.
pub(crate) fn enter(work: &mut Work, generation: &Generation) -> Result<(), work::Error> {
    let decisions = work.take_decisions();
    if decisions.is_empty() {
        return Ok(());
    }
    let invocation = work.id();
    write(work, &invocation, &Decided::of(generation, decisions))
}

/// Enters what was decided under an id (32 hexadecimal digits) into a transaction.
///
/// # Errors
/// The transaction's budget of effects is used up.
pub(crate) fn write(
    work: &mut Work,
    invocation: &str,
    decided: &Decided,
) -> Result<(), work::Error> {
    let number = u128::from_str_radix(invocation, 16).unwrap_or(0);
    let committed = clock::stamp(clock::system_now());
    for (kind, sampling) in &decided.sampling {
        let of_kind = decided.decisions.iter().filter(|d| d.kind() == Some(*kind));
        if !sampling.keeps(number) {
            continue;
        }
        let of_kind = of_kind.map(|decision| serde_json::to_string(decision).unwrap_or_default());
        for (part, decisions) in (0_u16..).zip(parts(of_kind)) {
            let mut key = prefix(*kind);
            key.extend_from_slice(&committed);
            key.extend_from_slice(&number.to_be_bytes());
            key.extend_from_slice(&part.to_be_bytes());
            let (at, generation) = (work.now().0, decided.generation);
            let value = format!(
                r#"{{"at":{at},"invocation":"{invocation}","generation":{generation},"decisions":[{decisions}]}}"#
            );
            work.write(&SPACE.into(), key, Some(value.into_bytes()))?;
        }
    }
    Ok(())
}

/// Decisions joined until a part is full.
fn parts(decisions: impl Iterator<Item = String>) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for decision in decisions {
        match parts.last_mut().filter(|part| part.len() < PART_BYTES) {
            Some(part) => {
                part.push(',');
                part.push_str(&decision);
            }
            None => parts.push(decision),
        }
    }
    parts
}

fn prefix(kind: Kind) -> Vec<u8> {
    let mut key = kind.name().as_bytes().to_vec();
    key.push(0);
    key
}

/// All keys of a kind.
fn of_kind(kind: Kind) -> Range {
    let mut end = kind.name().as_bytes().to_vec();
    end.push(1);
    Range {
        start: prefix(kind),
        end: Some(end),
    }
}

/// Some of the log, the latest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The parts.
    pub parts: Vec<Part>,
    /// Where the next page begins; none at the end.
    pub next: Option<Place>,
}

/// The parts of a kind that come before a place (none: the latest), with at least `decisions` decisions where there are
/// so many, but bounded by what one answer holds.
///
/// # Errors
/// The store did not answer, or holds what is no part.
pub async fn page(
    store: &dyn Store,
    kind: Kind,
    before: Option<&Place>,
    decisions: usize,
) -> store::Result<Page> {
    let mut range = of_kind(kind);
    if let Some(Place(place)) = before {
        range.end = Some([prefix(kind), place.clone()].concat());
    }
    let mut snapshot = store.snapshot().await?;
    let entries = scan(snapshot.as_mut(), &range, Order::Descending).await?;
    let is_cut = entries.len() == PARTS_MAX;
    let (mut parts, mut found, mut last) = (Vec::new(), 0, None);
    for entry in &entries {
        if found >= decisions {
            break;
        }
        let part: Part = serde_json::from_slice(&entry.value)
            .map_err(|_| store::Error::Unavailable("it holds a broken record of decisions"))?;
        found += part.decisions.len();
        parts.push(part);
        last = Some(Place(entry.key[prefix(kind).len()..].to_vec()));
    }
    let next = last.filter(|_| is_cut || parts.len() < entries.len());
    Ok(Page { parts, next })
}

async fn scan(
    snapshot: &mut dyn Snapshot,
    range: &Range,
    order: Order,
) -> store::Result<Vec<store::Entry>> {
    let space = Space::from(SPACE);
    snapshot.scan(&space, range, order, PARTS_MAX).await
}

/// The last decisions of a kind, the latest first, at most `count`.
///
/// # Errors
/// As [`page`].
pub async fn last(store: &dyn Store, kind: Kind, count: usize) -> store::Result<Vec<Decision>> {
    let (mut decisions, mut before) = (Vec::new(), None);
    while decisions.len() < count {
        let page = page(store, kind, before.as_ref(), count - decisions.len()).await?;
        // Inside a part the latest is last.
        let latest_first = page
            .parts
            .into_iter()
            .flat_map(|p| p.decisions.into_iter().rev());
        decisions.extend(latest_first);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    decisions.truncate(count);
    Ok(decisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_when_it_is_full() {
        let decision = "x".repeat(PART_BYTES / 2 + 1);
        let parts = parts(std::iter::repeat_n(decision, 5));
        assert_eq!(parts.len(), 3);
        assert!(parts[0].contains("x,x") && !parts[2].contains(','));
    }

    #[test]
    fn a_place_is_read_as_it_is_told() {
        let place = Place((0..30).collect());
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for other in ["", "zz", "00", &"0".repeat(61), &"é".repeat(30)] {
            assert_eq!(Place::parse(other), None, "{other}");
        }
    }

    #[test]
    fn one_in_so_many_is_kept() {
        assert!(!Sampling(0).keeps(0));
        assert!((0..10).all(|n| Sampling(1).keeps(n)));
        assert_eq!((0..100).filter(|n| Sampling(10).keeps(*n)).count(), 10);
    }
}
