//! Sales against a scripted desk that notes what it is asked.

use super::*;
use leyden_sdk::http::ProblemKind;

/// A desk that answers from its members and notes its calls.
struct Script {
    known: bool,
    decision: Decision,
    goods: Option<&'static str>,
    balance: u64,
    calls: Vec<&'static str>,
    charged: Option<u64>,
}

impl Desk for Script {
    type Goods = &'static str;

    fn identify(&mut self) -> Result<Partner> {
        self.calls.push("identity");
        let partner = Partner {
            trust_level: 2,
            key: [0; 32],
        };
        self.known
            .then_some(partner)
            .ok_or_else(|| Error::not_found("partnerID", "unknown"))
    }

    fn decide(&mut self, trust_level: u32) -> Decision {
        self.calls.push("trust");
        assert_eq!(trust_level, 2);
        self.decision
    }

    fn consented(&mut self, _partner: &Partner) -> Result<Option<&'static str>> {
        self.calls.push("consent");
        Ok(self.goods)
    }

    fn balance(&mut self) -> Result<u64> {
        self.calls.push("balance");
        Ok(self.balance)
    }

    fn charge(&mut self, price: u64) -> Result<()> {
        self.calls.push("charge");
        self.charged = Some(price);
        Ok(())
    }
}

/// A partner with 130 datapoints reads something that costs 70.
fn script() -> Script {
    Script {
        known: true,
        decision: Decision::Granted(70),
        goods: Some("rows"),
        balance: 130,
        calls: Vec::new(),
        charged: None,
    }
}

fn refusal(result: Result<Option<&'static str>>) -> (ProblemKind, String) {
    match result {
        Err(Error::Reject(problem)) => (problem.kind, problem.detail),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_sale_checks_identity_trust_consent_and_balance_and_then_charges() {
    let mut desk = script();
    assert_eq!(sell(&mut desk, Dataset::Production), Ok(Some("rows")));
    assert_eq!(
        desk.calls,
        ["identity", "trust", "consent", "balance", "charge"]
    );
    assert_eq!(desk.charged, Some(70));
}

#[test]
fn an_unknown_partner_learns_nothing_else() {
    let mut desk = Script {
        known: false,
        decision: Decision::NotTrusted(3),
        ..script()
    };
    let (kind, _) = refusal(sell(&mut desk, Dataset::Production));
    assert_eq!(
        (kind, desk.calls),
        (ProblemKind::NotFound, vec!["identity"])
    );
}

#[test]
fn too_little_trust_is_refused_before_anything_is_read() {
    let mut desk = Script {
        decision: Decision::NotTrusted(3),
        balance: 0,
        ..script()
    };
    let (kind, detail) = refusal(sell(&mut desk, Dataset::DetailedConsumption));
    assert_eq!(
        (kind, desk.calls),
        (ProblemKind::Forbidden, vec!["identity", "trust"])
    );
    assert!(
        detail.contains("trust level 3") && detail.contains("has 2"),
        "{detail}"
    );
}

#[test]
fn a_read_that_finds_nothing_is_free_even_without_datapoints() {
    let mut desk = Script {
        goods: None,
        balance: 0,
        ..script()
    };
    assert_eq!(sell(&mut desk, Dataset::Production), Ok(None));
    assert_eq!(desk.calls, ["identity", "trust", "consent"]);
}

#[test]
fn too_few_datapoints_are_refused_and_kept() {
    let mut desk = Script {
        balance: 69,
        ..script()
    };
    let (kind, detail) = refusal(sell(&mut desk, Dataset::Production));
    assert_eq!((kind, desk.charged), (ProblemKind::PaymentRequired, None));
    assert!(detail.contains("70") && detail.contains("69"), "{detail}");
}

#[test]
fn the_last_datapoint_can_be_spent() {
    let mut desk = Script {
        balance: 70,
        ..script()
    };
    assert_eq!(sell(&mut desk, Dataset::Production), Ok(Some("rows")));
}

#[test]
fn a_price_of_zero_moves_nothing() {
    let mut desk = Script {
        decision: Decision::Granted(0),
        balance: 0,
        ..script()
    };
    assert_eq!(sell(&mut desk, Dataset::Production), Ok(Some("rows")));
    assert_eq!(desk.charged, None);
}

#[test]
fn rows_of_withholding_households_are_dropped() {
    let withheld = ["b".to_owned(), "z".to_owned()];
    let rows = consenting(vec!["a", "b", "c", "b"], |row| row, &withheld);
    assert_eq!(rows, ["a", "c"]);
}

/// The sum of powers in W.
fn total(powers_w: &[f64]) -> Total {
    let mut total = Total::default();
    powers_w.iter().for_each(|power_w| total.add(*power_w));
    total
}

#[test]
fn powers_add_up_alike_in_any_order() {
    assert_eq!(
        total(&[0.1, 0.2, 0.3]).power_w(),
        total(&[0.3, 0.2, 0.1]).power_w()
    );
    assert_eq!(total(&[18_000.0, 900.0]).power_w(), 18_900.0);
    assert_eq!(total(&[0.0, 0.0]).households, 2);
}

#[test]
fn a_partner_survives_its_encoding() {
    let partner = Partner {
        trust_level: 3,
        key: [7; 32],
    };
    assert_eq!(Partner::decode(&partner.encode()), Some(partner));
    assert_eq!(Partner::decode(&[0; 35]), None);
}
