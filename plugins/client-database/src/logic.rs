//! The registry's rules without its state: what a registration must look like, which communities
//! change size, how datasets are called, how houses look in JSON.

use leyden_sdk::grid::client_registry::{Dataset, House, Registration};
use leyden_sdk::http::check_name;
use serde::Serialize;

/// Highest community id: the last whole number that every JSON reader holds exactly.
pub(crate) const COMMUNITY_MAX: u64 = (1 << 53) - 1;

/// Most houses one answer lists, with or without `limit`; about 25 MB of JSON.
pub(crate) const HOUSES_PER_ANSWER_MAX: u64 = 200_000;

/// Datasets and what they are called in requests, as in the WIT.
pub(crate) const DATASETS: [(&str, Dataset); 3] = [
    ("global-consumption", Dataset::GlobalConsumption),
    ("production", Dataset::Production),
    ("detailed-consumption", Dataset::DetailedConsumption),
];

/// A house in JSON.
#[derive(Serialize)]
pub(crate) struct HouseView<'a> {
    id: &'a str,
    client_name: &'a str,
    #[serde(rename = "communityID")]
    community: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    household: Option<&'a str>,
}

impl<'a> From<&'a House> for HouseView<'a> {
    fn from(house: &'a House) -> Self {
        Self {
            id: &house.id,
            client_name: &house.client_name,
            community: house.community,
            household: house.household.as_deref(),
        }
    }
}

/// The dataset of a name.
pub(crate) fn dataset(name: &str) -> Option<Dataset> {
    DATASETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, dataset)| *dataset)
}

/// The rule a registration breaks, in words, if it breaks one.
pub(crate) fn check(registration: &Registration) -> Option<String> {
    let name = check_name(&registration.client_name).map(|rule| format!("`client_name` {rule}."));
    let household = registration.household.as_deref().and_then(check_name);
    let household = household.map(|rule| format!("`household` {rule}."));
    let range = 1..=COMMUNITY_MAX;
    let community = registration
        .community
        .is_some_and(|id| !range.contains(&id));
    let community =
        community.then(|| format!("`communityID` must be at least 1 and at most {COMMUNITY_MAX}."));
    name.or(household).or(community)
}

/// The first id at or after `from` that is missing in `used` (ascending, all at or after `from`).
pub(crate) fn first_gap(from: u64, used: impl IntoIterator<Item = u64>) -> u64 {
    let mut free = from;
    for id in used {
        if id != free {
            break;
        }
        free += 1;
    }
    free
}

/// A class of communities of one size, after one of them came or went; none where none is left.
pub(crate) fn resized(communities: u32, grows: bool) -> Option<u32> {
    let communities = if grows {
        communities.saturating_add(1)
    } else {
        communities.saturating_sub(1)
    };
    (communities > 0).then_some(communities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(name: &str, community: Option<u64>, household: Option<&str>) -> Registration {
        Registration {
            client_name: name.into(),
            community,
            household: household.map(str::to_owned),
        }
    }

    #[test]
    fn good_registrations_break_no_rule() {
        assert_eq!(check(&registration("Jean-Paul", None, None)), None);
        assert_eq!(
            check(&registration("é", Some(COMMUNITY_MAX), Some("sgsc-1"))),
            None
        );
    }

    #[test]
    fn bad_registrations_name_the_field() {
        let cases = [
            (registration("", None, None), "`client_name`"),
            (registration(&"x".repeat(201), None, None), "`client_name`"),
            (registration("x", Some(0), None), "`communityID`"),
            (
                registration("x", Some(COMMUNITY_MAX + 1), None),
                "`communityID`",
            ),
            (registration("x", None, Some(" ")), "`household`"),
        ];
        for (registration, field) in cases {
            let rule = check(&registration).expect("it breaks a rule");
            assert!(rule.starts_with(field), "{rule}");
        }
    }

    #[test]
    fn the_first_gap_is_the_lowest_free_id() {
        assert_eq!(first_gap(1, []), 1);
        assert_eq!(first_gap(1, [1, 2, 3, 100]), 4);
        assert_eq!(first_gap(2, [3]), 2);
    }

    #[test]
    fn an_empty_class_goes_away() {
        assert_eq!(resized(1, false), None);
        assert_eq!(resized(0, true), Some(1));
        assert_eq!(resized(2, false), Some(1));
    }

    #[test]
    fn a_house_shows_its_household_only_where_it_has_one() {
        let mut house = House {
            id: "i".into(),
            client_name: "n".into(),
            community: 4,
            household: None,
        };
        let shown = serde_json::to_string(&HouseView::from(&house)).expect("a house is JSON");
        assert_eq!(shown, r#"{"id":"i","client_name":"n","communityID":4}"#);
        house.household = Some("m".into());
        let shown = serde_json::to_string(&HouseView::from(&house)).expect("a house is JSON");
        assert!(shown.ends_with(r#""household":"m"}"#));
    }

    #[test]
    fn datasets_have_their_names() {
        assert_eq!(dataset("production"), Some(Dataset::Production));
        assert_eq!(dataset("weather"), None);
    }
}
