//! An alternative price list: what a partner pays follows the time at which it reads. On workday evenings the
//! host is busy with the community itself, so reading then costs twice the day's price; at night it has time,
//! so reading costs half. Who is trusted further than a dataset needs pays less: what it has proved once (an
//! audit, a contract) spares work on each read.
//!
//! Trust levels are those of the default policy: only prices move. It is the instant of the request that counts,
//! not that of the data. Hours are those of Central European Time with its summer time ([`Civil`]). It knows
//! neither consent nor balances; those are checked after it.

use leyden_sdk::civil::Civil;
use leyden_sdk::policy::access::{Compute, Dataset, Decision, Input};

/// Workday evenings, hours.
const EVENING_H: (u32, u32) = (17, 21);

/// Nights, of every day, hours.
const NIGHT_H: (u32, u32) = (22, 6);

/// What is taken off for each trust level beyond the one that a dataset needs, percent.
const DISCOUNT_PERCENT: u64 = 10;

/// Most levels that are counted for the discount: data never cost less than 70 % of the hour's price.
const DISCOUNT_LEVELS_MAX: u32 = 3;

/// When something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Band {
    /// A workday evening.
    Evening,
    /// A night.
    Night,
    /// Any other time.
    Day,
}

impl Band {
    fn at_ms(at_ms: u64) -> Self {
        let now = Civil::at_ms(at_ms);
        if now.is_workday() && now.is_within(EVENING_H.0, EVENING_H.1) {
            Self::Evening
        } else if now.is_within(NIGHT_H.0, NIGHT_H.1) {
            Self::Night
        } else {
            Self::Day
        }
    }

    /// What part of the day's price is asked, percent.
    fn percent(self) -> u64 {
        match self {
            Self::Evening => 200,
            Self::Day => 100,
            Self::Night => 50,
        }
    }
}

/// What one read of a dataset asks for by day.
struct Terms {
    /// Datapoints a read that finds data costs.
    price_datapoints: u64,
    /// Lowest trust level that may read it.
    trust_level_min: u32,
}

/// The terms of a dataset by day: those of the default policy.
fn terms(dataset: Dataset) -> Terms {
    let (price_datapoints, trust_level_min) = match dataset {
        Dataset::GlobalConsumption => (50, 1),
        Dataset::Production => (70, 2),
        Dataset::DetailedConsumption => (100, 3),
    };
    Terms {
        price_datapoints,
        trust_level_min,
    }
}

/// Grants a read at the hour's price, or names the trust level it would need.
pub(crate) fn decide(input: &Input) -> Decision {
    let terms = terms(input.dataset);
    let Some(beyond) = input.trust_level.checked_sub(terms.trust_level_min) else {
        return Decision::NotTrusted(terms.trust_level_min);
    };
    let discount_percent = u64::from(beyond.min(DISCOUNT_LEVELS_MAX)) * DISCOUNT_PERCENT;
    let percent = Band::at_ms(input.at_ms).percent() * (100 - discount_percent);
    Decision::Granted((terms.price_datapoints * percent).div_ceil(100 * 100))
}

/// What 1,000,000,000 units of fuel cost, whatever the trust: computing at night is free, so that long reports
/// are made then.
pub(crate) fn compute_price(input: &Compute) -> u64 {
    match Band::at_ms(input.at_ms) {
        Band::Evening => 4,
        Band::Day => 2,
        Band::Night => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::time::parse_ms;

    /// A Monday, in winter.
    const EVENING: &str = "2021-11-08T17:00:00+01:00";
    const NIGHT: &str = "2021-11-08T22:00:00+01:00";
    const DAY: &str = "2021-11-08T06:00:00+01:00";

    fn price(dataset: Dataset, trust_level: u32, instant: &str) -> Result<u64, u32> {
        let decision = decide(&Input {
            dataset,
            trust_level,
            at_ms: parse_ms(instant).expect("an instant"),
        });
        match decision {
            Decision::Granted(price) => Ok(price),
            Decision::NotTrusted(needed) => Err(needed),
        }
    }

    /// Checks the prices of a dataset at the lowest trust level: in the evening, by day, at night.
    fn check(dataset: Dataset, trust_level: u32, prices: [u64; 3]) {
        let found = [EVENING, DAY, NIGHT].map(|instant| price(dataset, trust_level, instant));
        assert_eq!(found, prices.map(Ok));
        for instant in [EVENING, DAY, NIGHT] {
            assert_eq!(price(dataset, trust_level - 1, instant), Err(trust_level));
        }
    }

    #[test]
    fn each_dataset_has_the_hour_s_price_and_its_trust_level() {
        check(Dataset::GlobalConsumption, 1, [100, 50, 25]);
        check(Dataset::Production, 2, [140, 70, 35]);
        check(Dataset::DetailedConsumption, 3, [200, 100, 50]);
    }

    #[test]
    fn further_trust_is_cheaper_up_to_a_bound() {
        let production = |level, instant| price(Dataset::Production, level, instant);
        assert_eq!(production(3, DAY), Ok(63));
        assert_eq!(production(4, DAY), Ok(56));
        assert_eq!(production(5, DAY), Ok(49));
        assert_eq!(production(6, DAY), Ok(49));
        assert_eq!(production(u32::MAX, EVENING), Ok(98));
        assert_eq!(production(3, NIGHT), Ok(32), "31.5 is rounded up");
    }

    #[test]
    fn the_hours_are_those_of_the_clock_and_weekends_have_no_dear_evening() {
        let production = |instant| price(Dataset::Production, 2, instant);
        assert_eq!(production("2021-11-08T16:59:59.999+01:00"), Ok(70));
        assert_eq!(production("2021-11-08T20:59:59.999+01:00"), Ok(140));
        assert_eq!(production("2021-11-08T21:00:00+01:00"), Ok(70));
        assert_eq!(production("2021-11-09T05:59:59+01:00"), Ok(35));
        assert_eq!(production("2021-11-06T18:00:00+01:00"), Ok(70));
        assert_eq!(production("2021-11-06T23:00:00+01:00"), Ok(35));
        assert_eq!(production("2021-07-14T17:00:00+02:00"), Ok(140));
        assert_eq!(production("2021-07-14T16:59:59+02:00"), Ok(70));
    }

    #[test]
    fn computing_follows_the_hour_whatever_the_trust() {
        for trust_level in [0, 3, u32::MAX] {
            let price = |instant| {
                compute_price(&Compute {
                    trust_level,
                    at_ms: parse_ms(instant).expect("an instant"),
                })
            };
            assert_eq!([EVENING, DAY, NIGHT].map(price), [4, 2, 0]);
        }
    }
}
