//! What a batch of rows does: each is compared with what was taken in before; what is new or corrected
//! becomes readings. All rows are taken in or none. The registry is asked by the caller, the state comes
//! as a trait.
//!
//! Rows of one interval in one batch are taken in order: the same again is unchanged, another value
//! corrects the one before, and the last one is what is told.

use std::collections::{BTreeMap, BTreeSet};

use leyden_sdk::grid::client_registry::House;
use leyden_sdk::grid::events::Reading;
use leyden_sdk::http::ProblemKind;
use leyden_sdk::series::{Interval, Result, State};
use leyden_sdk::time;

use crate::days::{Days, Outcome, Series, Taken};
use crate::faults::Faults;
use crate::rows::{Kind, Row};

/// How many rows of a batch came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    /// All rows.
    pub(crate) rows: u64,
    /// Intervals that were not known.
    pub(crate) new: u64,
    /// Known intervals with another energy.
    pub(crate) replaced: u64,
    /// Known intervals with the same energy.
    pub(crate) unchanged: u64,
}

/// Houses by the names that rows give them.
pub(crate) type Homes = BTreeMap<String, House>;

/// A house's new values in one interval, before they become a reading.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    consumption_uj: Option<u64>,
    production_uj: Option<u64>,
}

/// The distinct household names of a batch, in order.
pub(crate) fn names(rows: &[Row<'_>]) -> Vec<String> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.household.as_ref()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Takes in a batch; its readings are in the order of time, then community. Nothing is written where
/// there are faults, those found here included.
///
/// # Errors
/// The state cannot be read or written.
pub(crate) fn take_in(
    state: &mut impl State,
    rows: &[Row<'_>],
    homes: &Homes,
    faults: &mut Faults,
) -> Result<(Tallies, Vec<Reading>)> {
    let known = rows.iter().filter_map(|row| {
        let house = &homes.get(row.household.as_ref())?.id;
        let kind = row.kind;
        Some((Series { house, kind }, row.interval))
    });
    Days::prefetch(state, known)?;
    let mut days = Days::default();
    let mut changes = BTreeMap::new();
    let mut tallies = Tallies {
        rows: rows.len() as u64,
        ..Tallies::default()
    };
    for row in rows {
        let Some(home) = homes.get(row.household.as_ref()) else {
            let rule = "names no registered household or house";
            faults.add(row.number, ProblemKind::NotFound, "household", rule);
            continue;
        };
        let series = Series {
            house: &home.id,
            kind: row.kind,
        };
        let one = Taken {
            interval: row.interval,
            energy_uj: row.energy_uj,
        };
        match days.take(state, series, one)? {
            Outcome::Unchanged => tallies.unchanged += 1,
            Outcome::Overlap(other) => {
                faults.add(
                    row.number,
                    ProblemKind::Conflict,
                    "startsAt",
                    overlap_rule(row.kind, other),
                );
            }
            outcome => {
                let counter = if outcome == Outcome::New {
                    &mut tallies.new
                } else {
                    &mut tallies.replaced
                };
                *counter += 1;
                let slot = (row.interval, home.community, home.id.as_str());
                let values: &mut Values = changes.entry(slot).or_default();
                *values.of(row.kind) = Some(row.energy_uj);
            }
        }
    }
    if faults.is_empty() {
        days.save(state)?;
    }
    Ok((tallies, changes.into_iter().map(reading).collect()))
}

impl Values {
    fn of(&mut self, kind: Kind) -> &mut Option<u64> {
        match kind {
            Kind::Consumption => &mut self.consumption_uj,
            Kind::Production => &mut self.production_uj,
        }
    }
}

fn overlap_rule(kind: Kind, other: Interval) -> String {
    let (start, end) = (
        time::format_ms(other.starts_at_ms),
        time::format_ms(other.ends_at_ms),
    );
    format!(
        "overlaps a recorded {} interval, {start} to {end}",
        kind.name()
    )
}

/// A meter does not know when its community is complete, so its readings close nothing.
fn reading(((interval, community, house), values): ((Interval, u64, &str), Values)) -> Reading {
    Reading {
        house: house.to_owned(),
        community,
        interval: interval.into(),
        consumption_uj: values.consumption_uj,
        production_uj: values.production_uj,
        objects: Vec::new(),
        closes: false,
    }
}

#[cfg(test)]
mod tests;
