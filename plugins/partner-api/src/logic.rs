//! The rules of a sale: which checks a partner's read passes in which order, what it costs and
//! what it leaves out. The world outside comes in as a [`Desk`], so the order is tested without a
//! host.

use leyden_sdk::policy::access::{Dataset, Decision};
use leyden_sdk::{Error, Result};
use std::collections::HashSet;

/// Most datapoints of one credit: far above any price, far below what a ledger account can hold.
pub(crate) const CREDIT_MAX: u64 = 1_000_000_000_000;

/// The highest trust level an operator can give.
pub(crate) const TRUST_LEVEL_MAX: u64 = 10;

/// A registered partner as a sale needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Partner {
    /// How far the operator trusts it.
    pub(crate) trust_level: u32,
    /// Secret that its pseudonyms are made with.
    pub(crate) key: [u8; 32],
}

impl Partner {
    /// Four bytes of the trust level, big-endian, and the key.
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.trust_level.to_be_bytes()[..], &self.key].concat()
    }

    /// The reverse of [`Partner::encode`]; none where the bytes have another shape.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (trust_level, key) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            trust_level: u32::from_be_bytes(*trust_level),
            key: key.try_into().ok()?,
        })
    }
}

/// What a sale needs of the world outside.
pub(crate) trait Desk {
    /// What is sold.
    type Goods;

    /// The partner who asks.
    fn identify(&mut self) -> Result<Partner>;

    /// What the access policy says of this trust level.
    fn decide(&mut self, trust_level: u32) -> Decision;

    /// What there is, without the households that withhold it; none where nothing is left.
    fn consented(&mut self, partner: &Partner) -> Result<Option<Self::Goods>>;

    /// Datapoints the partner holds.
    fn balance(&mut self) -> Result<u64>;

    /// Takes the price from the partner.
    fn charge(&mut self, price: u64) -> Result<()>;
}

/// Sells one read of `dataset`. Checks come in this order: identity, trust, consent, balance; a
/// refusal charges nothing, nor does a read that finds nothing.
pub(crate) fn sell<D: Desk>(desk: &mut D, dataset: Dataset) -> Result<Option<D::Goods>> {
    let partner = desk.identify()?;
    let price = match desk.decide(partner.trust_level) {
        Decision::Granted(price) => price,
        Decision::NotTrusted(needed) => return Err(not_trusted(dataset, &partner, needed)),
    };
    let Some(goods) = desk.consented(&partner)? else {
        return Ok(None);
    };
    if price > 0 {
        let held = desk.balance()?;
        if held < price {
            return Err(too_expensive(dataset, price, held));
        }
        desk.charge(price)?;
    }
    Ok(Some(goods))
}

fn not_trusted(dataset: Dataset, partner: &Partner, needed: u32) -> Error {
    let (name, given) = (name(dataset), partner.trust_level);
    Error::forbidden(format!(
        "Reading {name} needs trust level {needed}; this partner has {given}. Nothing was charged."
    ))
}

fn too_expensive(dataset: Dataset, price: u64, held: u64) -> Error {
    let name = name(dataset);
    Error::payment_required(format!(
        "Reading {name} costs {price} datapoints; this partner holds {held}. Nothing was charged."
    ))
}

/// A dataset as refusals and ledger entries name it.
pub(crate) fn name(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::GlobalConsumption => "global consumption",
        Dataset::Production => "production",
        Dataset::DetailedConsumption => "detailed consumption",
    }
}

/// The ledger account of a partner.
pub(crate) fn account(partner_id: &str) -> String {
    format!("partner/{partner_id}")
}

/// The rows of households that are not among the `withheld`.
pub(crate) fn consenting<T>(
    rows: Vec<T>,
    house: impl Fn(&T) -> &str,
    withheld: &[String],
) -> Vec<T> {
    let withheld: HashSet<&str> = withheld.iter().map(String::as_str).collect();
    rows.into_iter()
        .filter(|row| !withheld.contains(house(row)))
        .collect()
}

/// What consenting households drew together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    /// Sum in whole mW, so that the order of households does not matter.
    power_mw: u128,
    /// Households in it.
    pub(crate) households: u64,
}

impl Total {
    /// Adds a household's mean power, W.
    pub(crate) fn add(&mut self, power_w: f64) {
        self.power_mw += (power_w * 1_000.0).round() as u128;
        self.households += 1;
    }

    /// Mean power, W.
    pub(crate) fn power_w(&self) -> f64 {
        self.power_mw as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests;
