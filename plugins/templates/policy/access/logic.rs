//! The rule: each dataset has its price and the trust level that opens it; computing is free. It begins as the rule that
//! Leyden comes with; change it.

use crate::exports::leyden::policy::access::{Compute, Dataset, Decision, Input};

/// What 1,000,000,000 units of fuel cost, datapoints.
const COMPUTE_PRICE: u64 = 0;

/// Price of a read in datapoints, and the lowest trust level that may read.
fn terms(dataset: Dataset) -> (u64, u32) {
    match dataset {
        Dataset::GlobalConsumption => (50, 1),
        Dataset::Production => (70, 2),
        Dataset::DetailedConsumption => (100, 3),
    }
}

/// Grants a read at its price, or names the trust level it would need.
pub fn decide(input: &Input) -> Decision {
    let (price, trust_level_min) = terms(input.dataset);
    match input.trust_level < trust_level_min {
        true => Decision::NotTrusted(trust_level_min),
        false => Decision::Granted(price),
    }
}

/// What a run's computing costs.
pub fn compute_price(_input: &Compute) -> u64 {
    COMPUTE_PRICE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(dataset: Dataset, trust_level: u32) -> Decision {
        decide(&Input {
            dataset,
            trust_level,
            at_ms: 0,
        })
    }

    #[test]
    fn a_dataset_opens_at_its_trust_level() {
        for (dataset, level, price) in [
            (Dataset::GlobalConsumption, 1, 50),
            (Dataset::Production, 2, 70),
            (Dataset::DetailedConsumption, 3, 100),
        ] {
            assert!(matches!(asked(dataset, level), Decision::Granted(p) if p == price));
            assert!(matches!(asked(dataset, level - 1), Decision::NotTrusted(l) if l == level));
        }
    }

    #[test]
    fn computing_is_free() {
        assert_eq!(
            compute_price(&Compute {
                trust_level: 1,
                at_ms: 0
            }),
            0
        );
    }
}
