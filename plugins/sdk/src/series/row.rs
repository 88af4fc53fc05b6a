//! What is stored of one house in one interval: what it drew, what it produced, what each object drew.

use super::Result;
use super::aggregate::{Aggregate, Sum};
use super::codec::{Reader, put};
use super::reading::ObjectReading;

const HAS_CONSUMPTION: u8 = 1;
const HAS_PRODUCTION: u8 = 2;

/// A stored row; objects are read on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// Energy drawn, µJ; none where it was not measured.
    pub consumption_uj: Option<u64>,
    /// Energy produced, µJ; none where it was not measured.
    pub production_uj: Option<u64>,
    objects: &'a [u8],
}

impl<'a> Row<'a> {
    /// A row of these members; `objects` are encoded by [`encode_objects`].
    #[must_use]
    pub(super) fn new(
        consumption_uj: Option<u64>,
        production_uj: Option<u64>,
        objects: &'a [u8],
    ) -> Self {
        Self {
            consumption_uj,
            production_uj,
            objects,
        }
    }

    /// This row with the members that `later` has in place of its own. Objects come with the
    /// consumption they make up.
    #[must_use]
    pub(super) fn replaced_by(self, later: Self) -> Self {
        let objects = if later.consumption_uj.is_some() {
            later.objects
        } else {
            self.objects
        };
        Self {
            consumption_uj: later.consumption_uj.or(self.consumption_uj),
            production_uj: later.production_uj.or(self.production_uj),
            objects,
        }
    }

    /// The row's share in its community's sums.
    #[must_use]
    pub(super) fn share(&self) -> Aggregate {
        Aggregate {
            consumption: Sum::of(self.consumption_uj),
            production: Sum::of(self.production_uj),
            houses: 1,
            closed: false,
        }
    }

    /// Writes its stored form over `bytes`.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let consumption = if self.consumption_uj.is_some() {
            HAS_CONSUMPTION
        } else {
            0
        };
        let production = if self.production_uj.is_some() {
            HAS_PRODUCTION
        } else {
            0
        };
        bytes.push(consumption | production);
        for energy_uj in [self.consumption_uj, self.production_uj]
            .into_iter()
            .flatten()
        {
            put(bytes, energy_uj.into());
        }
        bytes.extend_from_slice(self.objects);
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where it is not one.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "row");
        let flags = reader.number()? as u8;
        let mut member = |flag| (flags & flag != 0).then(|| reader.u64()).transpose();
        let consumption_uj = member(HAS_CONSUMPTION)?;
        let production_uj = member(HAS_PRODUCTION)?;
        Ok(Self {
            consumption_uj,
            production_uj,
            objects: reader.rest(),
        })
    }

    /// The row without its objects.
    #[must_use]
    pub(super) fn bare(self) -> Self {
        Self {
            objects: &[],
            ..self
        }
    }

    /// Its objects: name and energy drawn, µJ; [`super::Error::Corrupt`] where they cannot be read.
    pub fn objects(&self) -> impl Iterator<Item = Result<(&'a str, u64)>> + use<'a> {
        let mut reader = Reader::new(self.objects, "row");
        std::iter::from_fn(move || {
            let is_over = reader.is_empty();
            let mut object = || Ok((reader.text()?, reader.u64()?));
            (!is_over).then(&mut object)
        })
    }
}

/// Writes the objects' stored form over `bytes`.
pub(super) fn encode_objects(objects: &[ObjectReading<'_>], bytes: &mut Vec<u8>) {
    bytes.clear();
    for object in objects {
        put(bytes, object.name.len() as u128);
        bytes.extend_from_slice(object.name.as_bytes());
        put(bytes, object.consumption_uj.into());
    }
}
