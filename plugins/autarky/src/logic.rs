//! Net power, autarky and the rates of self-sufficiency. Net power is production minus
//! consumption; a community is autarkic while it is not negative, so exactly zero is autarkic. A
//! balance without a measured consumption says nothing about either: no data is not 0. A missing
//! production is 0, because a community need not have a producer.

use leyden_sdk::grid::events::Balance;
use leyden_sdk::series::{Power, watt_hours};

/// Production minus consumption, mW; none where consumption was not measured.
pub(crate) fn net_mw(power: Power) -> Option<i128> {
    let consumption_mw = i128::from(power.consumption_mw?);
    Some(i128::from(power.production_mw.unwrap_or(0)) - consumption_mw)
}

/// The powers of a balance.
pub(crate) fn power(balance: &Balance) -> Power {
    Power {
        consumption_mw: balance.consumption_mw,
        production_mw: balance.production_mw,
    }
}

/// The last judgement of a community.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Start of the interval judged, ms since 1970.
    pub(crate) judged_ms: u64,
    /// Whether the community was autarkic in it.
    pub(crate) autarkic: bool,
}

/// Judges a balance, and says the new autarky where it changed. None where the balance is not to
/// be judged: it is open, unmeasured or older than the last judged one. A community starts as not
/// autarkic.
pub(crate) fn judge(
    former: Option<Judgement>,
    balance: &Balance,
) -> Option<(Judgement, Option<bool>)> {
    let judged_ms = balance.interval.starts_at_ms;
    let late = former.is_some_and(|former| judged_ms < former.judged_ms);
    if late || !balance.closed {
        return None;
    }
    let autarkic = net_mw(power(balance))? >= 0;
    let changed = autarkic != former.is_some_and(|former| former.autarkic);
    Some((
        Judgement {
            judged_ms,
            autarkic,
        },
        changed.then_some(autarkic),
    ))
}

/// mW as W.
pub(crate) fn watts(power_mw: i128) -> f64 {
    power_mw as f64 / 1_000.0
}

/// Energies of a community over a span of time, µJ, summed interval by interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Energies {
    consumed_uj: u128,
    produced_uj: u128,
    self_consumed_uj: u128,
    /// Intervals with a measured consumption.
    pub(crate) intervals: u32,
}

impl Energies {
    /// Adds one interval. What is produced and drawn in the same interval is self-consumed.
    /// An interval without a measured consumption is left out whole.
    pub(crate) fn add(&mut self, consumption_uj: Option<u128>, production_uj: Option<u128>) {
        let Some(consumption_uj) = consumption_uj else {
            return;
        };
        let production_uj = production_uj.unwrap_or(0);
        self.consumed_uj += consumption_uj;
        self.produced_uj += production_uj;
        self.self_consumed_uj += consumption_uj.min(production_uj);
        self.intervals += 1;
    }

    /// Energy drawn, Wh.
    pub(crate) fn consumed_wh(&self) -> f64 {
        watt_hours(self.consumed_uj)
    }

    /// Energy produced, Wh.
    pub(crate) fn produced_wh(&self) -> f64 {
        watt_hours(self.produced_uj)
    }

    /// Energy produced and drawn in the same interval, Wh.
    pub(crate) fn self_consumed_wh(&self) -> f64 {
        watt_hours(self.self_consumed_uj)
    }

    /// Energy drawn from outside, Wh.
    pub(crate) fn imported_wh(&self) -> f64 {
        watt_hours(self.consumed_uj - self.self_consumed_uj)
    }

    /// Energy given to the outside, Wh.
    pub(crate) fn exported_wh(&self) -> f64 {
        watt_hours(self.produced_uj - self.self_consumed_uj)
    }

    /// 1 − imported / consumed; none where nothing was consumed.
    pub(crate) fn autarky_rate(&self) -> Option<f64> {
        ratio(self.self_consumed_uj, self.consumed_uj)
    }

    /// Self-consumed / produced; none where nothing was produced.
    pub(crate) fn self_consumption_rate(&self) -> Option<f64> {
        ratio(self.self_consumed_uj, self.produced_uj)
    }
}

fn ratio(part_uj: u128, whole_uj: u128) -> Option<f64> {
    (whole_uj > 0).then(|| part_uj as f64 / whole_uj as f64)
}

#[cfg(test)]
mod tests;
