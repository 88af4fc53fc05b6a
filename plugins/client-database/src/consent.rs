//! Consent per household and dataset. A household consents unless it has withdrawn: only
//! withdrawals are stored.

use crate::codec;
use leyden_sdk::Result;
use leyden_sdk::grid::client_registry::Dataset;
use leyden_sdk::state::{self, Order};
use std::collections::HashSet;

/// Whether a house grants a dataset.
pub(crate) fn is_granted(dataset: Dataset, house: &str) -> Result<bool> {
    Ok(state::get(&codec::consent_key(dataset, house))?.is_none())
}

/// Grants or withdraws a dataset.
pub(crate) fn set(dataset: Dataset, house: &str, granted: bool) -> Result<()> {
    let key = codec::consent_key(dataset, house);
    if granted {
        state::delete(&key)
    } else {
        state::set(&key, &[])
    }
}

/// Of these houses, those that withhold the dataset, in their order.
pub(crate) fn withheld(dataset: Dataset, houses: Vec<String>) -> Result<Vec<String>> {
    let (Some(first), Some(last)) = (houses.iter().min(), houses.iter().max()) else {
        return Ok(Vec::new());
    };
    match withdrawals(dataset, first, last, houses.len())? {
        Some(withdrawn) => Ok(houses
            .into_iter()
            .filter(|house| withdrawn.contains(house))
            .collect()),
        None => withheld_one_by_one(dataset, houses),
    }
}

/// All houses from `first` to `last` that withhold the dataset, read at once; none where there are
/// more of them than `houses`, so that asking one by one is cheaper.
fn withdrawals(
    dataset: Dataset,
    first: &str,
    last: &str,
    houses: usize,
) -> Result<Option<HashSet<String>>> {
    let start = codec::consent_key(dataset, first);
    let end = state::key_after(&codec::consent_key(dataset, last));
    let limit = u32::try_from(houses + 1)
        .unwrap_or(u32::MAX)
        .min(state::SCAN_ENTRIES_MAX);
    let entries = state::scan(&start, Some(&end), Order::Ascending, limit)?;
    if entries.len() >= limit as usize {
        return Ok(None);
    }
    let prefix = codec::consent_prefix(dataset).len();
    let house = |key: &[u8]| {
        String::from_utf8(key[prefix..].to_vec()).expect("state holds a house's id here")
    };
    Ok(Some(
        entries.iter().map(|entry| house(&entry.key)).collect(),
    ))
}

fn withheld_one_by_one(dataset: Dataset, houses: Vec<String>) -> Result<Vec<String>> {
    let mut withheld = Vec::new();
    for house in houses {
        if !is_granted(dataset, &house)? {
            withheld.push(house);
        }
    }
    Ok(withheld)
}
