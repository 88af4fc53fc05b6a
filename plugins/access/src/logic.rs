//! The default price list: what each dataset costs a partner and how far the partner must be
//! trusted. It knows neither consent nor balances; those are checked after it.

use leyden_sdk::policy::access::{Dataset, Decision, Input};

/// What 1,000,000,000 units of fuel cost: nothing, since the limits of a run bound them already.
pub(crate) const COMPUTE_PRICE_DATAPOINTS: u64 = 0;

/// What one read of a dataset asks for.
struct Terms {
    /// Datapoints a read that finds data costs.
    price_datapoints: u64,
    /// Lowest trust level that may read it.
    trust_level_min: u32,
}

/// The terms of a dataset, as in the project's scenario 2.
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

/// Grants a read at its price, or names the trust level it would need.
pub(crate) fn decide(input: &Input) -> Decision {
    let terms = terms(input.dataset);
    if input.trust_level < terms.trust_level_min {
        return Decision::NotTrusted(terms.trust_level_min);
    }
    Decision::Granted(terms.price_datapoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `dataset` opens at `trust_level` for `price` and not one level below.
    fn check(dataset: Dataset, trust_level: u32, price: u64) {
        let decide = |trust_level| {
            decide(&Input {
                dataset,
                trust_level,
                at_ms: 0,
            })
        };
        assert!(matches!(decide(trust_level), Decision::Granted(p) if p == price));
        assert!(matches!(decide(trust_level + 1), Decision::Granted(p) if p == price));
        let below = decide(trust_level - 1);
        assert!(matches!(below, Decision::NotTrusted(needed) if needed == trust_level));
    }

    #[test]
    fn each_dataset_has_its_price_and_trust_level() {
        check(Dataset::GlobalConsumption, 1, 50);
        check(Dataset::Production, 2, 70);
        check(Dataset::DetailedConsumption, 3, 100);
    }
}
