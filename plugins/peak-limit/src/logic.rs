//! The default thresholds of a peak: the same for every community at any time, with a distance
//! between opening and closing so that consumption at the limit does not flap.

use leyden_sdk::policy::peak_limit::{Input, Limits};

/// A peak opens above this, W. The limit of the project's scenario 2.
const OPEN_ABOVE_W: f64 = 10_000.0;

/// An open peak closes at or below this, W: 5 % under the limit.
const CLOSE_AT_W: f64 = 9_500.0;

const _: () = assert!(CLOSE_AT_W <= OPEN_ABOVE_W, "a peak must be able to close");

/// The thresholds, whatever the community and the instant.
pub(crate) fn limit(_input: &Input) -> Limits {
    Limits {
        open_above_w: OPEN_ABOVE_W,
        close_at_w: CLOSE_AT_W,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_community_has_the_same_limits() {
        for (community, at_ms, houses) in [(1, 0, 1), (4, 1_636_300_702_144, 3)] {
            let limits = limit(&Input {
                community,
                at_ms,
                houses,
            });
            assert_eq!(
                (limits.open_above_w, limits.close_at_w),
                (10_000.0, 9_500.0)
            );
        }
    }
}
