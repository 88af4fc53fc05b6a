//! Compares what clients were told with what the installation has in its books.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rig::Rig;

/// What clients know to be true.
#[derive(Debug, Default)]
pub struct Expected {
    /// Records published, by key: their numbers go from 1 to this.
    pub records: BTreeMap<String, u64>,
    /// Requests answered, by key.
    pub booked: BTreeMap<String, u64>,
    /// Datapoints credited.
    pub credits: u64,
}

impl Expected {
    /// How many records were published.
    pub fn published(&self) -> u64 {
        self.records.values().sum()
    }

    /// How many requests were answered.
    pub fn answered(&self) -> u64 {
        self.booked.values().sum()
    }
}

/// The difference.
#[derive(Debug, Default)]
pub struct Audit {
    /// Records and requests that are not in the books.
    pub lost: u64,
    /// Requests that are in the books more often than they were answered.
    pub doubled: u64,
    /// Records that were handled twice or out of order, in words.
    pub wrong: Vec<String>,
    /// Whether the ledger adds up to zero and holds each credit once.
    pub ledger: bool,
}

impl Audit {
    /// Whether there is none.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong.is_empty() && self.ledger
    }

    /// In words.
    pub fn words(&self) -> String {
        let first = self
            .wrong
            .first()
            .map_or_else(String::new, |wrong| format!(" (first: {wrong})"));
        format!(
            "lost {}, booked twice {}, handled twice or out of order {}{first}, ledger {}",
            self.lost,
            self.doubled,
            self.wrong.len(),
            if self.ledger { "sums to 0" } else { "WRONG" }
        )
    }
}

/// Waits until everything is handled, then compares.
pub async fn audit(rig: &Rig, expected: &Expected) -> Audit {
    rig.settle().await;
    let report = rig.get("/tally/report").await;
    let mut audit = Audit {
        wrong: texts(&report["wrong"]),
        ..Audit::default()
    };
    for (key, sent) in &expected.records {
        audit.lost += sent.saturating_sub(number(&report["in"][key]));
        audit.lost += sent.saturating_sub(number(&report["out"][format!("{key}-on")]));
    }
    for (key, sent) in &expected.booked {
        let booked = number(&report["booked"][key]);
        audit.lost += sent.saturating_sub(booked);
        audit.doubled += booked.saturating_sub(*sent);
    }
    let ledger = rig.get("/admin/ledger").await;
    let partner = rig
        .get("/partner-api/get-partner-info?partnerID=acme")
        .await;
    audit.ledger = ledger["sound"] == true && number(&partner["dataPoint"]) == expected.credits;
    audit
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap_or_default().to_owned())
        .collect()
}
