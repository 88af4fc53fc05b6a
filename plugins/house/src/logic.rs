//! The rules of houses without their state: what may be plugged in, what a step of a tick covers,
//! what a meter reads. Pure.

use crate::object::{HOUR_MS, Kind, Object, Power, SLOTS_MAX, Slot, WATT_MW};
use leyden_sdk::grid::devices::PlannedSlot;
use leyden_sdk::grid::events::{Interval, ObjectReading, Reading};
use leyden_sdk::http::Params;
use leyden_sdk::{Error, Result};

/// Objects a house may have: ample for a home, and the reading of a house stays one small record.
pub(crate) const OBJECTS_MAX: usize = 256;

/// Bytes that a house's objects may take, names and slots included (32 KiB): 500 houses of a step
/// then stay far below the budget of an invocation.
pub(crate) const HOUSE_BYTES_MAX: usize = 32 << 10;

/// Highest power of one object, W: 10 MW, a wind turbine.
pub(crate) const POWER_W_MAX: f64 = 10_000_000.0;

/// Hours a scheduled object runs unless it says otherwise (scenario 2).
const CHARGE_HOURS_DEFAULT: f64 = 5.0;

/// Longest charging time, hours: a week.
const CHARGE_HOURS_MAX: f64 = 168.0;

/// Houses of one step of a tick: one transaction.
pub(crate) const STEP_HOUSES: usize = 500;

/// Bytes of state that one step covers at most; its readings take about three times as many.
pub(crate) const STEP_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(
    HOUSE_BYTES_MAX < STEP_BYTES_MAX,
    "a step covers at least one house"
);
const _: () = assert!(
    SLOTS_MAX <= u8::MAX as usize,
    "the number of slots is stored in a byte"
);

/// The object that a request to plug one in describes.
pub(crate) fn parse_object(params: &Params) -> Result<Object> {
    let kind = params.string("type")?;
    let object = params.object("object")?;
    let name = object.name("name")?;
    let kind = match kind.as_str() {
        "BASIC" => parse_basic(&object)?,
        "SCHEDULED" => parse_scheduled(&object)?,
        _ => return Err(params.invalid("type", "must be BASIC or SCHEDULED")),
    };
    Ok(Object { name, kind })
}

fn parse_basic(object: &Params) -> Result<Kind> {
    let consumption_mw = object.optional("maxConsumption", power_mw)?;
    let production_mw = object.optional("maxProduction", power_mw)?;
    if consumption_mw.is_none() && production_mw.is_none() {
        return Err(object.invalid("maxConsumption", "or `maxProduction` is required"));
    }
    let enabled = object.optional("enabled", Params::bool)?.unwrap_or(true);
    Ok(Kind::Basic {
        enabled,
        consumption_mw: consumption_mw.unwrap_or(0),
        production_mw: production_mw.unwrap_or(0),
    })
}

fn parse_scheduled(object: &Params) -> Result<Kind> {
    if object
        .optional("maxProduction", power_mw)?
        .is_some_and(|power| power > 0)
    {
        return Err(object.invalid(
            "maxProduction",
            "must be absent: a SCHEDULED object does not produce",
        ));
    }
    let consumption_mw = power_mw(object, "maxConsumption")?;
    if consumption_mw == 0 {
        return Err(object.invalid(
            "maxConsumption",
            "must be more than 0: there would be nothing to schedule",
        ));
    }
    let charge_ms = object.optional("timeChargeNeed", charge_ms)?;
    let charge_ms = charge_ms.unwrap_or((CHARGE_HOURS_DEFAULT * HOUR_MS) as u64);
    Ok(Kind::Scheduled {
        consumption_mw,
        charge_ms,
        slots: Vec::new(),
    })
}

/// Watts in a request, as mW.
fn power_mw(object: &Params, name: &str) -> Result<u64> {
    let power_w = object.f64_within(name, 0.0, POWER_W_MAX)?;
    Ok((power_w * WATT_MW).round() as u64)
}

/// Hours in a request, as ms.
fn charge_ms(object: &Params, name: &str) -> Result<u64> {
    let charge_ms = (object.f64_within(name, 0.0, CHARGE_HOURS_MAX)? * HOUR_MS).round() as u64;
    if charge_ms == 0 {
        Err(object.invalid(name, "must be more than 0"))
    } else {
        Ok(charge_ms)
    }
}

/// Plugs an object in.
pub(crate) fn add(objects: &mut Vec<Object>, object: Object) -> Result<()> {
    if objects.iter().any(|other| other.name == object.name) {
        return Err(Error::conflict(
            "object.name",
            "already names an object of this house",
        ));
    }
    if objects.len() >= OBJECTS_MAX {
        return Err(Error::conflict(
            "object",
            format!("is one too many: a house has at most {OBJECTS_MAX}"),
        ));
    }
    objects.push(object);
    Ok(())
}

/// Unplugs an object.
pub(crate) fn remove(objects: &mut Vec<Object>, name: &str) -> Result<()> {
    let at = objects.iter().position(|object| object.name == name);
    objects.remove(at.ok_or_else(|| unknown_object(name))?);
    Ok(())
}

/// Enables or disables a BASIC object.
pub(crate) fn enable(objects: &mut [Object], name: &str, on: bool) -> Result<()> {
    match &mut find(objects, name)?.kind {
        Kind::Basic { enabled, .. } => *enabled = on,
        Kind::Scheduled { .. } => {
            return Err(Error::invalid(
                "enabled",
                "applies to BASIC objects only: a SCHEDULED one follows its slots",
            ));
        }
    }
    Ok(())
}

/// The object of this name.
pub(crate) fn find<'a>(objects: &'a mut [Object], name: &str) -> Result<&'a mut Object> {
    objects
        .iter_mut()
        .find(|object| object.name == name)
        .ok_or_else(|| unknown_object(name))
}

/// 404 for a name that no object of the house has.
pub(crate) fn unknown_object(name: &str) -> Error {
    Error::not_found("objectName", format!("The house has no object `{name}`."))
}

/// A slot as it is stored; none where it has no length or no power that an object could have.
pub(crate) fn stored_slot(planned: &PlannedSlot) -> Option<Slot> {
    let Interval {
        starts_at_ms,
        ends_at_ms,
    } = planned.interval;
    let in_range = (0.0..=POWER_W_MAX).contains(&planned.power_w);
    let power_mw = if in_range {
        (planned.power_w * WATT_MW).round() as u64
    } else {
        0
    };
    (starts_at_ms < ends_at_ms && power_mw > 0).then_some(Slot {
        starts_at_ms,
        ends_at_ms,
        power_mw,
    })
}

/// How many of the houses read, by the bytes of their records, one step covers. One house more is
/// read than a step covers, to see which house closes its community.
pub(crate) fn step_len(record_bytes: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0;
    let fits = |bytes: &usize| {
        sum += bytes;
        sum <= STEP_BYTES_MAX
    };
    record_bytes.take(STEP_HOUSES).take_while(fits).count()
}

/// What the meter of a house reads over an interval: power at its start times its length.
pub(crate) fn reading(
    house: &str,
    community: u64,
    objects: &[Object],
    interval: Interval,
) -> Reading {
    let length_ms = interval.ends_at_ms - interval.starts_at_ms;
    let energy =
        |object: &Object| object_reading(object, object.power_at(interval.starts_at_ms), length_ms);
    let objects_read: Vec<_> = objects.iter().map(energy).collect();
    let sum = |part: fn(&ObjectReading) -> u64| {
        objects_read.iter().map(part).fold(0, u64::saturating_add)
    };
    let production_uj = sum(|object| object.production_uj);
    Reading {
        house: house.to_owned(),
        community,
        interval,
        consumption_uj: Some(sum(|object| object.consumption_uj)),
        production_uj: objects
            .iter()
            .any(Object::is_producer)
            .then_some(production_uj),
        objects: objects_read,
        closes: false,
    }
}

/// 1 mW for 1 ms is 1 µJ. The highest power over the longest tick (a day) fits.
fn object_reading(object: &Object, power: Power, length_ms: u64) -> ObjectReading {
    ObjectReading {
        name: object.name.clone(),
        consumption_uj: power.consumption_mw.saturating_mul(length_ms),
        production_uj: power.production_mw.saturating_mul(length_ms),
    }
}

#[cfg(test)]
#[path = "logic_tests.rs"]
mod tests;
