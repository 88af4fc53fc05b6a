//! Houses in state: adding them, changing their objects, planning their slots. Every change goes
//! through [`update`], which keeps the community's base load in step with the objects.

use crate::codec::{self, Place};
use crate::logic::{self, HOUSE_BYTES_MAX};
use crate::object::{self, Kind, Object, Slot, WATT_MW};
use leyden_sdk::grid::client_registry::{self, Registration};
use leyden_sdk::grid::devices::{Error as DevicesError, PlannedSlot};
use leyden_sdk::grid::scheduler::{self, Load};
use leyden_sdk::{Error, Result, state, time};

/// Length of a house's id, a UUID (bytes). Other lengths name no house.
const ID_BYTES: usize = 36;

/// Registers a house and makes room for its objects; its id. A house with a household has a real
/// meter and is not simulated.
pub(crate) fn add(registration: &Registration) -> Result<String> {
    let house = client_registry::register(registration)?;
    let place = Place {
        community: house.community,
        simulated: house.household.is_none(),
    };
    make_room(&house.id, place)?;
    Ok(house.id)
}

/// Starts the record of a house without objects.
pub(crate) fn make_room(house: &str, place: Place) -> Result<()> {
    state::set(&codec::place_key(house), &codec::encode_place(place))?;
    state::set(&codec::objects_key(place, house), &[])
}

fn place(house: &str) -> Result<Option<Place>> {
    if house.len() != ID_BYTES {
        return Ok(None);
    }
    let value = state::get(&codec::place_key(house))?;
    Ok(value.map(|value| codec::decode_place(&value).expect("state holds a place here")))
}

fn known_place(house: &str) -> Result<Place> {
    place(house)?.ok_or_else(|| Error::not_found("id", format!("No house has the id `{house}`.")))
}

/// Objects of a house.
pub(crate) fn objects(house: &str) -> Result<Vec<Object>> {
    objects_at(known_place(house)?, house)
}

fn objects_at(place: Place, house: &str) -> Result<Vec<Object>> {
    let value = state::get(&codec::objects_key(place, house))?.unwrap_or_default();
    Ok(codec::decode_objects(&value).expect("state holds objects here"))
}

/// Changes the objects of a house.
pub(crate) fn update(
    house: &str,
    change: impl FnOnce(&mut Vec<Object>) -> Result<()>,
) -> Result<()> {
    update_at(known_place(house)?, house, change)
}

fn update_at(
    place: Place,
    house: &str,
    change: impl FnOnce(&mut Vec<Object>) -> Result<()>,
) -> Result<()> {
    let mut objects = objects_at(place, house)?;
    let before_mw = base_load_mw(&objects);
    change(&mut objects)?;
    let bytes = codec::encode_objects(&objects);
    if bytes.len() > HOUSE_BYTES_MAX {
        return Err(Error::conflict(
            "object",
            format!("makes the house's objects larger than {HOUSE_BYTES_MAX} bytes"),
        ));
    }
    state::set(&codec::objects_key(place, house), &bytes)?;
    move_base_load(place.community, before_mw, base_load_mw(&objects))
}

fn base_load_mw(objects: &[Object]) -> u64 {
    objects.iter().map(Object::base_load_mw).sum()
}

fn move_base_load(community: u64, before_mw: u64, after_mw: u64) -> Result<()> {
    if before_mw == after_mw {
        return Ok(());
    }
    let key = codec::base_load_key(community);
    let sum_mw = state::get_u64(&key)?.unwrap_or(0);
    state::set_u64(&key, (sum_mw + after_mw).saturating_sub(before_mw))
}

/// The slot of a scheduled object that has not ended, or else a new one from the scheduler, with
/// the object's maximum power (mW).
pub(crate) fn request_slot(house: &str, name: &str) -> Result<(Slot, u64)> {
    let place = known_place(house)?;
    let mut objects = objects_at(place, house)?;
    let Kind::Scheduled {
        consumption_mw,
        charge_ms,
        slots,
    } = &logic::find(&mut objects, name)?.kind
    else {
        return Err(Error::invalid("objectName", "must name a SCHEDULED object"));
    };
    let now_ms = time::now_ms();
    if let Some(open) = object::open_slot(slots, now_ms) {
        return Ok((open, *consumption_mw));
    }
    let planned = scheduler::request_slot(&load(place, house, name, *consumption_mw, *charge_ms)?)?;
    let slot = logic::stored_slot(&planned)
        .ok_or_else(|| Error::Retry("The scheduler gave an empty slot.".into()))?;
    let max_mw = *consumption_mw;
    update_at(place, house, |objects| {
        add_slot(objects, name, slot, now_ms)
    })?;
    Ok((slot, max_mw))
}

fn load(place: Place, house: &str, name: &str, power_mw: u64, duration_ms: u64) -> Result<Load> {
    let base_load_mw = state::get_u64(&codec::base_load_key(place.community))?.unwrap_or(0);
    Ok(Load {
        house: house.to_owned(),
        community: place.community,
        object: name.to_owned(),
        power_w: power_mw as f64 / WATT_MW,
        duration_ms,
        base_load_w: base_load_mw as f64 / WATT_MW,
    })
}

fn add_slot(objects: &mut [Object], name: &str, slot: Slot, now_ms: u64) -> Result<()> {
    if let Kind::Scheduled { slots, .. } = &mut logic::find(objects, name)?.kind {
        object::add_slot(slots, slot, now_ms);
    }
    Ok(())
}

/// Stops a scheduled object and lets it run in `moved` instead.
pub(crate) fn reschedule(
    house: String,
    name: String,
    at_ms: u64,
    moved: Option<PlannedSlot>,
) -> Result<(), DevicesError> {
    let Some(place) = place(&house)? else {
        return Err(DevicesError::UnknownHouse(house));
    };
    let objects = objects_at(place, &house)?;
    let is_it =
        |object: &Object| object.name == name && matches!(object.kind, Kind::Scheduled { .. });
    if !objects.iter().any(is_it) {
        return Err(DevicesError::UnknownObject(name));
    }
    let moved = moved.as_ref().and_then(logic::stored_slot);
    Ok(update_at(place, &house, |objects| {
        move_slot(objects, &name, at_ms, moved)
    })?)
}

fn move_slot(objects: &mut [Object], name: &str, at_ms: u64, moved: Option<Slot>) -> Result<()> {
    if let Kind::Scheduled { slots, .. } = &mut logic::find(objects, name)?.kind {
        object::stop(slots, at_ms);
        if let Some(slot) = moved {
            object::add_slot(slots, slot, at_ms);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "houses_tests.rs"]
mod tests;
