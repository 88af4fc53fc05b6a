//! Refunds: what the operator gives back of what a receipt charged, and takes back of a credit that was wrong. An
//! entry is never changed; a refund is a new one that names the first.
//!
//! **Invariants.** One refund belongs to one receipt or credit, and is at most what that one moved; sent again
//! it changes nothing. The receipt itself stays as it was signed.

use serde::{Deserialize, Serialize};

use super::accounts::{Accounts, Overview, overview, registered};
use super::credits::Credit;
use super::notary::receipt_key;
use super::receipts::Receipt;
use super::{Error, Operation, RECEIPTS, REVENUE, account};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;
use crate::operators::Operator;
use crate::operators::audit::{self, Change, Entry};
use crate::store::{ISSUER, Posting};

/// Refunds: partner, 0, what was refunded → [`Refund`]. What makes a refund count once.
const REFUNDS: &str = "leyden.refunds";

/// What is refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// What this receipt of the partner charged, by its sequence: goes back to the partner.
    Receipt(u64),
    /// What was credited under this reference: goes back to the issuer.
    Credit(String),
}

impl Of {
    /// Which member of a request names it.
    fn field(&self) -> &'static str {
        match self {
            Self::Receipt(_) => "receipt",
            Self::Credit(_) => "credit",
        }
    }

    fn key(&self, id: &PartnerId) -> Vec<u8> {
        let what = match self {
            Self::Receipt(sequence) => format!("receipt {sequence}"),
            Self::Credit(reference) => format!("credit {reference}"),
        };
        format!("{id}\0{what}").into_bytes()
    }
}

/// A refund that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The partner afterwards.
    pub overview: Overview,
    /// How much.
    pub amount: u64,
    /// The reference of its entry in the ledger.
    pub reference: String,
    /// Whether it had been made before, so that this request changed nothing.
    pub repeated: bool,
}

/// A refund as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    amount: u64,
    at_ms: u64,
}

/// What the first entry moved, and what it is called.
struct First {
    amount: u64,
    name: String,
}

impl Accounts {
    /// Refunds a receipt or takes a credit back, all of it or `amount`.
    ///
    /// # Errors
    /// There is no such receipt or credit, it moved less, another amount was refunded already, or see [`Error`].
    pub async fn refund(
        &self,
        by: &Operator,
        id: &PartnerId,
        of: &Of,
        amount: Option<u64>,
    ) -> Result<Refunded, Error> {
        self.perform(&Give { by, id, of, amount }).await
    }
}

struct Give<'a> {
    by: &'a Operator,
    id: &'a PartnerId,
    of: &'a Of,
    amount: Option<u64>,
}

impl Operation for Give<'_> {
    type Done = Refunded;

    async fn apply(&self, work: &mut Work) -> Result<Refunded, Error> {
        let partner = registered(work, self.id).await?;
        let first = self.first(work).await?;
        let amount = self.amount.unwrap_or(first.amount);
        if amount > first.amount {
            let rule = format!(
                "must be at most {}, which {} moved",
                first.amount, first.name
            );
            return Err(Error::invalid("amount", rule));
        }
        let reference = format!("refund of {}", first.name);
        let repeated = self.made(work, amount, &first.name).await?;
        if !repeated {
            self.make(work, amount, &reference).await?;
            Entry::of(self.by, Change::Refund, &audit::partner(self.id))
                .with(None, Some(amount.to_string()))
                .because(Some(reference.clone()))
                .enter(work)?;
        }
        Ok(Refunded {
            overview: overview(work, partner).await?,
            amount,
            reference,
            repeated,
        })
    }
}

impl Give<'_> {
    /// What is refunded; something that moved nothing is as good as not there.
    async fn first(&self, work: &mut Work) -> Result<First, Error> {
        let first = match self.of {
            Of::Receipt(sequence) => receipt(work, self.id, *sequence).await?,
            Of::Credit(reference) => credit(work, self.id, reference).await?,
        };
        let field = self.of.field();
        let rule = format!("partner '{}' has none such that moved datapoints", self.id);
        let moved = first.filter(|first| first.amount > 0);
        moved.ok_or(Error::Unknown { field, rule })
    }

    /// Whether the same refund was made before.
    async fn made(&self, work: &mut Work, amount: u64, first: &str) -> Result<bool, Error> {
        let stored = work.read(&REFUNDS.into(), &self.of.key(self.id)).await?;
        let Some(stored) = stored else {
            return Ok(false);
        };
        let made: Refund = serde_json::from_slice(&stored).map_err(|_| Error::broken())?;
        match made.amount == amount {
            true => Ok(true),
            false => Err(Error::Conflict(format!(
                "of {first}, {} datapoints were refunded already, and a refund is made once",
                made.amount
            ))),
        }
    }

    async fn make(&self, work: &mut Work, amount: u64, reference: &str) -> Result<(), Error> {
        let partner = account(self.id.as_str());
        let (debit, credit) = match self.of {
            Of::Receipt(_) => (REVENUE.to_owned(), partner),
            Of::Credit(_) => (partner, ISSUER.to_owned()),
        };
        let posting = Posting {
            debit,
            credit,
            amount,
            reference: reference.to_owned(),
        };
        work.post(posting)
            .await
            .map_err(|error| self.refused(error))?;
        let at_ms = work.now().0;
        let kept = serde_json::to_vec(&Refund { amount, at_ms }).unwrap_or_default();
        Ok(work.write(&REFUNDS.into(), self.of.key(self.id), Some(kept))?)
    }

    fn refused(&self, error: work::Error) -> Error {
        match error {
            work::Error::Insufficient(left) => Error::Conflict(format!(
                "partner '{}' holds only {left} datapoints: name a smaller amount",
                self.id
            )),
            other => other.into(),
        }
    }
}

async fn receipt(work: &mut Work, id: &PartnerId, sequence: u64) -> Result<Option<First>, Error> {
    let stored = work
        .read(&RECEIPTS.into(), &receipt_key(id, sequence))
        .await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let receipt: Receipt = serde_json::from_slice(&stored).map_err(|_| Error::broken())?;
    let kind = if receipt.plugin.is_some() {
        "run"
    } else {
        "invocation"
    };
    Ok(Some(First {
        amount: receipt.total,
        name: format!("{kind} {}", receipt.id),
    }))
}

async fn credit(work: &mut Work, id: &PartnerId, reference: &str) -> Result<Option<First>, Error> {
    let given = Credit::find(work, id, reference).await?;
    Ok(given.map(|given| First {
        amount: given.amount,
        name: format!("credit {reference}"),
    }))
}
