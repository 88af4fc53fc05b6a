//! An access policy with other terms than the default one: any trust level reads anything. Production is
//! free, what else is read costs 3 datapoints, and 1,000,000,000 units of fuel cost 2.

leyden_sdk::bump_allocator!();

use leyden_sdk::exports::access::Guest;
use leyden_sdk::policy::access::{Compute, Dataset, Decision, Input};

struct Open;

impl Guest for Open {
    fn decide(input: Input) -> Decision {
        Decision::Granted(match input.dataset {
            Dataset::Production => 0,
            Dataset::GlobalConsumption | Dataset::DetailedConsumption => 3,
        })
    }

    fn compute_price(_input: Compute) -> u64 {
        2
    }
}

leyden_sdk::export_interface!(access, Open);
