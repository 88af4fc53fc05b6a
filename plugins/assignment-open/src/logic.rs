//! An alternative assignment: communities of six, the lowest id that has room first.
//! It knows sizes only; who may join which community otherwise is not decided here.

use crate::bindings::exports::leyden::policy::assignment::Input;

/// Houses in a full community: twice the default, so that the effect of a swap is plain to see.
const COMMUNITY_HOUSES: u32 = 6;

/// The lowest community with room, or the first free id where all are full.
pub(crate) fn assign(input: &Input) -> u64 {
    let with_room = input
        .classes
        .iter()
        .filter(|class| class.houses < COMMUNITY_HOUSES);
    with_room
        .map(|class| class.lowest_id)
        .min()
        .unwrap_or(input.first_free_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::exports::leyden::policy::assignment::SizeClass;

    fn check(classes: &[(u32, u64)], first_free_id: u64, expected: u64) {
        let class = |&(houses, lowest_id)| SizeClass {
            houses,
            communities: 1,
            lowest_id,
        };
        let classes = classes.iter().map(class).collect();
        let input = Input {
            client_name: "Ada".to_owned(),
            classes,
            first_free_id,
        };
        assert_eq!(assign(&input), expected);
    }

    #[test]
    fn the_first_house_opens_the_first_community() {
        check(&[], 1, 1);
    }

    #[test]
    fn a_community_of_three_still_has_room() {
        check(&[(2, 3), (3, 1), (39, 100)], 4, 1);
    }

    #[test]
    fn a_community_of_six_is_full() {
        check(&[(5, 8), (6, 1)], 2, 8);
        check(&[(6, 1), (39, 100)], 2, 2);
    }
}
