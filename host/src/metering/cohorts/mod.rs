//! What values of groups have told a partner, so that no two of them tell of a household what neither
//! tells alone.
//!
//! A *cohort* is the set of households behind a value. Whoever knows the values of some cohorts of one
//! time knows all their sums and differences, and nothing else. Households that are in exactly the same
//! of these cohorts form a *part*; each such sum or difference takes whole parts. So a value is told only if
//! each part that it adds to or cuts, of all cohorts told for overlapping times, is by itself a group that keeps
//! the profile: neither a total less its communities nor the same time read again after one household withdrew
//! isolates anybody, and no difference is one in which somebody stands out. The same cohort again tells nothing new, unless its value has changed: then the difference is
//! that of whoever was corrected, and it is not told.
//!
//! **Invariants.** What was told is kept by the transaction that tells it, or that settles the run that was
//! told it. Nothing is forgotten that a later read could be put together with: the oldest goes where the
//! bounds below ask for it, and from then on nothing is told of that time.

mod kept;
mod parts;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Gathered, Interval, Profile, Rule};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;
pub(crate) use kept::SPACE;
use kept::{Meta, Shelf};
use parts::{Earlier, Part};
#[cfg(test)]
use settle::keep_within;
pub use settle::{Outcome, keep, settle};

/// Most different cohorts that one value is judged against: each is a bit of a number, and one is its own.
const EARLIER_MAX: usize = 127;

/// Most households of earlier cohorts that one value is judged against, each counted once per cohort.
const EARLIER_MEMBERS_MAX: usize = 1_000_000;

/// What is kept of one partner at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Intervals: more than a year of minutes.
    intervals: u64,
    /// Different cohorts: one scan of them is one page.
    cohorts: u64,
    /// Bytes of cohorts, 8 for each household: a hundred times all households of a large installation.
    cohort_bytes: u64,
}

const BOUNDS: Bounds = Bounds {
    intervals: 1_000_000,
    cohorts: 9_000,
    cohort_bytes: 128 << 20,
};

/// Names a cohort by its content: the first half of the SHA-256 of its members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CohortId([u8; 16]);

impl fmt::Debug for CohortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Households by what [`super::Secrets::member`] calls them, ascending.
pub(super) type Cohort = Arc<[u64]>;

/// The cohort of a group, and its name.
fn cohort_of(group: &Gathered) -> (CohortId, Cohort) {
    let members: BTreeSet<u64> = group.members.iter().map(|member| member.id).collect();
    let mut hash = Sha256::new();
    members.iter().for_each(|id| hash.update(id.to_be_bytes()));
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    (CohortId(id), members.into_iter().collect())
}

/// A value that was told: whose, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value {
    cohort: CohortId,
    sum_mw: u64,
}

/// A value that a read tells.
#[derive(Debug, Clone)]
struct NewValue {
    interval: Interval,
    value: Value,
    /// Cohorts told for overlapping times that it was judged against.
    judged_against: Arc<BTreeSet<CohortId>>,
    /// How many of them were told for this very interval.
    beside: usize,
    /// The parts of the interval with it.
    parts: Arc<[Part]>,
}

/// What one read tells of groups.
#[derive(Debug, Clone, Default)]
pub struct Told {
    values: Vec<NewValue>,
    cohorts: BTreeMap<CohortId, Cohort>,
}

/// What was told of one interval.
#[derive(Debug, Clone, Default)]
struct Here {
    /// In the order in which it was told.
    values: Vec<Value>,
    parts: Arc<[Part]>,
}

/// What was told by interval.
#[derive(Debug, Default)]
struct Values(BTreeMap<Interval, Here>);

impl Values {
    fn overlapping(
        &self,
        interval: Interval,
        longest_ms: u64,
    ) -> impl Iterator<Item = (Interval, Value)> + '_ {
        let first = Interval {
            starts_at_ms: interval.starts_at_ms.saturating_sub(longest_ms),
            ends_at_ms: 0,
        };
        let last = Interval {
            starts_at_ms: interval.ends_at_ms,
            ends_at_ms: 0,
        };
        let near = self.0.range(first..last.max(first));
        near.filter(move |(other, _)| other.overlaps(&interval))
            .flat_map(|(at, here)| here.values.iter().map(|value| (*at, *value)))
    }

    fn at(&self, interval: Interval) -> &[Value] {
        self.0.get(&interval).map_or(&[], |here| &here.values)
    }

    fn parts_at(&self, interval: Interval) -> Arc<[Part]> {
        let here = self.0.get(&interval);
        here.map_or_else(Default::default, |here| here.parts.clone())
    }

    fn add(&mut self, new: &NewValue) {
        let here = self.0.entry(new.interval).or_default();
        here.values.push(new.value);
        here.parts = new.parts.clone();
    }
}

/// What a partner was told so far of the time around a read.
pub struct Past {
    profile: Profile,
    shelf: Shelf,
    meta: Meta,
    values: Values,
    cohorts: HashMap<CohortId, Cohort>,
    told: Told,
}

impl Past {
    /// Of the time of these groups, which are in order.
    ///
    /// # Errors
    /// The invocation's budget is used up, or the store did not answer.
    pub async fn load(
        work: &mut Work,
        partner: &PartnerId,
        profile: Profile,
        groups: &[Gathered],
    ) -> Result<Self, work::Error> {
        let shelf = Shelf::new(partner);
        let meta = shelf.meta(work).await?;
        let intervals = groups.iter().map(|group| group.interval);
        let values = shelf.values(work, &meta, intervals).await?;
        Ok(Self {
            profile,
            shelf,
            meta,
            values,
            cohorts: HashMap::new(),
            told: Told::default(),
        })
    }

    /// Judges a group whose sum would be told, after those that were judged before it. If it keeps the
    /// rules, it counts as told.
    ///
    /// # Errors
    /// The invocation's budget is used up, or the store did not answer. Inside: the rule it breaks.
    pub async fn judge(
        &mut self,
        work: &mut Work,
        group: &Gathered,
    ) -> Result<Result<(), Rule>, work::Error> {
        if let Err(rule) = self.profile.judge(&group.group()) {
            return Ok(Err(rule));
        }
        if group.interval.starts_at_ms < self.meta.floor_ms {
            let forgotten = "overlap: what was read of this time is not remembered any more";
            return Ok(Err(Rule(forgotten.to_owned())));
        }
        let (cohort, members) = cohort_of(group);
        let value = Value {
            cohort,
            sum_mw: u64::try_from(group.group().sum_mw).unwrap_or(u64::MAX),
        };
        match self.same(group.interval, value) {
            Some(true) => return Ok(Ok(())),
            Some(false) => return Ok(Err(changed())),
            None => {}
        }
        let earlier = match self.earlier(work, group.interval, cohort).await? {
            Ok(earlier) => earlier,
            Err(rule) => return Ok(Err(rule)),
        };
        let parts = match parts::judge(self.profile, &group.members, earlier.as_earlier()) {
            Ok(parts) => parts.into(),
            Err(rule) => return Ok(Err(rule)),
        };
        self.note(
            members,
            NewValue {
                interval: group.interval,
                value,
                judged_against: Arc::new(earlier.names),
                beside: earlier.beside,
                parts,
            },
        );
        Ok(Ok(()))
    }

    /// What was told by all that was judged.
    #[must_use]
    pub fn into_told(self) -> Told {
        self.told
    }

    /// Whether the same cohort's value of this very interval was told: none if not, else whether it was
    /// the same.
    fn same(&self, interval: Interval, value: Value) -> Option<bool> {
        let told = self.values.at(interval).iter();
        let mut of_cohort = told.filter(|told| told.cohort == value.cohort);
        of_cohort.next().map(|told| told.sum_mw == value.sum_mw)
    }

    /// What was told for overlapping times, of other cohorts than `own`.
    async fn earlier(
        &mut self,
        work: &mut Work,
        interval: Interval,
        own: CohortId,
    ) -> Result<Result<Around, Rule>, work::Error> {
        let mut names: Vec<CohortId> = self
            .values
            .at(interval)
            .iter()
            .map(|told| told.cohort)
            .collect();
        let mut around = Around {
            names: names.iter().copied().collect(),
            beside: names.len(),
            parts: self.values.parts_at(interval),
            ..Around::default()
        };
        for (at, value) in self.values.overlapping(interval, self.meta.longest_ms) {
            around.has_others |= at != interval && value.cohort != own;
            if around.names.insert(value.cohort) && value.cohort != own {
                names.push(value.cohort);
            }
        }
        let mut members = 0;
        for name in names {
            let cohort = self.cohort(work, name).await?;
            members += cohort.len();
            around.cohorts.push(cohort);
            if around.cohorts.len() > EARLIER_MAX || members > EARLIER_MEMBERS_MAX {
                return Ok(Err(too_many()));
            }
        }
        Ok(Ok(around))
    }

    async fn cohort(&mut self, work: &mut Work, id: CohortId) -> Result<Cohort, work::Error> {
        if let Some(known) = self.told.cohorts.get(&id).or_else(|| self.cohorts.get(&id)) {
            return Ok(known.clone());
        }
        let cohort = self.shelf.cohort(work, id).await?;
        self.cohorts.insert(id, cohort.clone());
        Ok(cohort)
    }

    fn note(&mut self, members: Cohort, new: NewValue) {
        let length_ms = new.interval.ends_at_ms - new.interval.starts_at_ms;
        self.meta.longest_ms = self.meta.longest_ms.max(length_ms);
        self.values.add(&new);
        self.told.cohorts.insert(new.value.cohort, members);
        self.told.values.push(new);
    }
}

/// What was told around an interval.
#[derive(Default)]
struct Around {
    names: BTreeSet<CohortId>,
    cohorts: Vec<Cohort>,
    beside: usize,
    parts: Arc<[Part]>,
    has_others: bool,
}

impl Around {
    fn as_earlier(&self) -> Earlier<'_> {
        Earlier {
            cohorts: &self.cohorts,
            beside: self.beside,
            parts: &self.parts,
            has_others: self.has_others,
        }
    }
}

fn too_many() -> Rule {
    Rule("overlap: too many different groups were read of this time".to_owned())
}

fn changed() -> Rule {
    Rule("overlap: the value of these households was read before and has changed since".to_owned())
}
