//! What a refused read means to a caller over HTTP, in words. Pure.

use leyden_sdk::data::types;
use leyden_sdk::http::ProblemKind;
use leyden_sdk::{Error, Result};

/// Metered datasets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dataset {
    /// What households draw together.
    GlobalConsumption,
    /// What each producer feeds in.
    Production,
    /// What each household draws.
    DetailedConsumption,
}

impl Dataset {
    /// As refusals name it.
    fn name(self) -> &'static str {
        match self {
            Self::GlobalConsumption => "global consumption",
            Self::Production => "production",
            Self::DetailedConsumption => "detailed consumption",
        }
    }
}

/// The refusal that an error is; none where there is nothing to be had, which is an answer.
///
/// # Errors
/// The refusal.
pub(crate) fn refusal<T>(
    dataset: Dataset,
    trust_level: u32,
    error: types::Error,
) -> Result<Option<T>> {
    use types::Error as Cause;
    let name = dataset.name();
    Err(match error {
        Cause::NoData | Cause::NotConsented => return Ok(None),
        Cause::NotTrusted(needed) => Error::forbidden(format!(
            "Reading {name} needs trust level {needed}; this partner has {trust_level}. \
             Nothing was charged."
        )),
        Cause::OutOfCredit(types::Shortfall { price, left }) => Error::payment_required(format!(
            "Reading {name} costs {price} datapoints; this partner holds {left}. \
             Nothing was charged."
        )),
        Cause::Suppressed(rule) => Error::forbidden(format!(
            "This {name} would tell too much of single households ({rule}). Nothing was charged."
        )),
        Cause::Invalid(rule) if rule.starts_with("cursor ") => Error::invalid(
            "cursor",
            "must be one that a former answer to the same request gave",
        ),
        Cause::Invalid(rule) => Error::invalid("date", rule),
        Cause::Limit(which) => Error::reject(
            ProblemKind::Invalid,
            format!("Reading {name} takes more than one request may: {which}."),
        ),
    })
}

/// What groups drew together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    /// Sum in whole mW, so that the order of groups does not matter.
    power_mw: u128,
    /// Households in it.
    pub(crate) households: u64,
}

impl Total {
    /// Adds a group's mean power, W.
    pub(crate) fn add(&mut self, power_w: f64, households: u32) {
        self.power_mw += (power_w * 1_000.0).round() as u128;
        self.households += u64::from(households);
    }

    /// Mean power, W.
    pub(crate) fn power_w(&self) -> f64 {
        self.power_mw as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: types::Error) -> (ProblemKind, String) {
        match refusal::<()>(Dataset::Production, 2, error) {
            Err(Error::Reject(problem)) => (problem.kind, problem.detail),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn nothing_to_be_had_is_an_answer() {
        for error in [types::Error::NoData, types::Error::NotConsented] {
            assert_eq!(refusal::<()>(Dataset::Production, 2, error), Ok(None));
        }
    }

    #[test]
    fn refusals_say_what_would_be_needed_and_that_nothing_was_charged() {
        let (kind, detail) = refused(types::Error::NotTrusted(3));
        assert_eq!(kind, ProblemKind::Forbidden);
        let expected =
            "Reading production needs trust level 3; this partner has 2. Nothing was charged.";
        assert_eq!(detail, expected);
        let shortfall = types::Shortfall {
            price: 70,
            left: 69,
        };
        let (kind, detail) = refused(types::Error::OutOfCredit(shortfall));
        assert_eq!(kind, ProblemKind::PaymentRequired);
        let expected =
            "Reading production costs 70 datapoints; this partner holds 69. Nothing was charged.";
        assert_eq!(detail, expected);
        let (kind, detail) = refused(types::Error::Suppressed("us-15-15: few".to_owned()));
        assert_eq!(kind, ProblemKind::Forbidden);
        assert!(detail.contains("(us-15-15: few)"), "{detail}");
    }

    #[test]
    fn a_rule_is_told_with_its_field() {
        let cursor = "cursor must be the next of a former page".to_owned();
        let (kind, detail) = refused(types::Error::Invalid(cursor));
        assert_eq!(kind, ProblemKind::Invalid);
        assert!(detail.starts_with("`cursor` must be one"), "{detail}");
        let (kind, _) = refused(types::Error::Limit("rows".to_owned()));
        assert_eq!(kind, ProblemKind::Invalid);
    }

    #[test]
    fn powers_add_up_alike_in_any_order() {
        let total = |powers_w: &[f64]| {
            let mut total = Total::default();
            powers_w.iter().for_each(|power_w| total.add(*power_w, 20));
            total
        };
        assert_eq!(
            total(&[0.1, 0.2, 0.3]).power_w(),
            total(&[0.3, 0.2, 0.1]).power_w()
        );
        assert_eq!(total(&[18_000.0, 900.0]).power_w(), 18_900.0);
        assert_eq!(total(&[0.0, 0.0]).households, 40);
    }
}
