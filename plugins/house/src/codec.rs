//! How houses are laid out in state: compact and binary, for a tick reads all of them. Integers are
//! big-endian.
//!
//! | key | value |
//! |---|---|
//! | `i/` house | community (8), 1 if it is simulated or 0 (1) |
//! | `t/` community (8), house | objects of a simulated house, in the order of ticks |
//! | `x/` community (8), house | objects of a house that has a real meter |
//! | `b/` community (8) | what its enabled BASIC objects draw, mW (8) |
//!
//! An object is a tag (0 BASIC and disabled, 1 BASIC and enabled, 2 SCHEDULED), the length of its
//! name (2), the name, power drawn (8) and: for BASIC power produced (8); for SCHEDULED charging
//! time (8), number of slots (1), and each slot's start, end and power (8 each).

use crate::object::{Kind, Object, Slot};
use leyden_sdk::state::{Key, Reader};

const BASIC_DISABLED: u8 = 0;
const BASIC_ENABLED: u8 = 1;
const SCHEDULED: u8 = 2;

/// Prefix of simulated houses.
pub(crate) const SIMULATED: &str = "t/";

/// Where a house lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its community.
    pub community: u64,
    /// Whether ticks publish readings of it.
    pub simulated: bool,
}

pub(crate) fn place_key(house: &str) -> Key {
    Key::new("i/").text(house)
}

pub(crate) fn objects_key(place: Place, house: &str) -> Key {
    let prefix = if place.simulated { SIMULATED } else { "x/" };
    Key::new(prefix).u64(place.community).text(house)
}

pub(crate) fn base_load_key(community: u64) -> Key {
    Key::new("b/").u64(community)
}

pub(crate) fn encode_place(place: Place) -> Key {
    Key::new("")
        .u64(place.community)
        .bytes(&[u8::from(place.simulated)])
}

pub(crate) fn decode_place(value: &[u8]) -> Option<Place> {
    let mut reader = Reader::new(value);
    Some(Place {
        community: reader.u64()?,
        simulated: reader.u8()? == 1,
    })
}

/// Community and house of a key of simulated houses.
pub(crate) fn decode_simulated_key(key: &[u8]) -> Option<(u64, &str)> {
    let mut reader = Reader::new(key.get(SIMULATED.len()..)?);
    Some((reader.u64()?, std::str::from_utf8(reader.rest()).ok()?))
}

pub(crate) fn encode_objects(objects: &[Object]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for object in objects {
        encode_object(&mut bytes, object);
    }
    bytes
}

fn encode_object(bytes: &mut Vec<u8>, object: &Object) {
    let tag = match object.kind {
        Kind::Basic { enabled: false, .. } => BASIC_DISABLED,
        Kind::Basic { enabled: true, .. } => BASIC_ENABLED,
        Kind::Scheduled { .. } => SCHEDULED,
    };
    let name_bytes = u16::try_from(object.name.len()).expect("a name has at most 200 characters");
    bytes.push(tag);
    bytes.extend(name_bytes.to_be_bytes());
    bytes.extend(object.name.as_bytes());
    match &object.kind {
        Kind::Basic {
            consumption_mw,
            production_mw,
            ..
        } => put(bytes, &[*consumption_mw, *production_mw]),
        Kind::Scheduled {
            consumption_mw,
            charge_ms,
            slots,
        } => {
            put(bytes, &[*consumption_mw, *charge_ms]);
            bytes.push(u8::try_from(slots.len()).expect("slots are bounded"));
            for slot in slots {
                put(bytes, &[slot.starts_at_ms, slot.ends_at_ms, slot.power_mw]);
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        bytes.extend(number.to_be_bytes());
    }
}

/// The objects of a house; none where the bytes are not what [`encode_objects`] wrote.
pub(crate) fn decode_objects(bytes: &[u8]) -> Option<Vec<Object>> {
    let mut reader = Reader::new(bytes);
    let mut objects = Vec::new();
    while !reader.is_empty() {
        objects.push(decode_object(&mut reader)?);
    }
    Some(objects)
}

fn decode_object(reader: &mut Reader) -> Option<Object> {
    let tag = reader.u8()?;
    let name_bytes = u16::from_be_bytes(reader.take(2)?.try_into().ok()?);
    let name = std::str::from_utf8(reader.take(name_bytes.into())?)
        .ok()?
        .to_owned();
    let consumption_mw = reader.u64()?;
    let kind = match tag {
        BASIC_DISABLED | BASIC_ENABLED => Kind::Basic {
            enabled: tag == BASIC_ENABLED,
            consumption_mw,
            production_mw: reader.u64()?,
        },
        SCHEDULED => Kind::Scheduled {
            consumption_mw,
            charge_ms: reader.u64()?,
            slots: decode_slots(reader)?,
        },
        _ => return None,
    };
    Some(Object { name, kind })
}

fn decode_slots(reader: &mut Reader) -> Option<Vec<Slot>> {
    let count = reader.u8()?;
    let slot = |_| {
        let (starts_at_ms, ends_at_ms) = (reader.u64()?, reader.u64()?);
        Some(Slot {
            starts_at_ms,
            ends_at_ms,
            power_mw: reader.u64()?,
        })
    };
    (0..count).map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Vec<Object> {
        let slot = Slot {
            starts_at_ms: 1,
            ends_at_ms: 2,
            power_mw: 3,
        };
        let kinds = [
            Kind::Basic {
                enabled: true,
                consumption_mw: 500_000,
                production_mw: 0,
            },
            Kind::Basic {
                enabled: false,
                consumption_mw: 0,
                production_mw: 1_700_000,
            },
            Kind::Scheduled {
                consumption_mw: 9_000_000,
                charge_ms: 18_000_000,
                slots: vec![slot, slot],
            },
        ];
        kinds
            .into_iter()
            .map(|kind| Object {
                name: "Vélo".into(),
                kind,
            })
            .collect()
    }

    #[test]
    fn objects_read_back() {
        assert_eq!(decode_objects(&encode_objects(&objects())), Some(objects()));
        assert_eq!(decode_objects(&[]), Some(Vec::new()));
    }

    #[test]
    fn no_cut_off_record_is_taken_for_whole() {
        let bytes = encode_objects(&objects()[2..]);
        for end in 1..bytes.len() {
            assert_eq!(decode_objects(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(decode_objects(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn places_read_back() {
        for simulated in [true, false] {
            let place = Place {
                community: 4,
                simulated,
            };
            assert_eq!(decode_place(&encode_place(place)), Some(place));
        }
        let key = objects_key(
            Place {
                community: 4,
                simulated: true,
            },
            "h",
        );
        assert_eq!(decode_simulated_key(&key), Some((4, "h")));
    }
}
