//! What a batch of readings does: rows and sums, the balances to tell of, removal of what is too
//! old. It decides nothing about peaks or autarky and knows no host: state comes as a trait.
//!
//! Each sum and each community's record is read and written once per batch, however many readings
//! touch it; a reading costs one row.

use std::collections::{BTreeMap, BTreeSet};

use leyden_sdk::grid::events::Balance;
use leyden_sdk::series::{
    self, Aggregate, Batch, HouseAt, HousePage, Interval, Power, Reading, Slot, Span, State, Sweep,
    Touched, aggregate_of, community_at, houses_between, keys,
};

use crate::latest::Latest;

type Result<T, E = series::Error> = std::result::Result<T, E>;

/// What a batch leads to.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Balances to publish, in order of time, then community.
    pub(crate) balances: Vec<Balance>,
    /// Readings that were left out, for they are older than what is kept of their community.
    pub(crate) expired: usize,
}

/// A community's record before and within a batch.
struct Community {
    stored: Vec<u8>,
    latest: Latest,
    oldest_ms: u64,
    newest_ms: u64,
    touched: Vec<Touched>,
}

impl Community {
    fn load(state: &impl State, partition: u32, reading: &Reading<'_>) -> Result<Self> {
        let starts_at_ms = reading.interval.starts_at_ms;
        let stored = state
            .get(&latest_key(reading.community))?
            .unwrap_or_default();
        let latest = if stored.is_empty() {
            Latest::first(starts_at_ms, partition)
        } else {
            Latest::decode(&stored)?
        };
        Ok(Self {
            stored,
            latest,
            oldest_ms: starts_at_ms,
            newest_ms: starts_at_ms,
            touched: Vec::new(),
        })
    }

    fn begin(&mut self, starts_at_ms: u64) {
        self.latest.begin(starts_at_ms);
        self.oldest_ms = self.oldest_ms.min(starts_at_ms);
        self.newest_ms = self.newest_ms.max(starts_at_ms);
    }

    fn save(&self, state: &mut impl State, id: u64) -> Result<()> {
        let bytes = self.latest.encode();
        if bytes == self.stored {
            Ok(())
        } else {
            state.set(&latest_key(id), &bytes)
        }
    }
}

/// Records a batch of a partition's readings.
///
/// # Errors
/// The state cannot be read or written.
pub(crate) fn apply(
    state: &mut impl State,
    partition: u32,
    readings: &[Reading<'_>],
) -> Result<Applied> {
    let mut communities = BTreeMap::new();
    let mut batch = Batch::new(partition);
    let ids: BTreeSet<u64> = readings.iter().map(|reading| reading.community).collect();
    let records = ids.into_iter().map(latest_key).collect();
    batch.prefetch(state, records, readings.iter().map(Reading::measurement))?;
    let mut expired = 0;
    for reading in readings {
        let starts_at_ms = reading.interval.starts_at_ms;
        let community = community_of(&mut communities, state, partition, reading)?;
        if community.latest.kept.is_expired(starts_at_ms) {
            expired += 1;
            continue;
        }
        community.begin(starts_at_ms);
        batch.record(state, &reading.measurement())?;
        if reading.closes {
            batch.close(state, reading.slot())?;
        }
    }
    let touched = batch.finish(state)?;
    let balances = judge(state, &mut communities, &touched)?;
    tidy(state, partition, communities)?;
    Ok(Applied { balances, expired })
}

fn community_of<'c>(
    communities: &'c mut BTreeMap<u64, Community>,
    state: &impl State,
    partition: u32,
    reading: &Reading<'_>,
) -> Result<&'c mut Community> {
    use std::collections::btree_map::Entry;
    match communities.entry(reading.community) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let community = Community::load(state, partition, reading)?;
            Ok(entry.insert(community))
        }
    }
}

fn judge(
    state: &impl State,
    communities: &mut BTreeMap<u64, Community>,
    touched: &[Touched],
) -> Result<Vec<Balance>> {
    let mut sums = BTreeMap::new();
    for one in touched {
        sums.insert(one.slot, one.aggregate);
        if let Some(community) = communities.get_mut(&one.slot.community) {
            community.touched.push(*one);
        }
    }
    let mut slots = Vec::new();
    for (id, community) in communities {
        let told = community.latest.judge(&community.touched);
        slots.extend(told.into_iter().map(|(interval, is_closed)| {
            let slot = Slot {
                interval,
                community: *id,
            };
            (slot, is_closed)
        }));
    }
    slots.sort_unstable();
    let mut balances = Vec::with_capacity(slots.len());
    for (slot, is_closed) in slots {
        let known = sums.get(&slot).copied();
        let sum = if known.is_some() {
            known
        } else {
            aggregate_of(state, slot)?
        };
        balances.extend(sum.map(|sum| balance(slot, &sum, is_closed)));
    }
    Ok(balances)
}

fn balance(slot: Slot, sum: &Aggregate, is_closed: bool) -> Balance {
    let length_ms = slot.interval.length_ms();
    Balance {
        community: slot.community,
        interval: slot.interval.into(),
        consumption_mw: sum.consumption.mean_mw(length_ms),
        production_mw: sum.production.mean_mw(length_ms),
        houses: sum.houses,
        closed: is_closed,
    }
}

/// Removes what has become too old and saves the communities' records.
fn tidy(
    state: &mut impl State,
    partition: u32,
    communities: BTreeMap<u64, Community>,
) -> Result<()> {
    let mut sweep = Sweep::new(partition);
    for (id, mut community) in communities {
        let (oldest_ms, newest_ms) = (community.oldest_ms, community.newest_ms);
        let kept = &mut community.latest.kept;
        kept.advance(oldest_ms, newest_ms);
        sweep.run(state, id, kept)?;
        community.save(state, id)?;
    }
    Ok(())
}

/// Mean power drawn in a community's latest closed interval, mW, over meters of every interval length;
/// none without data.
///
/// # Errors
/// The state cannot be read.
pub(crate) fn latest_consumption_mw(state: &impl State, community: u64) -> Result<Option<u64>> {
    let Some(bytes) = state.get(&latest_key(community))? else {
        return Ok(None);
    };
    let closed: Option<Interval> = Latest::decode(&bytes)?.closed;
    let power = closed
        .map(|interval| community_at(state, interval.ends_at_ms.saturating_sub(1), community));
    Ok(power
        .transpose()?
        .and_then(|power: Power| power.consumption_mw))
}

/// One page of what houses drew, and which intervals are still open in the communities of the page.
///
/// # Errors
/// The state cannot be read, or too many intervals contain one instant.
pub(crate) fn drawn_between(
    state: &impl State,
    span: &Span<'_>,
) -> Result<(HousePage, BTreeMap<u64, Latest>)> {
    let page = houses_between(state, span, |row| row.consumption_uj.is_some())?;
    let ids: BTreeSet<u64> = page.rows.iter().map(|row| row.community).collect();
    let keys: Vec<_> = ids.iter().map(|id| latest_key(*id)).collect();
    state.prefetch(&keys)?;
    let mut communities = BTreeMap::new();
    for (id, key) in ids.into_iter().zip(&keys) {
        if let Some(bytes) = state.get(key)? {
            communities.insert(id, Latest::decode(&bytes)?);
        }
    }
    Ok((page, communities))
}

/// The house was measured, but it has no such object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownObject;

/// Mean power, mW, that a house drew, or one of its objects; none where nothing was measured.
///
/// # Errors
/// [`UnknownObject`] where the house was measured without the object.
pub(crate) fn detailed_mw(
    rows: &[HouseAt],
    object: Option<&str>,
) -> Result<Option<u64>, UnknownObject> {
    let Some(object) = object else {
        return Ok(sum(rows.iter().filter_map(|row| row.power.consumption_mw)));
    };
    let objects = rows
        .iter()
        .flat_map(|row| &row.objects)
        .filter(|one| one.name == object);
    match sum(objects.map(|one| one.consumption_mw)) {
        None if !rows.is_empty() => Err(UnknownObject),
        power_mw => Ok(power_mw),
    }
}

fn sum(powers_mw: impl Iterator<Item = u64>) -> Option<u64> {
    powers_mw.reduce(u64::saturating_add)
}

fn latest_key(community: u64) -> Vec<u8> {
    keys::numbered(b'l', &[community])
}

#[cfg(test)]
mod tests;
