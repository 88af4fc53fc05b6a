//! The end of a run: what it cost is paid out of its hold, the rest goes back, and everything that tells of it is
//! kept, in one commit. Only then anything leaves.
//!
//! Several runs of one partner may be settled by one transaction, one after the other.
//!
//! **Invariants.** A hold is settled once: whoever finds it gone gives nothing away, unless the receipt that
//! lies in the store is the very one it wrote itself in a commit whose answer was lost. A fault of the host
//! voids the hold.

use super::bill::Bill;
use super::holds::Hold;
use super::logs::{self, RunLog};
use super::notary::{Notary, receipt_key};
use super::receipts::{Facts, Issued, Outcome, Reader};
use super::reports::{self, Kept, Shelf};
use super::triggers::{self, Fired};
use super::{HOLDS, RECEIPTS, answers, failpoints, holds};
use crate::dispatch::work::{self, Work};
use crate::ids::Digest;
use crate::metering::{ReadEntry, Tab, cohorts};
use crate::policies::log::{self, Decided};
use crate::runtime::run::{LogLine, Ran, Report, RunError};
use crate::store::{Acknowledgement, Space};

/// What became of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How it ended; none: the host lost it.
    pub(crate) outcome: Option<Outcome>,
    /// Why there is no report, in words.
    pub(crate) detail: Option<String>,
    /// The report.
    pub(crate) report: Option<Report>,
    /// What it read.
    pub(crate) reads: Vec<ReadEntry>,
    /// The access policy that set the prices.
    pub(crate) policy: Option<Digest>,
    /// The generation that it ran in and the versions that it read from.
    pub(crate) generation: Option<String>,
    /// What the access policy said to it; none where its word does not count.
    pub(crate) decided: Option<Decided>,
    /// Units of fuel used.
    pub(crate) fuel: u64,
    /// Datapoints for a billion of them.
    pub(crate) compute_price: u64,
    /// What it logged.
    pub(crate) log: Vec<LogLine>,
}

impl Verdict {
    /// Of a run that the host lost, and why.
    pub(crate) fn lost(why: impl Into<String>) -> Self {
        Self {
            detail: Some(why.into()),
            ..Self::default()
        }
    }

    /// Of a run that came to its end, with or without a report.
    pub(crate) fn of(ran: Ran) -> Self {
        let verdict = Self {
            fuel: ran.fuel,
            log: ran.log,
            ..Self::default()
        };
        match ran.outcome {
            Ok(report) => Self {
                outcome: Some(Outcome::Report),
                report: Some(report),
                ..verdict
            },
            Err(error) => Self {
                outcome: failure(&error),
                detail: Some(error.to_string()),
                ..verdict
            },
        }
    }

    /// How it ended.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.unwrap_or(Outcome::HostFault)
    }
}

/// How receipts name how a run ended.
pub(crate) fn outcome(ran: &Ran) -> Outcome {
    match &ran.outcome {
        Ok(_) => Outcome::Report,
        Err(error) => failure(error).unwrap_or(Outcome::HostFault),
    }
}

/// How receipts name an end without a report; none for a fault of the host.
fn failure(error: &RunError) -> Option<Outcome> {
    match error {
        RunError::Guest { .. } => Some(Outcome::GuestError),
        RunError::Trapped(_) => Some(Outcome::Trapped),
        RunError::Deadline(_) => Some(Outcome::Deadline),
        RunError::Fuel(_) => Some(Outcome::Fuel),
        RunError::Limit(_) => Some(Outcome::Limit),
        RunError::InvalidReport(_) => Some(Outcome::InvalidReport),
        RunError::NotGranted(_) => Some(Outcome::NotGranted),
        RunError::NoRoom(_) | RunError::HostFault(_) => None,
    }
}

/// A run that is to be settled.
#[derive(Debug)]
pub(crate) struct Closing {
    /// What was held for it.
    pub(crate) hold: Hold,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// What it was told of groups; none where nothing of it leaves.
    pub(crate) tab: Option<Tab>,
    /// Where its report is kept, if it is.
    pub(crate) shelf: Option<Shelf>,
    /// The trigger that started it, if one did.
    pub(crate) fired: Option<Fired>,
    /// The batch that it was for, if it was for one.
    pub(crate) acknowledgement: Option<Acknowledgement>,
}

impl Closing {
    /// The settlement of a run that is lost: its hold is voided, and nothing else happens.
    pub(crate) fn voiding(hold: Hold, why: &str) -> Self {
        Self {
            hold,
            verdict: Verdict::lost(why),
            tab: None,
            shelf: None,
            fired: None,
            acknowledgement: None,
        }
    }

    /// Whether it can be settled in the transaction of another run: a transaction acknowledges one batch.
    pub(crate) fn goes_along(&self) -> bool {
        self.acknowledgement.is_none()
    }

    /// Bytes that its settlement brings along: its report and what it logged.
    pub(crate) fn bytes(&self) -> usize {
        let report = self.verdict.report.as_ref();
        let report = report.map_or(0, |report| report.body.len());
        let log = self.verdict.log.iter().map(|line| line.message.len());
        report + log.sum::<usize>()
    }
}

/// What was written into a transaction.
pub(crate) enum Written {
    /// The settlement.
    Settled(Issued),
    /// Nothing: the hold is gone.
    Gone,
    /// Nothing that may be committed: the partner was told something else meanwhile, which together with this run
    /// would tell too much.
    Overtaken,
}

/// Reads in one go what the settlements of some runs need each, so that a store that is far is not asked for one
/// after the other.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn prepare(
    work: &mut Work,
    closings: impl Iterator<Item = &Closing> + Clone,
) -> Result<(), work::Error> {
    let holds = closings.clone().map(|closing| &closing.hold);
    let runs = holds.clone().map(|hold| hold.run.clone().into_bytes());
    work.prefetch(&Space::from(HOLDS), runs.collect()).await?;
    answers::prefetch(work, holds.filter_map(|hold| hold.answer.as_ref())).await
}

/// Writes a run's settlement into a transaction.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn write(
    work: &mut Work,
    notary: &Notary,
    closing: &Closing,
) -> Result<Written, work::Error> {
    let Some(hold) = holds::find(work, &closing.hold.run).await? else {
        return Ok(Written::Gone);
    };
    failpoints::pass("settle.read");
    let verdict = &closing.verdict;
    if let (Some(tab), true) = (&closing.tab, verdict.outcome().is_charged())
        && cohorts::settle(work, &hold.partner, tab).await? != cohorts::Outcome::Kept
    {
        return Ok(Written::Overtaken);
    }
    let bill = bill(&hold, verdict);
    for posting in bill.postings(&hold.partner, &hold.run) {
        work.post(posting).await?;
    }
    holds::remove(work, &hold.run)?;
    let facts = facts(work, &hold, verdict, &bill);
    let issued = notary.attest(work, facts).await?;
    failpoints::pass("settle.attested");
    if let (Some(decided), true) = (&verdict.decided, verdict.outcome().is_charged()) {
        log::write(work, &hold.run, decided)?;
    }
    keep_log(work, &hold, verdict, &bill, &issued).await?;
    keep_report(work, closing, &issued).await?;
    keep_answer(work, closing, &issued).await?;
    tell_trigger(work, closing).await?;
    Ok(Written::Settled(issued))
}

fn bill(hold: &Hold, verdict: &Verdict) -> Bill {
    Bill::of(
        hold.amount,
        verdict.reads.clone(),
        verdict.fuel,
        verdict.compute_price,
        verdict.outcome(),
    )
}

fn facts(work: &Work, hold: &Hold, verdict: &Verdict, bill: &Bill) -> Facts {
    let report = verdict.report.as_ref();
    Facts {
        id: hold.run.clone(),
        partner: hold.partner.clone(),
        reader: Reader::Plugin(hold.plugin.clone()),
        policy: verdict.policy,
        generation: verdict.generation.clone(),
        trust_level: hold.trust_level,
        at: work.now(),
        trigger: hold.trigger.clone(),
        reads: bill.reads.clone(),
        fuel: verdict.fuel,
        compute: bill.compute,
        outcome: verdict.outcome(),
        report: report.map(|report| Digest::of(&report.body)),
    }
}

async fn keep_log(
    work: &mut Work,
    hold: &Hold,
    verdict: &Verdict,
    bill: &Bill,
    issued: &Issued,
) -> Result<(), work::Error> {
    let log = RunLog {
        number: 0,
        run: hold.run.clone(),
        digest: hold.plugin.digest.clone(),
        trigger: hold.trigger.clone(),
        at: issued.at.to_string(),
        outcome: verdict.outcome(),
        detail: verdict.detail.clone(),
        total: bill.total(),
        compute: bill.compute,
        fuel: verdict.fuel,
        reads: bill.reads.len() as u64,
        lines: verdict.log.clone(),
    };
    logs::keep(work, &hold.partner, &hold.plugin.name, log).await
}

async fn keep_report(
    work: &mut Work,
    closing: &Closing,
    issued: &Issued,
) -> Result<(), work::Error> {
    let (hold, report) = (&closing.hold, closing.verdict.report.as_ref());
    let (Some(shelf), Some(report)) = (closing.shelf, report) else {
        return Ok(());
    };
    let kept = Kept {
        partner: &hold.partner,
        plugin: &hold.plugin.name,
        run: &hold.run,
        trigger: &hold.trigger,
        at: issued.at,
    };
    reports::keep(work, shelf, kept, report).await
}

/// A run that the host lost frees its key, so that a retry runs.
async fn keep_answer(
    work: &mut Work,
    closing: &Closing,
    issued: &Issued,
) -> Result<(), work::Error> {
    let (hold, verdict) = (&closing.hold, &closing.verdict);
    let Some(place) = &hold.answer else {
        return Ok(());
    };
    let end = verdict.outcome.map(|outcome| answers::KeptEnd {
        outcome,
        detail: verdict.detail.clone(),
        media_type: verdict
            .report
            .as_ref()
            .map(|report| report.media_type.clone()),
        sequence: issued.head.sequence,
        shelf: closing.shelf.unwrap_or(Shelf::Retries),
    });
    answers::end(work, place, &hold.run, end).await
}

/// A run that the host lost is tried again: its trigger is told when that is noted.
async fn tell_trigger(work: &mut Work, closing: &Closing) -> Result<(), work::Error> {
    let verdict = &closing.verdict;
    let (Some(fired), Some(outcome)) = (&closing.fired, verdict.outcome) else {
        return Ok(());
    };
    let (run, detail) = (&closing.hold.run, verdict.detail.as_deref());
    triggers::settled(work, fired, run, outcome, detail).await
}

/// Of receipts whose commits were not answered, the one that lies in the store.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn found(
    work: &mut Work,
    hold: &Hold,
    tried: &[Issued],
) -> Result<Option<Issued>, work::Error> {
    for issued in tried {
        let key = receipt_key(&hold.partner, issued.head.sequence);
        let stored = work.read(&Space::from(RECEIPTS), &key).await?;
        if stored.as_ref() == Some(&issued.bytes) {
            return Ok(Some(issued.clone()));
        }
    }
    Ok(None)
}
