//! The rule: every flexible load that draws power stops, the strongest first. It begins as the rule that Leyden comes with;
//! change it.

use crate::exports::leyden::policy::shed::Input;

/// Indices of all loads that draw power, the strongest first, equals in the order given.
pub fn shed(input: &Input) -> Vec<u32> {
    let drawing = (0..)
        .zip(&input.loads)
        .filter(|(_, load)| load.power_w > 0.0);
    let mut drawing: Vec<(u32, f64)> = drawing.map(|(index, load)| (index, load.power_w)).collect();
    drawing.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    drawing.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exports::leyden::policy::shed::Load;

    /// What stops of loads with these powers, W.
    fn stops(powers_w: &[f64]) -> Vec<u32> {
        let load = |&power_w| Load {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w,
            ends_at_ms: 2,
            last_shed_at_ms: None,
        };
        shed(&Input {
            now_ms: 1,
            community: 4,
            consumption_w: 13_100.0,
            limit_w: 10_000.0,
            loads: powers_w.iter().map(load).collect(),
        })
    }

    #[test]
    fn the_strongest_stops_first() {
        assert_eq!(stops(&[1_300.0, 9_000.0, 1_300.0]), [1, 0, 2]);
    }

    #[test]
    fn what_draws_nothing_is_left_alone() {
        assert_eq!(stops(&[0.0, 1_300.0]), [1]);
        assert!(stops(&[]).is_empty());
    }
}
