//! How houses and the keys around them are laid out in state. Integers are big-endian.
//!
//! | key | value |
//! |---|---|
//! | `h/` house | community (8), length of the client's name (4), that name, household |
//! | `n/` household | house |
//! | `k/` community (8) | houses in it (4) |
//! | `s/` size (4), community (8) | nothing: communities by size |
//! | `z/` size (4) | how many communities have that size (4) |
//! | `f` | lowest community id that is not in use (8) |
//! | `c/` dataset (1), house | nothing: the household withholds the dataset |

use leyden_sdk::grid::client_registry::{Dataset, House};
use leyden_sdk::state::{Key, Reader};

/// Where the lowest free community id lies.
pub(crate) const FIRST_FREE: &[u8] = b"f";

/// Prefix of houses.
pub(crate) const HOUSES: &str = "h/";

/// Prefix of communities and their sizes.
pub(crate) const COMMUNITIES: &str = "k/";

/// Prefix of size classes.
pub(crate) const CLASSES: &str = "z/";

pub(crate) fn house_key(id: &str) -> Key {
    Key::new(HOUSES).text(id)
}

pub(crate) fn household_key(household: &str) -> Key {
    Key::new("n/").text(household)
}

pub(crate) fn community_key(community: u64) -> Key {
    Key::new(COMMUNITIES).u64(community)
}

pub(crate) fn size_prefix(houses: u32) -> Key {
    Key::new("s/").u32(houses)
}

pub(crate) fn size_key(houses: u32, community: u64) -> Key {
    size_prefix(houses).u64(community)
}

pub(crate) fn class_key(houses: u32) -> Key {
    Key::new(CLASSES).u32(houses)
}

pub(crate) fn consent_prefix(dataset: Dataset) -> Key {
    let number = match dataset {
        Dataset::GlobalConsumption => 1,
        Dataset::Production => 2,
        Dataset::DetailedConsumption => 3,
    };
    Key::new("c/").bytes(&[number])
}

pub(crate) fn consent_key(dataset: Dataset, house: &str) -> Key {
    consent_prefix(dataset).text(house)
}

/// The value under [`house_key`].
pub(crate) fn encode_house(house: &House) -> Vec<u8> {
    let name_bytes =
        u32::try_from(house.client_name.len()).expect("a name has at most 200 characters");
    let fixed = Key::new("").u64(house.community).u32(name_bytes);
    let household = house.household.as_deref().unwrap_or_default();
    fixed.text(&house.client_name).text(household).to_vec()
}

/// The house under `id`; none where the value is not one that [`encode_house`] wrote.
pub(crate) fn decode_house(id: &str, value: &[u8]) -> Option<House> {
    let mut reader = Reader::new(value);
    let community = reader.u64()?;
    let name_bytes = usize::try_from(reader.u32()?).ok()?;
    let client_name = std::str::from_utf8(reader.take(name_bytes)?)
        .ok()?
        .to_owned();
    let household = std::str::from_utf8(reader.rest()).ok()?;
    let household = (!household.is_empty()).then(|| household.to_owned());
    Some(House {
        id: id.to_owned(),
        client_name,
        community,
        household,
    })
}

/// The house of a whole entry.
pub(crate) fn decode_house_entry(key: &[u8], value: &[u8]) -> Option<House> {
    let id = std::str::from_utf8(key.get(HOUSES.len()..)?).ok()?;
    decode_house(id, value)
}

/// A number of 4 bytes.
pub(crate) fn decode_u32(value: &[u8]) -> Option<u32> {
    Reader::new(value).u32()
}

/// The community at the end of a key of communities or of sizes.
pub(crate) fn key_community(key: &[u8]) -> Option<u64> {
    Reader::new(key.get(key.len().checked_sub(8)?..)?).u64()
}

/// The size in a key of [`CLASSES`].
pub(crate) fn key_size(key: &[u8]) -> Option<u32> {
    Reader::new(key.get(CLASSES.len()..)?).u32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(household: Option<&str>) -> House {
        House {
            id: "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94".into(),
            client_name: "Jean-Sébastien".into(),
            community: 4,
            household: household.map(str::to_owned),
        }
    }

    #[test]
    fn a_house_reads_back() {
        for house in [house(None), house(Some("sgsc-1"))] {
            let key = house_key(&house.id);
            assert_eq!(decode_house_entry(&key, &encode_house(&house)), Some(house));
        }
    }

    #[test]
    fn what_is_cut_off_is_no_house() {
        let value = encode_house(&house(None));
        assert_eq!(decode_house("x", &value[..value.len() - 1]), None);
        assert_eq!(decode_house("x", &[]), None);
    }

    #[test]
    fn numbers_in_keys_read_back() {
        assert_eq!(key_community(&size_key(3, 7)), Some(7));
        assert_eq!(key_community(&community_key(9)), Some(9));
        assert_eq!(key_size(&class_key(3)), Some(3));
    }
}
