//! Reads: powers at an instant, energy over a time, one house. "No data" is `None`, never 0.

use super::aggregate::{Aggregate, mean_mw};
use super::batch::{Slot, read_aggregate};
use super::row::Row;
use super::totals::{containing, intervals_between};
use super::{Interval, Result, State, keys};

/// The most different intervals that may contain one instant and still be summed.
pub(super) const INTERVALS_AT_MAX: usize = 1_000;
/// The most intervals that [`energy`] sums.
pub(super) const ENERGY_INTERVALS_MAX: usize = 10_000;
/// The most index entries looked at for one instant: a day of one-second intervals and as many again.
pub(super) const INDEX_MAX: usize = 200_000;

/// Mean powers, mW, summed over the intervals of every length that contain an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// Drawn; none where nothing was measured.
    pub consumption_mw: Option<u64>,
    /// Produced; none where nothing was measured.
    pub production_mw: Option<u64>,
}

impl Power {
    /// What a row says of its interval.
    pub(super) fn of(row: &Row<'_>, interval: Interval) -> Self {
        let mean = |energy_uj: u64| mean_mw(energy_uj.into(), interval.length_ms());
        Self {
            consumption_mw: row.consumption_uj.map(mean),
            production_mw: row.production_uj.map(mean),
        }
    }

    fn add(&mut self, interval: Interval, aggregate: &Aggregate) {
        let length_ms = interval.length_ms();
        add(
            &mut self.consumption_mw,
            aggregate.consumption.mean_mw(length_ms),
        );
        add(
            &mut self.production_mw,
            aggregate.production.mean_mw(length_ms),
        );
    }
}

fn add(sum: &mut Option<u64>, power_mw: Option<u64>) {
    if let Some(power_mw) = power_mw {
        *sum = Some(sum.unwrap_or(0).saturating_add(power_mw));
    }
}

/// All intervals recorded that contain an instant, with the sums of all houses.
///
/// # Errors
/// The state cannot be read, or too many intervals contain the instant.
pub fn intervals_at(state: &impl State, at_ms: u64) -> Result<Vec<(Interval, Aggregate)>> {
    let found = containing(state, at_ms, INTERVALS_AT_MAX, INDEX_MAX)?;
    Ok(found.into_iter().collect())
}

/// The sums of one community in one interval; none where nothing is recorded.
///
/// # Errors
/// The state cannot be read.
pub fn aggregate_of(state: &impl State, slot: Slot) -> Result<Option<Aggregate>> {
    read_aggregate(state, &keys::community(slot))
}

/// Mean powers of all houses at an instant.
///
/// # Errors
/// As [`intervals_at`].
pub fn total_at(state: &impl State, at_ms: u64) -> Result<Power> {
    let mut power = Power::default();
    for (interval, aggregate) in intervals_at(state, at_ms)? {
        power.add(interval, &aggregate);
    }
    Ok(power)
}

/// Mean powers of a community at an instant.
///
/// # Errors
/// As [`intervals_at`].
pub fn community_at(state: &impl State, at_ms: u64, community: u64) -> Result<Power> {
    let mut power = Power::default();
    for (interval, _) in intervals_at(state, at_ms)? {
        let key = keys::community(Slot {
            interval,
            community,
        });
        if let Some(aggregate) = read_aggregate(state, &key)? {
            power.add(interval, &aggregate);
        }
    }
    Ok(power)
}

/// Sums over the intervals that lie whole in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Energy {
    /// Energy drawn, µJ; none where nothing was measured.
    pub consumption_uj: Option<u128>,
    /// Energy produced, µJ; none where nothing was measured.
    pub production_uj: Option<u128>,
    /// Intervals with data.
    pub intervals: u32,
    /// The interval with the highest mean power drawn (the earliest of equals), and that power, mW.
    pub highest: Option<(Interval, u64)>,
}

impl Energy {
    fn add(&mut self, interval: Interval, aggregate: &Aggregate) {
        self.intervals += 1;
        for (sum, part) in [
            (
                &mut self.consumption_uj,
                aggregate.consumption.measured_uj(),
            ),
            (&mut self.production_uj, aggregate.production.measured_uj()),
        ] {
            if let Some(part) = part {
                *sum = Some(sum.unwrap_or(0).saturating_add(part));
            }
        }
        let power_mw = aggregate.consumption.mean_mw(interval.length_ms());
        if let Some(power_mw) =
            power_mw.filter(|power| self.highest.is_none_or(|(_, most)| *power > most))
        {
            self.highest = Some((interval, power_mw));
        }
    }
}

/// Energy of all houses, or of one community, over the intervals that lie whole in `[from_ms, to_ms)`.
///
/// # Errors
/// The state cannot be read, or more than 10,000 intervals start in that time.
pub fn energy(
    state: &impl State,
    from_ms: u64,
    to_ms: u64,
    community: Option<u64>,
) -> Result<Energy> {
    let mut energy = Energy::default();
    for (interval, total) in intervals_between(state, from_ms, to_ms, ENERGY_INTERVALS_MAX)? {
        if interval.ends_at_ms > to_ms {
            continue;
        }
        let aggregate = match community {
            None => Some(total),
            Some(community) => aggregate_of(
                state,
                Slot {
                    interval,
                    community,
                },
            )?,
        };
        if let Some(aggregate) = aggregate {
            energy.add(interval, &aggregate);
        }
    }
    Ok(energy)
}

/// Mean power that an object drew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPower {
    /// Its name.
    pub name: String,
    /// Mean power, mW.
    pub consumption_mw: u64,
}

/// A house in an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseAt {
    /// The house.
    pub house: String,
    /// Its community.
    pub community: u64,
    /// The interval.
    pub interval: Interval,
    /// Mean powers.
    pub power: Power,
    /// Power drawn per object, where objects are known.
    pub objects: Vec<ObjectPower>,
}

impl HouseAt {
    pub(super) fn new(house: &str, slot: Slot, row: &Row<'_>) -> Result<Self> {
        let Slot {
            interval,
            community,
        } = slot;
        let object = |object: Result<(&str, u64)>| {
            let (name, energy_uj) = object?;
            Ok(ObjectPower {
                name: name.to_owned(),
                consumption_mw: mean_mw(energy_uj.into(), interval.length_ms()),
            })
        };
        Ok(Self {
            house: house.to_owned(),
            community,
            interval,
            power: Power::of(row, interval),
            objects: row.objects().map(object).collect::<Result<_>>()?,
        })
    }
}

/// What is recorded of one house at an instant: one element per interval that contains it, mostly one
/// or none.
///
/// # Errors
/// As [`intervals_at`].
pub fn house_at(
    state: &impl State,
    at_ms: u64,
    community: u64,
    house: &str,
) -> Result<Vec<HouseAt>> {
    let mut found = Vec::new();
    for (interval, _) in intervals_at(state, at_ms)? {
        let slot = Slot {
            interval,
            community,
        };
        if let Some(bytes) = state.get(&keys::row(slot, house))? {
            found.push(HouseAt::new(house, slot, &Row::decode(&bytes)?)?);
        }
    }
    Ok(found)
}
