//! A reading as it comes on `house.readings`, borrowed from its payload: the path that every reading
//! takes copies no text.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Interval, Measurement, Slot};

/// The longest house id, bytes; a UUID has 36, and a key has to hold it.
const HOUSE_BYTES_MAX: usize = 200;
/// The most objects of one house, so that a row stays small.
const OBJECTS_MAX: usize = 10_000;

/// What a house's meter saw in one interval; the members of `leyden:grid/events.reading`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading<'a> {
    /// The house's id.
    #[serde(borrow)]
    pub house: Cow<'a, str>,
    /// Its community.
    pub community: u64,
    /// When.
    pub interval: Interval,
    /// Energy drawn, µJ; none where it was not measured.
    #[serde(default)]
    pub consumption_uj: Option<u64>,
    /// Energy produced, µJ; none where it was not measured.
    #[serde(default)]
    pub production_uj: Option<u64>,
    /// The same per object, where objects are known.
    #[serde(borrow, default)]
    pub objects: Vec<ObjectReading<'a>>,
    /// The last reading of its community for this interval.
    #[serde(default)]
    pub closes: bool,
}

/// What one object drew and produced.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReading<'a> {
    /// Its name in its house.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Energy drawn, µJ.
    pub consumption_uj: u64,
    /// Energy produced, µJ.
    pub production_uj: u64,
}

impl<'a> Reading<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(payload: &'a [u8]) -> Result<Self, String> {
        let reading: Self =
            serde_json::from_slice(payload).map_err(|error| format!("not a reading: {error}"))?;
        reading
            .check()
            .map(|()| reading)
            .map_err(|rule| format!("not a reading: {rule}"))
    }

    fn check(&self) -> Result<(), String> {
        self.interval
            .check()
            .map_err(|rule| format!("interval: {rule}"))?;
        if self.house.is_empty() || self.house.len() > HOUSE_BYTES_MAX {
            return Err(format!("house: must have 1 to {HOUSE_BYTES_MAX} bytes"));
        }
        if self.objects.len() > OBJECTS_MAX {
            return Err(format!("objects: must be at most {OBJECTS_MAX}"));
        }
        Ok(())
    }

    /// The interval of its community that it belongs to.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot {
            interval: self.interval,
            community: self.community,
        }
    }

    /// All it measured.
    #[must_use]
    pub fn measurement(&self) -> Measurement<'_> {
        Measurement {
            slot: self.slot(),
            house: &self.house,
            consumption_uj: self.consumption_uj,
            production_uj: self.production_uj,
            objects: &self.objects,
        }
    }

    /// What it measured of production alone.
    #[must_use]
    pub fn production(&self) -> Measurement<'_> {
        Measurement {
            consumption_uj: None,
            objects: &[],
            ..self.measurement()
        }
    }
}
