//! The rule of the default assignment: communities of three, the lowest id that has room first.
//! It knows sizes only; who may join which community otherwise is not decided here.

use leyden_sdk::policy::assignment::Input;

/// Houses in a full community. The project's scenario 2 has communities of three.
const COMMUNITY_HOUSES: u32 = 3;

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
    use leyden_sdk::policy::assignment::SizeClass;

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
    fn a_community_with_room_is_filled_before_a_new_one_opens() {
        check(&[(2, 3), (3, 1), (39, 100)], 4, 3);
    }

    #[test]
    fn a_full_community_takes_nobody() {
        check(&[(3, 1), (39, 100)], 4, 4);
    }

    #[test]
    fn among_communities_with_room_the_lowest_id_comes_first() {
        check(&[(1, 9), (2, 7), (3, 1)], 2, 7);
        check(&[(1, 4), (2, 7), (3, 1)], 2, 4);
    }
}
