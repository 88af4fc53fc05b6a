//! When a peak opens and when it is over. A community has at most one open peak: between the two
//! thresholds nothing changes. Only closed balances with a measured consumption count, and never
//! one older than the last judged; a correction of the last one is judged again.

use leyden_sdk::grid::events::Balance;
use leyden_sdk::policy::peak_limit::{Input, Limits};

/// What is kept of a community.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// Start of the last judged interval, ms since 1970.
    pub(crate) judged_ms: u64,
    /// Whether a peak is open.
    pub(crate) open: bool,
}

impl State {
    const LEN: usize = 9;

    /// Eight bytes of the instant, big-endian, and one of the flag.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = self.judged_ms.to_be_bytes().to_vec();
        bytes.push(u8::from(self.open));
        bytes
    }

    /// The reverse of [`State::encode`]; none where the bytes have another shape.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (judged, open) = bytes.split_first_chunk::<8>()?;
        let state = Self {
            judged_ms: u64::from_be_bytes(*judged),
            open: open == [1],
        };
        (bytes.len() == Self::LEN).then_some(state)
    }
}

/// An open peak as it is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OpenPeak {
    /// Start of the interval it opened in, ms since 1970.
    pub(crate) since_ms: u64,
    /// Consumption that opened it, mW.
    pub(crate) value_mw: u64,
}

impl OpenPeak {
    /// Two big-endian numbers of eight bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        [self.since_ms.to_be_bytes(), self.value_mw.to_be_bytes()].concat()
    }

    /// The reverse of [`OpenPeak::encode`]; none where the bytes have another shape.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (since, value) = bytes.split_first_chunk::<8>()?;
        let value_mw = u64::from_be_bytes(value.try_into().ok()?);
        Some(Self {
            since_ms: u64::from_be_bytes(*since),
            value_mw,
        })
    }
}

/// What a judgement sets off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// A peak opened at this consumption, mW.
    Opened(u64),
    /// The open peak is over at this consumption, mW.
    Closed(u64),
}

/// The consumption to judge, mW; none where this balance is not to be judged.
pub(crate) fn due(former: Option<State>, balance: &Balance) -> Option<u64> {
    let late = former.is_some_and(|state| balance.interval.starts_at_ms < state.judged_ms);
    balance.consumption_mw.filter(|_| balance.closed && !late)
}

/// What the policy is asked about a balance.
pub(crate) fn policy_input(balance: &Balance) -> Input {
    Input {
        community: balance.community,
        at_ms: balance.interval.starts_at_ms,
        houses: balance.houses,
    }
}

/// Checks the policy's answer against its contract; the error says what is wrong with it.
pub(crate) fn check_limits(limits: &Limits) -> Result<(), String> {
    let ordered = limits.close_at_w <= limits.open_above_w;
    if ordered && limits.open_above_w.is_finite() && limits.close_at_w.is_finite() {
        return Ok(());
    }
    Err(format!(
        "the peak-limit policy opens above {} W and closes at {} W: \
         both must be finite and the second not above the first",
        limits.open_above_w, limits.close_at_w
    ))
}

/// The state after a balance and what it sets off. A community starts without a peak.
pub(crate) fn judge(
    former: Option<State>,
    starts_at_ms: u64,
    consumption_mw: u64,
    limits: &Limits,
) -> (State, Option<Change>) {
    let was_open = former.is_some_and(|state| state.open);
    let power_w = watts(consumption_mw);
    let change = match was_open {
        false if power_w > limits.open_above_w => Some(Change::Opened(consumption_mw)),
        true if power_w <= limits.close_at_w => Some(Change::Closed(consumption_mw)),
        _ => None,
    };
    let open = was_open != change.is_some();
    (
        State {
            judged_ms: starts_at_ms,
            open,
        },
        change,
    )
}

/// mW as W. Exact below 2^53 mW, which is nine thousand gigawatts.
pub(crate) fn watts(power_mw: u64) -> f64 {
    power_mw as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::grid::events::Interval;

    const LIMITS: Limits = Limits {
        open_above_w: 10_000.0,
        close_at_w: 9_500.0,
    };

    fn balance(minute: u64, consumption_mw: Option<u64>, closed: bool) -> Balance {
        let interval = Interval {
            starts_at_ms: minute * 60_000,
            ends_at_ms: (minute + 1) * 60_000,
        };
        Balance {
            community: 4,
            interval,
            consumption_mw,
            production_mw: None,
            houses: 3,
            closed,
        }
    }

    /// Judges consumption given in W minute by minute and returns what it set off.
    fn check(powers_w: &[u64], expected: &[Option<Change>]) {
        let mut state = None;
        for (minute, (power_w, expected)) in (0..).zip(powers_w.iter().zip(expected)) {
            let mw = due(state, &balance(minute, Some(power_w * 1_000), true)).expect("due");
            let (next, change) = judge(state, minute * 60_000, mw, &LIMITS);
            assert_eq!(change, *expected, "at minute {minute}");
            state = Some(next);
        }
    }

    #[test]
    fn a_lasting_peak_opens_once_and_closes_once() {
        let opened = Some(Change::Opened(13_100_000));
        let closed = Some(Change::Closed(1_500_000));
        check(
            &[1_500, 13_100, 13_200, 12_000, 1_500, 1_500],
            &[None, opened, None, None, closed, None],
        );
    }

    #[test]
    fn the_limit_itself_is_no_peak() {
        check(&[10_000, 10_001], &[None, Some(Change::Opened(10_001_000))]);
    }

    #[test]
    fn between_the_thresholds_nothing_changes() {
        let opened = Some(Change::Opened(10_500_000));
        check(
            &[9_800, 10_500, 9_800, 9_501, 9_500, 9_800],
            &[
                None,
                opened,
                None,
                None,
                Some(Change::Closed(9_500_000)),
                None,
            ],
        );
    }

    #[test]
    fn a_milliwatt_over_the_limit_counts() {
        let (state, change) = judge(None, 0, 10_000_001, &LIMITS);
        assert_eq!(
            (state.open, change),
            (true, Some(Change::Opened(10_000_001)))
        );
    }

    #[test]
    fn only_closed_and_measured_balances_are_judged() {
        assert_eq!(due(None, &balance(5, Some(1), true)), Some(1));
        assert_eq!(due(None, &balance(5, Some(1), false)), None);
        assert_eq!(due(None, &balance(5, None, true)), None);
    }

    #[test]
    fn a_correction_of_the_last_interval_is_judged_and_an_older_one_is_not() {
        let state = Some(State {
            judged_ms: 5 * 60_000,
            open: false,
        });
        assert_eq!(due(state, &balance(5, Some(7), true)), Some(7));
        assert_eq!(due(state, &balance(4, Some(7), true)), None);
    }

    #[test]
    fn limits_that_cross_or_are_not_numbers_are_refused() {
        let limits = |open_above_w, close_at_w| Limits {
            open_above_w,
            close_at_w,
        };
        assert!(check_limits(&LIMITS).is_ok());
        assert!(check_limits(&limits(9_000.0, 9_000.0)).is_ok());
        assert!(check_limits(&limits(9_000.0, 9_001.0)).is_err());
        assert!(check_limits(&limits(f64::INFINITY, 1.0)).is_err());
        assert!(check_limits(&limits(1.0, f64::NAN)).is_err());
    }

    #[test]
    fn state_survives_its_encoding() {
        for open in [false, true] {
            let state = State {
                judged_ms: 1_636_300_702_144,
                open,
            };
            assert_eq!(State::decode(&state.encode()), Some(state));
        }
        let peak = OpenPeak {
            since_ms: 1_636_300_702_144,
            value_mw: 13_100_000,
        };
        assert_eq!(OpenPeak::decode(&peak.encode()), Some(peak));
        assert_eq!(State::decode(&[1, 2]), None);
        assert_eq!(OpenPeak::decode(&[0; 15]), None);
    }
}
