//! Records a batch of measurements: every row is upserted as it comes, sums are carried in memory and
//! each is written once at the end.

use std::collections::{BTreeMap, HashSet};

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
        for (slot, Group { stored, now }) in self.groups {
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
