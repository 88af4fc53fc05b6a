//! The plan in the component's state: `p/<community 8><ends-at 8><house>/<object>` holds the start
//! (8 bytes) and the power (8 bytes of an `f64`), all big-endian. Ordered by its end, so that what
//! is over lies in front. A house's id has no slash; an object's name may have one.

use crate::logic::{LOADS_MAX, Planned};
use leyden_sdk::state::{self, Key, Order, Reader};
use leyden_sdk::{Error, Result};

/// Loads that one call removes after their end; more wait for the next call. They are not part of
/// any plan meanwhile.
const PRUNED_MAX: u32 = 1_000;

/// Removes loads that ended by `now_ms` (ms since 1970).
pub(crate) fn prune(community: u64, now_ms: u64) -> Result<()> {
    let from = Key::new("p/").u64(community);
    let over = state::scan(
        &from,
        Some(&running(community, now_ms)),
        Order::Ascending,
        PRUNED_MAX,
    )?;
    over.iter().try_for_each(|entry| state::delete(&entry.key))
}

/// All loads that end after `now_ms` (ms since 1970).
pub(crate) fn read(community: u64, now_ms: u64) -> Result<Vec<Planned>> {
    let end = state::prefix_end(&Key::new("p/").u64(community));
    let limit = u32::try_from(LOADS_MAX).unwrap_or(u32::MAX);
    let start = running(community, now_ms);
    let entries = state::scan(&start, end.as_deref(), Order::Ascending, limit)?;
    Ok(entries
        .iter()
        .map(|entry| decode(entry).expect("state holds a planned load here"))
        .collect())
}

/// The first key of the loads that end after `now_ms`.
fn running(community: u64, now_ms: u64) -> Key {
    Key::new("p/").u64(community).u64(now_ms.saturating_add(1))
}

/// Puts a load in the place of its former one; `plan` is the community's whole plan.
///
/// # Errors
/// The plan is full.
pub(crate) fn replace(community: u64, plan: &[Planned], load: &Planned) -> Result<()> {
    let is_same = |other: &&Planned| other.house == load.house && other.object == load.object;
    let former: Vec<_> = plan.iter().filter(is_same).collect();
    if former.is_empty() && plan.len() >= LOADS_MAX {
        return Err(Error::Retry(format!(
            "community {community} has {LOADS_MAX} planned loads"
        )));
    }
    former
        .into_iter()
        .try_for_each(|former| remove(community, former))?;
    add(community, load)
}

/// Adds a load.
pub(crate) fn add(community: u64, load: &Planned) -> Result<()> {
    state::set(&key(community, load), &encode(load))
}

/// Removes a load from its place.
pub(crate) fn remove(community: u64, load: &Planned) -> Result<()> {
    state::delete(&key(community, load))
}

fn key(community: u64, load: &Planned) -> Key {
    let place = Key::new("p/").u64(community).u64(load.ends_at_ms);
    place.text(&load.house).text("/").text(&load.object)
}

fn encode(load: &Planned) -> Vec<u8> {
    [load.starts_at_ms.to_be_bytes(), load.power_w.to_be_bytes()].concat()
}

fn decode(entry: &state::Entry) -> Option<Planned> {
    let mut key = Reader::new(entry.key.get(b"p/".len() + 8..)?);
    let ends_at_ms = key.u64()?;
    let (house, object) = std::str::from_utf8(key.rest()).ok()?.split_once('/')?;
    let mut value = Reader::new(&entry.value);
    let starts_at_ms = value.u64()?;
    let power_w = f64::from_bits(value.u64()?);
    let (house, object) = (house.to_owned(), object.to_owned());
    Some(Planned {
        house,
        object,
        power_w,
        starts_at_ms,
        ends_at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_survives_its_encoding() {
        let load = Planned {
            house: "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94".to_owned(),
            object: "Car / left".to_owned(),
            power_w: 8_500.5,
            starts_at_ms: 5,
            ends_at_ms: 1_636_300_702_144,
        };
        let entry = state::Entry {
            key: key(4, &load).to_vec(),
            value: encode(&load),
        };
        assert_eq!(decode(&entry), Some(load));
    }

    fn load(house: &str, ends_at_ms: u64) -> Planned {
        Planned {
            house: house.to_owned(),
            object: "Car".to_owned(),
            power_w: 1.0,
            starts_at_ms: 0,
            ends_at_ms,
        }
    }

    /// Houses of the plan at an instant.
    fn houses(community: u64, now_ms: u64) -> Vec<String> {
        let plan = read(community, now_ms).expect("read");
        plan.into_iter().map(|load| load.house).collect()
    }

    #[test]
    fn a_plan_holds_what_has_not_ended_of_its_community() {
        for (community, house, ends_at_ms) in [(4, "a", 255), (4, "b", 256), (5, "c", 300)] {
            add(community, &load(house, ends_at_ms)).expect("added");
        }
        assert_eq!(houses(4, 254), ["a", "b"]);
        assert_eq!(houses(4, 255), ["b"]);
        assert_eq!(houses(4, 256), [""; 0]);
        assert_eq!(houses(5, 0), ["c"]);
    }

    #[test]
    fn pruning_removes_what_has_ended_and_nothing_else() {
        for (community, house, ends_at_ms) in [(4, "a", 255), (4, "b", 256), (3, "c", 10)] {
            add(community, &load(house, ends_at_ms)).expect("added");
        }
        prune(4, 255).expect("pruned");
        assert_eq!(houses(4, 0), ["b"]);
        assert_eq!(houses(3, 0), ["c"]);
    }

    #[test]
    fn a_load_that_is_planned_again_gives_up_its_former_place() {
        add(4, &load("a", 100)).expect("added");
        add(4, &load("b", 200)).expect("added");
        let plan = read(4, 0).expect("read");
        replace(4, &plan, &load("a", 300)).expect("replaced");
        assert_eq!(read(4, 0).expect("read"), [load("b", 200), load("a", 300)]);
    }

    #[test]
    fn a_full_plan_takes_no_further_load_but_moves_those_it_has() {
        let house = |number: usize| format!("{number:04}");
        for number in 0..LOADS_MAX {
            add(4, &load(&house(number), 100)).expect("added");
        }
        let plan = read(4, 0).expect("read");
        assert!(matches!(
            replace(4, &plan, &load("new", 100)),
            Err(Error::Retry(_))
        ));
        replace(4, &plan, &load(&house(3), 200)).expect("moved");
        assert_eq!(houses(4, 0).len(), LOADS_MAX);
    }
}
