//! Alternative thresholds of a peak: they follow the time of day, because the grid does. On workday evenings
//! everybody cooks and comes home to charge, so a community may draw less; at night the lines are idle, so it
//! may draw more. All communities have the same limits.
//!
//! Hours are those of Central European Time with its summer time ([`Civil`]); holidays are no exception. A limit
//! holds from the minute its hour begins: a peak that is open then closes by the new limit.

use leyden_sdk::civil::Civil;
use leyden_sdk::policy::peak_limit::{Input, Limits};

/// Workday evenings, hours: the hours in which a residential grid is loaded most.
const EVENING_H: (u32, u32) = (17, 21);

/// Nights, of every day, hours.
const NIGHT_H: (u32, u32) = (22, 6);

/// A peak opens above this on workday evenings, W: a fifth less than by day.
const EVENING_W: f64 = 8_000.0;

/// A peak opens above this at any other time, W: as by the default policy.
const DAY_W: f64 = 10_000.0;

/// A peak opens above this at night, W: half as much again as by day.
const NIGHT_W: f64 = 15_000.0;

/// An open peak closes at or below this share of the limit, as by the default policy, so that consumption at
/// the limit does not flap.
const CLOSE_SHARE: f64 = 0.95;

const _: () = assert!(CLOSE_SHARE <= 1.0, "a peak must be able to close");

/// The thresholds at the instant that is judged.
pub(crate) fn limit(input: &Input) -> Limits {
    let open_above_w = limit_w(Civil::at_ms(input.at_ms));
    Limits {
        open_above_w,
        close_at_w: open_above_w * CLOSE_SHARE,
    }
}

fn limit_w(now: Civil) -> f64 {
    if now.is_workday() && now.is_within(EVENING_H.0, EVENING_H.1) {
        EVENING_W
    } else if now.is_within(NIGHT_H.0, NIGHT_H.1) {
        NIGHT_W
    } else {
        DAY_W
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::time::parse_ms;

    /// Checks the limit at an instant.
    fn check(instant: &str, open_above_w: f64, close_at_w: f64) {
        let limits = limit(&Input {
            community: 4,
            at_ms: parse_ms(instant).expect("an instant"),
            houses: 3,
        });
        let found = (limits.open_above_w, limits.close_at_w);
        assert_eq!(found, (open_above_w, close_at_w), "{instant}");
    }

    #[test]
    fn workday_evenings_are_tighter_from_the_first_minute_to_the_last() {
        check("2021-11-08T16:59:59.999+01:00", 10_000.0, 9_500.0);
        check("2021-11-08T17:00:00+01:00", 8_000.0, 7_600.0);
        check("2021-11-12T20:59:59.999+01:00", 8_000.0, 7_600.0);
        check("2021-11-12T21:00:00+01:00", 10_000.0, 9_500.0);
    }

    #[test]
    fn weekends_have_no_tight_evening() {
        check("2021-11-06T18:00:00+01:00", 10_000.0, 9_500.0);
        check("2021-11-07T18:00:00+01:00", 10_000.0, 9_500.0);
    }

    #[test]
    fn nights_are_wider_on_every_day() {
        for day in 1..=7 {
            check(&format!("2021-11-0{day}T21:59:59+01:00"), 10_000.0, 9_500.0);
            check(
                &format!("2021-11-0{day}T22:00:00+01:00"),
                15_000.0,
                14_250.0,
            );
            check(
                &format!("2021-11-0{day}T05:59:59+01:00"),
                15_000.0,
                14_250.0,
            );
            check(&format!("2021-11-0{day}T06:00:00+01:00"), 10_000.0, 9_500.0);
        }
    }

    #[test]
    fn in_summer_the_hours_stay_those_of_the_clock() {
        check("2021-07-14T17:00:00+02:00", 8_000.0, 7_600.0);
        check("2021-07-14T16:59:59+02:00", 10_000.0, 9_500.0);
        // The hour that summer time leaves out, and the one that it repeats, are night hours.
        check("2021-03-28T01:00:00Z", 15_000.0, 14_250.0);
        check("2021-10-31T01:00:00Z", 15_000.0, 14_250.0);
    }
}
