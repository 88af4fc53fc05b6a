//! Credits: datapoints that the operator gives to a partner, once for each reference.

use serde::{Deserialize, Serialize};

use super::accounts::{Credited, REFERENCE_BYTES_MAX, overview, registered};
use super::{Error, Operation, account};
use crate::dispatch::work::Work;
use crate::ids::PartnerId;
use crate::operators::Operator;
use crate::operators::audit::{self, Change, Entry};
use crate::store::{ISSUER, Posting};

/// Credits: partner, 0, reference → [`Credit`]. What makes a reference count once.
const CREDITS: &str = "leyden.credits";

/// Checks a credit's reference.
pub(super) fn check_reference(reference: &str) -> Result<(), Error> {
    let plain = reference.trim() == reference && !reference.chars().any(char::is_control);
    match plain && (1..=REFERENCE_BYTES_MAX).contains(&reference.len()) {
        true => Ok(()),
        false => Err(Error::invalid(
            "reference",
            "must be 1 to 200 bytes of text without control characters, not beginning or ending with a blank",
        )),
    }
}

/// A credit as it is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credit {
    /// How much.
    pub(super) amount: u64,
    at_ms: u64,
}

impl Credit {
    /// What was given to a partner under a reference.
    pub(super) async fn find(
        work: &mut Work,
        id: &PartnerId,
        reference: &str,
    ) -> Result<Option<Self>, Error> {
        let stored = work
            .read(&CREDITS.into(), &credit_key(id, reference))
            .await?;
        let given = stored.map(|bytes| serde_json::from_slice(&bytes));
        given.transpose().map_err(|_| Error::broken())
    }
}

/// Gives a partner datapoints, unless the reference was used before.
pub(super) struct Give<'a> {
    pub(super) by: &'a Operator,
    pub(super) id: &'a PartnerId,
    pub(super) amount: u64,
    pub(super) reference: &'a str,
}

impl Operation for Give<'_> {
    type Done = Credited;

    async fn apply(&self, work: &mut Work) -> Result<Credited, Error> {
        let partner = registered(work, self.id).await?;
        let given = Credit::find(work, self.id, self.reference).await?;
        if let Some(given) = &given
            && given.amount != self.amount
        {
            return Err(Error::Conflict(format!(
                "partner '{}' was credited {} under '{}' already; a reference counts once, so take another",
                self.id, given.amount, self.reference
            )));
        }
        if given.is_none() {
            give(work, self.id, self.amount, self.reference).await?;
            Entry::of(self.by, Change::Credit, &audit::partner(self.id))
                .with(None, Some(self.amount.to_string()))
                .because(Some(self.reference.to_owned()))
                .enter(work)?;
        }
        Ok(Credited {
            overview: overview(work, partner).await?,
            repeated: given.is_some(),
        })
    }
}

/// Moves datapoints from the issuer to a partner, and keeps under which reference.
pub(super) async fn give(
    work: &mut Work,
    id: &PartnerId,
    amount: u64,
    reference: &str,
) -> Result<(), Error> {
    let posting = Posting {
        debit: ISSUER.to_owned(),
        credit: account(id.as_str()),
        amount,
        reference: format!("credit {reference}"),
    };
    work.post(posting).await?;
    let at_ms = work.now().0;
    let kept = serde_json::to_vec(&Credit { amount, at_ms }).unwrap_or_default();
    Ok(work.write(&CREDITS.into(), credit_key(id, reference), Some(kept))?)
}

fn credit_key(id: &PartnerId, reference: &str) -> Vec<u8> {
    format!("{id}\0{reference}").into_bytes()
}
