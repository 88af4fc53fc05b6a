//! The registry in state. The assignment policy is another component; here communities are given.

use super::*;

fn add(community: u64, household: Option<&str>) -> Result<House, RegistryError> {
    let household = household.map(str::to_owned);
    register(Registration {
        client_name: "Ada".into(),
        community: Some(community),
        household,
    })
}

/// Fills communities with so many houses each.
fn settle(communities: &[(u64, u32)]) {
    for (community, houses) in communities {
        for _ in 0..*houses {
            add(*community, None).expect("it is registered");
        }
    }
}

fn classes() -> Vec<(u32, u32, u64)> {
    let classes = size_classes().expect("state answers");
    classes
        .iter()
        .map(|class| (class.houses, class.communities, class.lowest_id))
        .collect()
}

fn first_free() -> Option<u64> {
    state::get_u64(codec::FIRST_FREE).expect("state answers")
}

#[test]
fn size_classes_match_the_communities() {
    settle(&[(100, 39), (1, 3), (2, 3), (3, 2)]);
    assert_eq!(classes(), [(2, 1, 3), (3, 2, 1), (39, 1, 100)]);
    settle(&[(3, 1)]);
    assert_eq!(classes(), [(3, 3, 1), (39, 1, 100)]);
}

#[test]
fn the_first_free_id_passes_what_is_in_use() {
    settle(&[(2, 1), (3, 1)]);
    assert_eq!(first_free(), None);
    settle(&[(1, 1)]);
    assert_eq!(first_free(), Some(4));
}

#[test]
fn the_first_free_id_is_found_over_many_communities() {
    let last = u64::from(GAP_PAGE) * 2 + 1;
    settle(&(2..=last).map(|id| (id, 1)).collect::<Vec<_>>());
    settle(&[(1, 1)]);
    assert_eq!(first_free(), Some(last + 1));
}

#[test]
fn a_household_belongs_to_one_house() {
    let house = add(1, Some("sgsc-1")).expect("it is registered");
    assert_eq!(
        add(1, Some("sgsc-1")),
        Err(RegistryError::HouseholdTaken("sgsc-1".into()))
    );
    assert_eq!(houses_in(1), Ok(Some(1)));
    assert_eq!(find("sgsc-1"), Ok(Some(house.clone())));
    assert_eq!(find(&house.id), Ok(Some(house)));
    assert_eq!(find("sgsc-2"), Ok(None));
}

#[test]
fn pages_cover_all_houses_once() {
    settle(&[(1, 7)]);
    let all = houses(None, 100).expect("state answers");
    let mut paged = houses(None, 3).expect("state answers");
    paged.extend(houses(Some(&paged[2].id), 100).expect("state answers"));
    assert_eq!((all.len(), &all), (7, &paged));
}

#[test]
fn names_that_cannot_be_keys_find_nothing() {
    for name in [String::new(), "x".repeat(5_000)] {
        assert_eq!((get(&name), find(&name)), (Ok(None), Ok(None)));
    }
}
