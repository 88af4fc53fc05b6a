//! Records a batch of measurements: every row is upserted as it comes, sums are carried in memory and
//! each is written once at the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::aggregate::Aggregate;
use super::reading::ObjectReading;
use super::row::{Row, encode_objects};
use super::totals::Totals;
use super::{Interval, Result, State, keys};

/// One interval of one community, ordered by time first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The interval.
    pub interval: Interval,
    /// The community.
    pub community: u64,
}

/// What is to be recorded of one house in one interval.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// Where it belongs.
    pub slot: Slot,
    /// The house.
    pub house: &'a str,
    /// Energy drawn, µJ; none leaves what is recorded as it is.
    pub consumption_uj: Option<u64>,
    /// Energy produced, µJ; none leaves what is recorded as it is.
    pub production_uj: Option<u64>,
    /// Objects that make up the consumption.
    pub objects: &'a [ObjectReading<'a>],
}

/// A slot that a batch named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub slot: Slot,
    /// Its sums now.
    pub aggregate: Aggregate,
    /// Whether the batch changed them.
    pub changed: bool,
}

/// A community's sums before and within the batch.
#[derive(Clone, Copy, Debug)]
struct Group {
    stored: Option<Aggregate>,
    now: Aggregate,
    /// Whether a measurement names it; otherwise it was only read ahead.
    is_named: bool,
}

/// Measurements of one batch of a partition. Nothing of its sums is in the state before [`Batch::finish`].
#[derive(Debug, Default)]
pub struct Batch<'a> {
    partition: u32,
    groups: BTreeMap<Slot, Group>,
    /// Rows written in groups that are new: no other row of such a group exists, so none is looked up.
    written: HashSet<(Slot, &'a str)>,
    objects: Vec<u8>,
    row: Vec<u8>,
}

impl<'a> Batch<'a> {
    /// For records of this partition.
    #[must_use]
    pub fn new(partition: u32) -> Self {
        Self {
            partition,
            ..Self::default()
        }
    }

    /// Reads what recording these measurements will need, in two goes: the sums of their slots and the keys
    /// in `also`, then the rows of slots that have some.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn prefetch(
        &mut self,
        state: &impl State,
        also: Vec<Vec<u8>>,
        measurements: impl Iterator<Item = Measurement<'a>> + Clone,
    ) -> Result<()> {
        let slots: BTreeSet<Slot> = measurements.clone().map(|one| one.slot).collect();
        let intervals: BTreeSet<Interval> = slots.iter().map(|slot| slot.interval).collect();
        let mut keys = also;
        keys.push(keys::longest(self.partition));
        keys.extend(
            intervals
                .iter()
                .map(|one| keys::total(self.partition, *one)),
        );
        keys.extend(slots.iter().map(|slot| keys::community(*slot)));
        state.prefetch(&keys)?;
        for slot in slots {
            load(&mut self.groups, state, slot)?;
        }
        let is_known = |one: &Measurement<'a>| {
            let group = self.groups.get(&one.slot);
            group.is_some_and(|group| group.stored.is_some())
        };
        let rows = measurements.filter(is_known);
        let keys: Vec<_> = rows.map(|one| keys::row(one.slot, one.house)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        state.prefetch(&keys)
    }

    /// Records one measurement; one that measured nothing leaves no row.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn record(&mut self, state: &mut impl State, measurement: &Measurement<'a>) -> Result<()> {
        let Measurement {
            slot,
            house,
            consumption_uj,
            production_uj,
            objects,
        } = *measurement;
        if consumption_uj.is_none() && production_uj.is_none() {
            return Ok(());
        }
        let group = load(&mut self.groups, state, slot)?;
        group.is_named = true;
        let is_new = group.stored.is_none() && self.written.insert((slot, house));
        let key = keys::row(slot, house);
        let former = if is_new { None } else { state.get(&key)? };
        let former_row = former.as_deref().map(Row::decode).transpose()?;
        encode_objects(objects, &mut self.objects);
        let later = Row::new(consumption_uj, production_uj, &self.objects);
        let row = former_row.map_or(later, |row| row.replaced_by(later));
        row.encode(&mut self.row);
        if former.as_deref() != Some(&self.row) {
            group.now.swap(
                &former_row.map_or_else(Aggregate::default, |row| row.share()),
                &row.share(),
            )?;
            state.set(&key, &self.row)?;
        }
        Ok(())
    }

    /// Marks a slot as closed, if it has data.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn close(&mut self, state: &impl State, slot: Slot) -> Result<()> {
        let group = load(&mut self.groups, state, slot)?;
        group.is_named = true;
        group.now.closed = group.now.houses > 0;
        Ok(())
    }

    /// Writes the sums that changed and returns all slots named, in order of time, then community.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn finish(self, state: &mut impl State) -> Result<Vec<Touched>> {
        let mut totals = Totals::new(self.partition);
        let mut touched = Vec::with_capacity(self.groups.len());
        for (slot, Group { stored, now, .. }) in self.groups.into_iter().filter(is_named) {
            let before = stored.unwrap_or_default();
            let changed = now != before;
            touched.push(Touched {
                slot,
                aggregate: now,
                changed,
            });
            if changed {
                state.set(&keys::community(slot), &now.encode())?;
                totals.swap(slot.interval, &before, &now)?;
            }
        }
        totals.write(state)?;
        Ok(touched)
    }
}

fn is_named((_, group): &(Slot, Group)) -> bool {
    group.is_named
}

fn load<'g>(
    groups: &'g mut BTreeMap<Slot, Group>,
    state: &impl State,
    slot: Slot,
) -> Result<&'g mut Group> {
    use std::collections::btree_map::Entry;
    match groups.entry(slot) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let stored = read_aggregate(state, &keys::community(slot))?;
            Ok(entry.insert(Group {
                stored,
                now: stored.unwrap_or_default(),
                is_named: false,
            }))
        }
    }
}

/// The aggregate under `key`.
pub(super) fn read_aggregate(state: &impl State, key: &[u8]) -> Result<Option<Aggregate>> {
    state
        .get(key)?
        .as_deref()
        .map(Aggregate::decode)
        .transpose()
}
