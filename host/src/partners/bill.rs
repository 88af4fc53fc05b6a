//! What a run costs: pure. The rules are those of the table in `plugins/partners/METERING.md`.
//!
//! **Invariants.** A bill is never more than what was held. Compute is paid last, from what reads have left. A fault
//! of the host costs nothing.

use std::collections::BTreeMap;

use super::receipts::Outcome;
use super::{REVENUE, account, hold_account};
use crate::ids::PartnerId;
use crate::metering::{Dataset, ReadEntry};
use crate::store::Posting;

/// Units of fuel that the compute price is for.
const FUEL_PRICED: u128 = 1_000_000_000;

/// What is held for a run whose caller names no bound, datapoints: enough for ten of the dearest reads, and
/// little enough that several runs at once share an account.
pub(crate) const HELD_DEFAULT: u64 = 1_000;

/// A caller's bound that the account does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("maxSpend is {max_spend} datapoints and the account holds {balance}")]
pub struct OutOfCredit {
    /// The bound.
    pub max_spend: u64,
    /// What the account holds.
    pub balance: u64,
}

/// What is taken out of an account before a run.
///
/// # Errors
/// The caller's bound is more than the account holds.
pub(crate) fn held(max_spend: Option<u64>, balance: u64) -> Result<u64, OutOfCredit> {
    match max_spend {
        None => Ok(balance.min(HELD_DEFAULT)),
        Some(max_spend) if max_spend <= balance => Ok(max_spend),
        Some(max_spend) => Err(OutOfCredit { max_spend, balance }),
    }
}

/// The fuel that a hold pays for, at so many datapoints for a billion units.
pub(crate) fn fuel_paid_for(held: u64, price: u64) -> u64 {
    match price {
        0 => u64::MAX,
        price => narrow(u128::from(held) * FUEL_PRICED / u128::from(price)),
    }
}

/// What so much fuel costs, rounded up.
fn compute_cost(fuel: u64, price: u64) -> u64 {
    narrow((u128::from(fuel) * u128::from(price)).div_ceil(FUEL_PRICED))
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// How a hold is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bill {
    /// What was read, each read at what is charged for it.
    pub(crate) reads: Vec<ReadEntry>,
    /// What is charged for computing.
    pub(crate) compute: u64,
    /// What goes back.
    pub(crate) rest: u64,
}

impl Bill {
    /// The bill of a run for which so much was held. What the tab has counted is never more than that.
    pub(crate) fn of(
        held: u64,
        mut reads: Vec<ReadEntry>,
        fuel: u64,
        price: u64,
        outcome: Outcome,
    ) -> Self {
        if !outcome.is_charged() {
            reads.iter_mut().for_each(|read| read.datapoints = 0);
        }
        let spent: u64 = reads.iter().map(|read| read.datapoints).sum();
        let left = held.saturating_sub(spent);
        let compute = match outcome.is_charged() {
            true => compute_cost(fuel, price).min(left),
            false => 0,
        };
        Self {
            reads,
            compute,
            rest: left - compute,
        }
    }

    /// What it comes to.
    pub(crate) fn total(&self) -> u64 {
        self.reads.iter().map(|read| read.datapoints).sum::<u64>() + self.compute
    }

    /// The movements that settle it.
    pub(crate) fn postings(&self, partner: &PartnerId, run: &str) -> Vec<Posting> {
        let from = hold_account(partner.as_str());
        let moved = |to: &str, amount: u64, what: &str| Posting {
            debit: from.clone(),
            credit: to.to_owned(),
            amount,
            reference: format!("run {run} {what}"),
        };
        let mut sums: BTreeMap<Dataset, u64> = BTreeMap::new();
        for read in &self.reads {
            *sums.entry(read.dataset).or_default() += read.datapoints;
        }
        let mut postings: Vec<_> = sums
            .into_iter()
            .map(|(dataset, amount)| moved(REVENUE, amount, dataset.name()))
            .collect();
        postings.push(moved(REVENUE, self.compute, "compute"));
        postings.push(moved(&account(partner.as_str()), self.rest, "rest"));
        postings.retain(|posting| posting.amount > 0);
        postings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dataset: Dataset, datapoints: u64) -> ReadEntry {
        ReadEntry {
            dataset,
            from_ms: 0,
            to_ms: 1,
            rows: 1,
            datapoints,
        }
    }

    fn two_reads() -> Vec<ReadEntry> {
        vec![
            read(Dataset::GlobalConsumption, 50),
            read(Dataset::Production, 70),
            read(Dataset::GlobalConsumption, 50),
        ]
    }

    #[test]
    fn without_a_bound_so_much_is_held_as_the_account_has_up_to_the_default() {
        assert_eq!(held(None, 0), Ok(0));
        assert_eq!(held(None, 999), Ok(999));
        assert_eq!(held(None, 1_000_000), Ok(1_000));
        assert_eq!(held(Some(5_000), 5_000), Ok(5_000));
        assert_eq!(held(Some(0), 0), Ok(0));
        let refused = OutOfCredit {
            max_spend: 51,
            balance: 50,
        };
        assert_eq!(held(Some(51), 50), Err(refused));
    }

    #[test]
    fn fuel_that_a_hold_pays_for_never_costs_more_than_it() {
        for (held, price) in [
            (0, 1),
            (1, 3),
            (10, 7),
            (1_000, 999_999_999_999),
            (u64::MAX, 1),
        ] {
            let fuel = fuel_paid_for(held, price);
            assert!(compute_cost(fuel, price) <= held, "{held} at {price}");
        }
        assert_eq!(fuel_paid_for(0, 0), u64::MAX);
        assert_eq!(fuel_paid_for(2, 1), 2_000_000_000);
    }

    #[test]
    fn compute_is_rounded_up_and_paid_from_what_reads_have_left() {
        let bill = |held, fuel| Bill::of(held, two_reads(), fuel, 3, Outcome::Trapped);
        assert_eq!((bill(200, 1).compute, bill(200, 1).rest), (1, 29));
        assert_eq!((bill(200, 0).compute, bill(200, 0).rest), (0, 30));
        assert_eq!(
            (bill(171, 1 << 40).compute, bill(171, 1 << 40).rest),
            (1, 0)
        );
        assert_eq!(bill(200, 2_000_000_000).total(), 176);
    }

    #[test]
    fn every_outcome_but_a_fault_of_the_host_is_charged() {
        use Outcome as O;
        for outcome in [
            O::Report,
            O::GuestError,
            O::Trapped,
            O::Deadline,
            O::Fuel,
            O::Limit,
        ] {
            assert_eq!(
                Bill::of(500, two_reads(), 1, 1, outcome).total(),
                171,
                "{outcome:?}"
            );
        }
        let voided = Bill::of(500, two_reads(), 1, 1, O::HostFault);
        assert_eq!((voided.total(), voided.rest), (0, 500));
        assert_eq!(voided.reads.len(), 3, "what was seen is told all the same");
    }

    #[test]
    fn movements_add_up_to_what_was_held() {
        let partner = PartnerId::parse("acme").expect("an id");
        let bill = Bill::of(500, two_reads(), 1, 1, Outcome::Report);
        let told: Vec<_> = bill
            .postings(&partner, "r1")
            .into_iter()
            .map(|p| (p.debit, p.credit, p.amount, p.reference))
            .collect();
        let from_hold = |to: &str, amount, what: &str| {
            (
                "hold/acme".into(),
                to.into(),
                amount,
                format!("run r1 {what}"),
            )
        };
        let expected: Vec<(String, String, u64, String)> = vec![
            from_hold("revenue", 100, "global-consumption"),
            from_hold("revenue", 70, "production"),
            from_hold("revenue", 1, "compute"),
            from_hold("partner/acme", 329, "rest"),
        ];
        assert_eq!(told, expected);
        let nothing = Bill::of(0, Vec::new(), 9, 9, Outcome::Report);
        assert!(nothing.postings(&partner, "r2").is_empty());
    }
}
