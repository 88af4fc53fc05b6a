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

    #[test]
    fn loads_lie_in_the_order_of_their_ends() {
        let load = |ends_at_ms| Planned {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w: 1.0,
            starts_at_ms: 0,
            ends_at_ms,
        };
        assert!(key(4, &load(255)).to_vec() < key(4, &load(256)).to_vec());
        assert!(
            key(4, &load(255)).to_vec() < running(4, 255).to_vec(),
            "it has ended"
        );
        assert!(
            key(4, &load(256)).to_vec() > running(4, 255).to_vec(),
            "it still runs"
        );
    }
}
