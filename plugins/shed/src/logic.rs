//! The rule of the default shedding: every flexible load that draws power stops, the strongest
//! first, so that the order in which charges are made up for does not hang on the houses' ids. It
//! does not weigh loads against the excess.

use leyden_sdk::policy::shed::Input;

/// Indices of all loads that draw power, the strongest first, equals in the order given.
pub(crate) fn shed(input: &Input) -> Vec<u32> {
    let drawing = (0_u32..)
        .zip(&input.loads)
        .filter(|(_, load)| load.power_w > 0.0);
    let mut drawing: Vec<_> = drawing.collect();
    drawing.sort_by(|(_, one), (_, other)| other.power_w.total_cmp(&one.power_w));
    drawing.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::policy::shed::Load;

    fn check(powers_w: &[f64], expected: &[u32]) {
        let load = |&power_w| Load {
            house: "h".to_owned(),
            object: "Car".to_owned(),
            power_w,
            ends_at_ms: 2,
            last_shed_at_ms: None,
        };
        let loads = powers_w.iter().map(load).collect();
        let input = Input {
            now_ms: 1,
            community: 4,
            consumption_w: 13_100.0,
            limit_w: 10_000.0,
            loads,
        };
        assert_eq!(shed(&input), expected);
    }

    #[test]
    fn every_load_that_draws_stops() {
        check(&[9_000.0, 1_300.0, 1_300.0], &[0, 1, 2]);
    }

    #[test]
    fn the_strongest_stops_first_and_equals_keep_their_order() {
        check(&[1_300.0, 9_000.0, 1_300.0], &[1, 0, 2]);
    }

    #[test]
    fn a_load_that_draws_nothing_is_left_alone() {
        check(&[0.0, 1_300.0], &[1]);
        check(&[], &[]);
    }
}
