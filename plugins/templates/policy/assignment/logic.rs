//! The rule: communities of three, the lowest id that has room first. It begins as the rule that Leyden comes with; change it.

use crate::exports::leyden::policy::assignment::Input;

/// Houses in a full community.
const COMMUNITY_HOUSES: u32 = 3;

/// The lowest community with room, or the first free id where all are full.
pub fn assign(input: &Input) -> u64 {
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
    use crate::exports::leyden::policy::assignment::SizeClass;

    /// Communities as (houses, lowest id).
    fn joins(classes: &[(u32, u64)], first_free_id: u64) -> u64 {
        let class = |&(houses, lowest_id)| SizeClass {
            houses,
            communities: 1,
            lowest_id,
        };
        assign(&Input {
            client_name: "Ada".to_owned(),
            classes: classes.iter().map(class).collect(),
            first_free_id,
        })
    }

    #[test]
    fn the_first_house_opens_the_first_community() {
        assert_eq!(joins(&[], 1), 1);
    }

    #[test]
    fn a_community_with_room_comes_before_a_new_one() {
        assert_eq!(joins(&[(2, 3), (3, 1)], 4), 3);
        assert_eq!(joins(&[(3, 1)], 4), 4);
    }
}
