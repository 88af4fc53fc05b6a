//! Exact sums over houses, and the powers and energies that are read from them.

use super::codec::{Reader, put};
use super::{Error, Result};

/// Microjoules in a watt-hour.
const UJ_PER_WH: u128 = 3_600_000_000;

/// Energy of some houses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Energy, µJ.
    pub energy_uj: u128,
    /// Houses that measured it; 0 means that there is no data, which is not an energy of 0.
    pub houses: u32,
}

impl Sum {
    /// One house's share.
    #[must_use]
    pub fn of(energy_uj: Option<u64>) -> Self {
        Self {
            energy_uj: energy_uj.unwrap_or(0).into(),
            houses: energy_uj.is_some().into(),
        }
    }

    /// Mean power over `length_ms`, mW; none without data.
    #[must_use]
    pub fn mean_mw(&self, length_ms: u64) -> Option<u64> {
        (self.houses > 0).then(|| mean_mw(self.energy_uj, length_ms))
    }

    /// The energy, µJ; none without data.
    #[must_use]
    pub fn measured_uj(&self) -> Option<u128> {
        (self.houses > 0).then_some(self.energy_uj)
    }

    fn shift(&mut self, out: Self, into: Self) {
        let energy_uj = self.energy_uj.wrapping_add(into.energy_uj);
        self.energy_uj = energy_uj.wrapping_sub(out.energy_uj);
        self.houses = shifted(self.houses, out.houses, into.houses);
    }

    fn swap(&mut self, out: Self, into: Self) -> Option<()> {
        self.energy_uj = self
            .energy_uj
            .checked_add(into.energy_uj)?
            .checked_sub(out.energy_uj)?;
        self.houses = self
            .houses
            .checked_add(into.houses)?
            .checked_sub(out.houses)?;
        Some(())
    }
}

/// What is known of a set of houses in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Energy drawn.
    pub consumption: Sum,
    /// Energy produced.
    pub production: Sum,
    /// Houses that reported anything.
    pub houses: u32,
    /// A reading has closed the interval.
    pub closed: bool,
}

impl Aggregate {
    /// Takes `out` from the sums and adds `into`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where `out` was never in.
    pub fn swap(&mut self, out: &Self, into: &Self) -> Result<()> {
        self.try_swap(out, into).ok_or(Error::Corrupt("sum"))
    }

    /// Takes `out` from the sums and adds `into`; sums below zero wrap around, until what is missing is
    /// added.
    pub fn shift(&mut self, out: &Self, into: &Self) {
        self.consumption.shift(out.consumption, into.consumption);
        self.production.shift(out.production, into.production);
        self.houses = shifted(self.houses, out.houses, into.houses);
    }

    fn try_swap(&mut self, out: &Self, into: &Self) -> Option<()> {
        self.consumption.swap(out.consumption, into.consumption)?;
        self.production.swap(out.production, into.production)?;
        self.houses = self
            .houses
            .checked_add(into.houses)?
            .checked_sub(out.houses)?;
        Some(())
    }

    /// Its stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.push(self.closed.into());
        put(&mut bytes, self.houses.into());
        for sum in [self.consumption, self.production] {
            put(&mut bytes, sum.houses.into());
            put(&mut bytes, sum.energy_uj);
        }
        bytes
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "sum");
        let closed = reader.number()? != 0;
        let houses = reader.u32()?;
        let mut sum = || -> Result<Sum> {
            Ok(Sum {
                houses: reader.u32()?,
                energy_uj: reader.number()?,
            })
        };
        Ok(Self {
            consumption: sum()?,
            production: sum()?,
            houses,
            closed,
        })
    }
}

fn shifted(houses: u32, out: u32, into: u32) -> u32 {
    houses.wrapping_add(into).wrapping_sub(out)
}

/// Mean power, mW, of an energy (µJ) over a length (ms), rounded half up: 1 µJ is 1 mW for 1 ms.
#[must_use]
pub fn mean_mw(energy_uj: u128, length_ms: u64) -> u64 {
    let length_ms = length_ms.max(1);
    // One house's energy: divided in one step, which 128 bits are not.
    if let Ok(energy_uj) = u64::try_from(energy_uj) {
        let rest = energy_uj % length_ms;
        let up = u64::from(rest >= length_ms - rest);
        return energy_uj / length_ms + up;
    }
    let length_ms = u128::from(length_ms);
    let mean = energy_uj / length_ms;
    let up = u128::from(energy_uj % length_ms * 2 >= length_ms);
    u64::try_from(mean + up).unwrap_or(u64::MAX)
}

/// A power in W.
#[must_use]
pub fn watts(power_mw: u64) -> f64 {
    power_mw as f64 / 1000.0
}

/// An energy in Wh: the whole part and the fraction are converted apart, so that a decimal that
/// came in goes out as it was.
#[must_use]
pub fn watt_hours(energy_uj: u128) -> f64 {
    let whole = (energy_uj / UJ_PER_WH) as f64;
    let fraction = (energy_uj % UJ_PER_WH) as f64 / UJ_PER_WH as f64;
    whole + fraction
}
