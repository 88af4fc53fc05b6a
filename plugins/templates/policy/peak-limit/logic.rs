//! The rule: the same thresholds for every community at any time. It begins as the rule that Leyden comes with; change it.

use crate::exports::leyden::policy::peak_limit::{Input, Limits};

/// A peak opens above this, W.
const OPEN_ABOVE_W: f64 = 10_000.0;

/// An open peak closes at or below this, W: a little under the limit, so that consumption at the limit does not flap.
const CLOSE_AT_W: f64 = 9_500.0;

/// The thresholds.
pub fn limit(_input: &Input) -> Limits {
    Limits {
        open_above_w: OPEN_ABOVE_W,
        close_at_w: CLOSE_AT_W,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_that_opens_can_close() {
        for (community, at_ms, houses) in [(1, 0, 1), (4, 1_636_300_702_144, 3)] {
            let limits = limit(&Input {
                community,
                at_ms,
                houses,
            });
            assert!(limits.close_at_w <= limits.open_above_w);
        }
    }
}
