//! Rows as they were sent, in CSV or JSON, read into typed rows. Every fault of a row is noted by its
//! number and field; a row with a fault is left out. It knows no state and no registry.

mod csv;
mod json;

use std::borrow::Cow;

use leyden_sdk::http::ProblemKind;
use leyden_sdk::rows::{Batch, Format};
use leyden_sdk::series::Interval;
use leyden_sdk::time;

use crate::energy;
use crate::faults::Faults;

/// The names of the columns or members, in the order of [`Texts`].
pub(crate) const FIELDS: [&str; 5] = ["household", "startsAt", "endsAt", "kind", "energyWh"];

/// The longest household name, characters; as everywhere names are taken.
const HOUSEHOLD_CHARS_MAX: usize = 200;
/// The shortest interval, ms: meters do not sample faster than once a second.
const INTERVAL_MS_MIN: u64 = 1_000;

const INSTANT_RULE: &str = "must be an RFC 3339 instant from 1970 on, such as 2013-06-30T14:00:00Z";

/// A row's fields as text, in the order of [`FIELDS`].
type Texts<'a> = [Cow<'a, str>; FIELDS.len()];

/// Which way energy went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Drawn by the house.
    Consumption,
    /// Produced by the house.
    Production,
}

impl Kind {
    /// Its name in rows and keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Consumption => "consumption",
            Self::Production => "production",
        }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Consumption, Self::Production]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What one meter saw in one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Its number in the upload, from 1.
    pub(crate) number: u64,
    /// The household's name or the house's id.
    pub(crate) household: Cow<'a, str>,
    /// When.
    pub(crate) interval: Interval,
    /// Which way.
    pub(crate) kind: Kind,
    /// How much, µJ.
    pub(crate) energy_uj: u64,
}

/// Reads a batch; blank rows are passed over.
pub(crate) fn read<'a>(batch: &'a Batch, faults: &mut Faults) -> Vec<Row<'a>> {
    match batch.format {
        Format::Csv => read_csv(batch, faults),
        Format::Ndjson | Format::Json => read_each(batch, faults, json::texts),
    }
}

fn read_csv<'a>(batch: &'a Batch, faults: &mut Faults) -> Vec<Row<'a>> {
    let header = batch.header.as_deref().unwrap_or_default();
    let Some(mut lines) = csv::Lines::new(header, faults) else {
        return Vec::new();
    };
    read_each(batch, faults, |bytes, number, faults| {
        lines.texts(bytes, number, faults)
    })
}

fn read_each<'a>(
    batch: &'a Batch,
    faults: &mut Faults,
    mut texts: impl FnMut(&'a [u8], u64, &mut Faults) -> Option<Texts<'a>>,
) -> Vec<Row<'a>> {
    let mut rows = Vec::with_capacity(batch.rows.len());
    for (number, bytes) in (batch.first_row..).zip(&batch.rows) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let fields = texts(bytes, number, faults);
        rows.extend(fields.and_then(|fields| interpret(fields, number, faults)));
    }
    rows
}

/// Checks every field, so that all faults of a row are told at once.
fn interpret<'a>(texts: Texts<'a>, number: u64, faults: &mut Faults) -> Option<Row<'a>> {
    let [household, starts_at, ends_at, kind, energy_wh] = texts;
    let mut check = |field: &str, rule: &str| faults.add(number, ProblemKind::Invalid, field, rule);
    let household = note(household_of(household), "household", &mut check);
    let starts_at_ms = note(
        time::parse_ms(&starts_at).ok_or(INSTANT_RULE),
        "startsAt",
        &mut check,
    );
    let ends_at_ms = note(
        time::parse_ms(&ends_at).ok_or(INSTANT_RULE),
        "endsAt",
        &mut check,
    );
    let kind = Kind::named(&kind).ok_or("must be `consumption` or `production`");
    let kind = note(kind, "kind", &mut check);
    let energy_uj = note(energy::parse_wh(&energy_wh), "energyWh", &mut check);
    let interval = note(
        interval_of(starts_at_ms?, ends_at_ms?),
        "endsAt",
        &mut check,
    );
    Some(Row {
        number,
        household: household?,
        interval: interval?,
        kind: kind?,
        energy_uj: energy_uj?,
    })
}

fn note<T>(result: Result<T, &str>, field: &str, check: &mut impl FnMut(&str, &str)) -> Option<T> {
    result.map_err(|rule| check(field, rule)).ok()
}

fn household_of(name: Cow<'_, str>) -> Result<Cow<'_, str>, &'static str> {
    if name.trim().is_empty() {
        Err("must not be empty")
    } else if name.chars().count() > HOUSEHOLD_CHARS_MAX {
        Err("must not be longer than 200 characters")
    } else {
        Ok(name)
    }
}

fn interval_of(starts_at_ms: u64, ends_at_ms: u64) -> Result<Interval, &'static str> {
    let interval = Interval::new(starts_at_ms, ends_at_ms)?;
    if interval.length_ms() < INTERVAL_MS_MIN {
        return Err("must be at least 1 s after `startsAt`");
    }
    Ok(interval)
}

#[cfg(test)]
mod tests;
