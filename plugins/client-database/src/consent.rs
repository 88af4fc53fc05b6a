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
    // With more withdrawals than houses, asking one by one is cheaper.
    match within(dataset, first, last, houses.len())? {
        Some(withdrawn) => {
            let withdrawn: HashSet<String> = withdrawn.into_iter().collect();
            let is_withdrawn = |house: &String| withdrawn.contains(house);
            Ok(houses.into_iter().filter(is_withdrawn).collect())
        }
        None => withheld_one_by_one(dataset, houses),
    }
}

/// All houses from `first` to `last` that withhold the dataset, read at once; none where there are
/// more of them than `max`.
pub(crate) fn within(
    dataset: Dataset,
    first: &str,
    last: &str,
    max: usize,
) -> Result<Option<Vec<String>>> {
    let start = codec::consent_key(dataset, first);
    let end = state::key_after(&codec::consent_key(dataset, last));
    let limit = u32::try_from(max.saturating_add(1))
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
    let key = |house: &String| codec::consent_key(dataset, house).to_vec();
    let keys: Vec<_> = houses.iter().map(key).collect();
    state::prefetch(&keys)?;
    let mut withheld = Vec::new();
    for house in houses {
        if !is_granted(dataset, &house)? {
            withheld.push(house);
        }
    }
    Ok(withheld)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn withdraw(houses: &[&str]) {
        for house in houses {
            set(Dataset::Production, house, false).expect("state answers");
        }
    }

    #[test]
    fn consent_is_granted_until_withdrawn_and_per_dataset() {
        withdraw(&["a"]);
        assert_eq!(is_granted(Dataset::Production, "a"), Ok(false));
        assert_eq!(is_granted(Dataset::DetailedConsumption, "a"), Ok(true));
        set(Dataset::Production, "a", true).expect("state answers");
        assert_eq!(is_granted(Dataset::Production, "a"), Ok(true));
    }

    #[test]
    fn the_withheld_keep_the_order_of_the_question() {
        withdraw(&["a", "c", "x"]);
        let asked = names(&["d", "c", "b", "a"]);
        assert_eq!(withheld(Dataset::Production, asked), Ok(names(&["c", "a"])));
        assert_eq!(withheld(Dataset::Production, Vec::new()), Ok(Vec::new()));
    }

    #[test]
    fn many_withdrawals_between_few_houses_are_asked_one_by_one() {
        withdraw(&["a", "b", "c", "d", "e"]);
        let asked = names(&["f", "a"]);
        let read_at_once = within(Dataset::Production, "a", "f", 2);
        assert_eq!(read_at_once, Ok(None));
        let some = within(Dataset::Production, "b", "d", 3);
        assert_eq!(some, Ok(Some(names(&["b", "c", "d"]))));
        let none = within(Dataset::DetailedConsumption, "a", "f", 2);
        assert_eq!(none, Ok(Some(Vec::new())));
        assert_eq!(
            within(Dataset::Production, "d", "b", 3),
            Ok(Some(Vec::new()))
        );
        assert_eq!(withheld(Dataset::Production, asked), Ok(names(&["a"])));
    }
}
