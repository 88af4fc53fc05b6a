//! Houses and communities in state: registering, looking up, counting. Assigning a community costs
//! two reads per distinct community size, however many houses there are.

use crate::codec;
use crate::logic;
use leyden_sdk::grid::client_registry::{Error as RegistryError, House, Registration};
use leyden_sdk::policy::assignment::{self, Input, SizeClass};
use leyden_sdk::state::{self, Entry, Order, SCAN_ENTRIES_MAX};
use leyden_sdk::{Result, uuid};

/// Longest id that is looked up (bytes): a name of 200 characters of four bytes. Longer ones name
/// no house.
const ID_BYTES_MAX: usize = 800;

/// Communities looked at in one read while the lowest free id is searched.
const GAP_PAGE: u32 = 1_000;

/// The house with this id.
pub(crate) fn get(id: &str) -> Result<Option<House>> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Ok(None);
    }
    let value = state::get(&codec::house_key(id))?;
    Ok(value.map(|value| codec::decode_house(id, &value).expect("state holds a house here")))
}

/// The house with this id or else this household name.
pub(crate) fn find(name: &str) -> Result<Option<House>> {
    if let Some(house) = get(name)? {
        return Ok(Some(house));
    }
    if name.is_empty() || name.len() > ID_BYTES_MAX {
        return Ok(None);
    }
    let Some(id) = state::get(&codec::household_key(name))? else {
        return Ok(None);
    };
    get(&String::from_utf8(id).expect("state holds an id here"))
}

/// The houses with these ids or else household names, in the order asked. All are read in two goes.
pub(crate) fn find_all(names: &[String]) -> Result<Vec<Option<House>>> {
    let known = |name: &&String| !name.is_empty() && name.len() <= ID_BYTES_MAX;
    let both = |name: &String| {
        [
            codec::house_key(name).to_vec(),
            codec::household_key(name).to_vec(),
        ]
    };
    let keys: Vec<_> = names.iter().filter(known).flat_map(both).collect();
    state::prefetch(&keys)?;
    let mut houses = Vec::new();
    for name in names.iter().filter(known) {
        let id = state::get(&codec::household_key(name))?;
        let id = id.map(|id| String::from_utf8(id).expect("state holds an id here"));
        houses.extend(id.map(|id| codec::house_key(&id).to_vec()));
    }
    state::prefetch(&houses)?;
    names.iter().map(|name| find(name)).collect()
}

/// Houses in a community; none where it has none.
pub(crate) fn houses_in(community: u64) -> Result<Option<u32>> {
    let value = state::get(&codec::community_key(community))?;
    Ok(value.map(|value| codec::decode_u32(&value).expect("state holds a count here")))
}

/// Registers a house.
pub(crate) fn register(registration: Registration) -> Result<House, RegistryError> {
    if let Some(rule) = logic::check(&registration) {
        return Err(RegistryError::Invalid(rule));
    }
    let Registration {
        client_name,
        community,
        household,
    } = registration;
    if let Some(name) = taken(household.as_deref())? {
        return Err(RegistryError::HouseholdTaken(name));
    }
    let community = match community {
        Some(community) => community,
        None => assign(&client_name)?,
    };
    let house = House {
        id: uuid::new_v4(),
        client_name,
        community,
        household,
    };
    write(&house)?;
    Ok(house)
}

/// The household's name, if a house already has it.
fn taken(household: Option<&str>) -> Result<Option<String>> {
    let Some(name) = household else {
        return Ok(None);
    };
    let owner = state::get(&codec::household_key(name))?;
    Ok(owner.map(|_| name.to_owned()))
}

/// What the active assignment policy decides.
fn assign(client_name: &str) -> Result<u64, RegistryError> {
    let input = Input {
        client_name: client_name.to_owned(),
        classes: size_classes()?,
        first_free_id: state::get_u64(codec::FIRST_FREE)?.unwrap_or(1),
    };
    let community = assignment::assign(&input);
    if (1..=logic::COMMUNITY_MAX).contains(&community) {
        return Ok(community);
    }
    Err(RegistryError::State(format!(
        "The assignment policy chose the community {community}, which cannot be."
    )))
}

fn size_classes() -> Result<Vec<SizeClass>> {
    let entries = state::scan_prefix(
        codec::CLASSES.as_bytes(),
        Order::Ascending,
        SCAN_ENTRIES_MAX,
    )?;
    entries.iter().map(size_class).collect()
}

fn size_class(entry: &Entry) -> Result<SizeClass> {
    let houses = codec::key_size(&entry.key).expect("state holds a size here");
    let communities = codec::decode_u32(&entry.value).expect("state holds a count here");
    let lowest = state::scan_prefix(&codec::size_prefix(houses), Order::Ascending, 1)?;
    let lowest = lowest
        .first()
        .and_then(|entry| codec::key_community(&entry.key));
    Ok(SizeClass {
        houses,
        communities,
        lowest_id: lowest.expect("a class has a community"),
    })
}

fn write(house: &House) -> Result<()> {
    state::set(&codec::house_key(&house.id), &codec::encode_house(house))?;
    if let Some(household) = &house.household {
        state::set(&codec::household_key(household), house.id.as_bytes())?;
    }
    grow(house.community)
}

/// Moves a community to the next size.
fn grow(community: u64) -> Result<()> {
    let before = houses_in(community)?;
    let after = before.unwrap_or(0).saturating_add(1);
    state::set(&codec::community_key(community), &after.to_be_bytes())?;
    state::set(&codec::size_key(after, community), &[])?;
    resize_class(after, true)?;
    match before {
        Some(before) => {
            state::delete(&codec::size_key(before, community))?;
            resize_class(before, false)
        }
        None => pass_first_free(community),
    }
}

fn resize_class(houses: u32, grows: bool) -> Result<()> {
    let key = codec::class_key(houses);
    let communities = state::get(&key)?
        .and_then(|value| codec::decode_u32(&value))
        .unwrap_or(0);
    match logic::resized(communities, grows) {
        Some(communities) => state::set(&key, &communities.to_be_bytes()),
        None => state::delete(&key),
    }
}

/// Moves the lowest free id past `opened`, if it was that one. Communities are never removed, so
/// each is passed at most once.
fn pass_first_free(opened: u64) -> Result<()> {
    let free = state::get_u64(codec::FIRST_FREE)?.unwrap_or(1);
    if opened != free {
        return Ok(());
    }
    let mut next = free + 1;
    loop {
        let used = communities(next, GAP_PAGE)?;
        let gap = logic::first_gap(next, used.iter().map(|(id, _)| *id));
        let page_is_full = gap - next == u64::from(GAP_PAGE);
        next = gap;
        if !page_is_full {
            return state::set_u64(codec::FIRST_FREE, next);
        }
    }
}

/// Up to `limit` communities from the id `from` on and how many houses each has.
pub(crate) fn communities(from: u64, limit: u32) -> Result<Vec<(u64, u32)>> {
    let end = state::prefix_end(codec::COMMUNITIES.as_bytes());
    let entries = state::scan(
        &codec::community_key(from),
        end.as_deref(),
        Order::Ascending,
        limit,
    )?;
    let read = |entry: &Entry| {
        Some((
            codec::key_community(&entry.key)?,
            codec::decode_u32(&entry.value)?,
        ))
    };
    Ok(entries
        .iter()
        .map(|entry| read(entry).expect("state holds a community here"))
        .collect())
}

/// Up to `limit` houses after the id `after`, by id.
pub(crate) fn houses(after: Option<&str>, limit: u32) -> Result<Vec<House>> {
    let start = after.map_or_else(
        || codec::HOUSES.as_bytes().to_vec(),
        |id| state::key_after(&codec::house_key(id)),
    );
    let end = state::prefix_end(codec::HOUSES.as_bytes());
    let entries = state::scan(&start, end.as_deref(), Order::Ascending, limit)?;
    let read = |entry: &Entry| codec::decode_house_entry(&entry.key, &entry.value);
    Ok(entries
        .iter()
        .map(|entry| read(entry).expect("state holds a house here"))
        .collect())
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
