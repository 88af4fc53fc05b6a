//! One JSON object per row. Its members are strings but for `energyWh`, a number, whose text is kept as
//! it was sent.

use std::borrow::Cow;
use std::fmt;

use leyden_sdk::http::ProblemKind;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{FIELDS, Texts};
use crate::faults::Faults;

const ROW: &str = "row";
/// The one member that is a number.
const NUMBER: &str = "energyWh";

/// The fields of a row in the order of [`FIELDS`]; none where it has a fault.
pub(super) fn texts<'a>(row: &'a [u8], number: u64, faults: &mut Faults) -> Option<Texts<'a>> {
    let members: Members<'a> = match serde_json::from_slice(row) {
        Ok(members) => members,
        Err(error) => {
            faults.add(
                number,
                ProblemKind::Malformed,
                ROW,
                format!("is not a JSON object: {error}"),
            );
            return None;
        }
    };
    let mut check = |field: &str, rule: &str| faults.add(number, ProblemKind::Invalid, field, rule);
    for (name, _) in members
        .0
        .iter()
        .filter(|(name, _)| !FIELDS.contains(&name.as_str()))
    {
        check(name, "is an unknown member");
    }
    let is_known = members
        .0
        .iter()
        .all(|(name, _)| FIELDS.contains(&name.as_str()));
    let texts = FIELDS.map(|field| {
        let mut found = members.0.iter().filter(|(name, _)| name == field);
        let text = match (found.next(), found.next()) {
            (None, _) => Err("is missing"),
            (Some((_, value)), None) => text(field, value),
            (Some(_), Some(_)) => Err("stands there twice"),
        };
        text.map_err(|rule| check(field, rule)).ok()
    });
    let [household, starts_at, ends_at, kind, energy_wh] = texts;
    let texts = [household?, starts_at?, ends_at?, kind?, energy_wh?];
    is_known.then_some(texts)
}

fn text<'a>(field: &str, value: &'a RawValue) -> Result<Cow<'a, str>, &'static str> {
    let raw = value.get();
    if field == NUMBER {
        let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        return if is_number {
            Ok(Cow::Borrowed(raw))
        } else {
            Err("must be a number")
        };
    }
    let plain: Option<Text<'a>> = serde_json::from_str(raw).ok();
    plain.map(|text| text.0).ok_or("must be a string")
}

/// A string, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Members in their order, values not read yet.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::with_capacity(FIELDS.len());
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
