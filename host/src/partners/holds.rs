//! What a running plugin may spend: taken out of the partner's account before the run, and given back or
//! paid out when it is settled.
//!
//! **Invariant.** A hold's account holds what the records of holds say, commit by commit: whoever removes a
//! record moves its datapoints in the same transaction.

use serde::{Deserialize, Serialize};

use super::answers::{self, Asked};
use super::bill;
use super::receipts::Subject;
use super::{Error, HOLDS, Partner, account, hold_account, record, runs};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;
use crate::store::{Entry, Holder, Posting, Range, Space};

/// A hold, as it is kept under the run's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    /// The run's id.
    pub(crate) run: String,
    /// Whose.
    pub(crate) partner: PartnerId,
    /// The partner's trust level when it began.
    pub(crate) trust_level: u32,
    /// What runs.
    pub(crate) plugin: Subject,
    /// What started it, as receipts have it.
    pub(crate) trigger: String,
    /// What was taken, datapoints.
    pub(crate) amount: u64,
    /// Where the answer of its idempotency key lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<answers::Place>,
    /// The host that runs it.
    pub(crate) holder: Holder,
    /// When it was placed, ms since 1970 by the system's clock.
    pub(crate) placed_at_ms: u64,
    /// When it is void at the latest, ms since 1970 by the system's clock.
    pub(crate) expires_at_ms: u64,
}

/// What becomes of a request for a run.
#[derive(Debug)]
pub(crate) enum Placed {
    /// The hold is placed when the transaction commits, or was placed by an earlier try; for whom.
    Held(Box<Hold>, Box<Partner>),
    /// The partner is not trusted any more as it was when the run was made ready.
    Outdated,
    /// The request was answered before, or is being answered.
    Answered,
}

/// Places a hold of the bound that was given, or of what the account has. `hold` says everything but the
/// amount.
///
/// # Errors
/// The partner is unknown, the key belongs to another request, the account does not cover the bound, or
/// the store did not answer.
pub(crate) async fn place(
    work: &mut Work,
    asked: &Asked,
    mut hold: Hold,
) -> Result<Placed, runs::Error> {
    let partner = record::find(work, &hold.partner).await?;
    let partner = partner.ok_or_else(|| Error::UnknownPartner(hold.partner.clone()))?;
    if let Some(placed) = find(work, &hold.run).await? {
        return Ok(Placed::Held(placed.into(), partner.into()));
    }
    if answers::find(work, asked).await?.is_some() {
        return Ok(Placed::Answered);
    }
    if partner.trust_level != hold.trust_level {
        return Ok(Placed::Outdated);
    }
    let from = account(partner.id.as_str());
    hold.amount = bill::held(asked.max_spend, work.balance(&from).await?)?;
    if hold.amount > 0 {
        let posting = Posting {
            debit: from,
            credit: hold_account(partner.id.as_str()),
            amount: hold.amount,
            reference: format!("run {} hold", hold.run),
        };
        work.post(posting).await?;
    }
    keep(work, &hold)?;
    answers::begin(work, asked, &hold.run)?;
    Ok(Placed::Held(hold.into(), partner.into()))
}

fn keep(work: &mut Work, hold: &Hold) -> Result<(), work::Error> {
    let bytes = serde_json::to_vec(hold).unwrap_or_default();
    work.write(&HOLDS.into(), hold.run.clone().into_bytes(), Some(bytes))
}

/// The hold of a run, if there is one.
pub(crate) async fn find(work: &mut Work, run: &str) -> Result<Option<Hold>, work::Error> {
    let stored = work.read(&Space::from(HOLDS), run.as_bytes()).await?;
    Ok(stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Removes a hold; its datapoints are moved by the same transaction.
pub(crate) fn remove(work: &mut Work, run: &str) -> Result<(), work::Error> {
    work.write(&HOLDS.into(), run.as_bytes().to_vec(), None)
}

/// All keys of holds after one of them.
pub(crate) fn after(run: &str) -> Range {
    let mut start = run.as_bytes().to_vec();
    start.push(0);
    Range { start, end: None }
}

/// A hold as it lies in the store.
pub(crate) fn read(entry: &Entry) -> Option<Hold> {
    serde_json::from_slice(&entry.value).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A hold of a partner's run, for tests.
    pub(crate) fn of(partner: &str) -> Hold {
        Hold {
            run: "0".repeat(32),
            partner: PartnerId::parse(partner).expect("an id"),
            trust_level: 1,
            plugin: Subject {
                name: "plugin".into(),
                digest: String::new(),
            },
            trigger: "request".into(),
            amount: 0,
            answer: None,
            holder: Holder("host".into()),
            placed_at_ms: 0,
            expires_at_ms: 0,
        }
    }
}
