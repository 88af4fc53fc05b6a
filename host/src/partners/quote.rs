//! What a run would cost: the prices of what a plugin imports, a run of it on made-up households, and what its last
//! runs did cost. An estimate: nothing of anybody is read, nothing is charged, and the report is thrown away.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Partner;
use super::limits::RunLimits;
use super::logs;
use super::receipts::Outcome;
use super::runs::{Error, Once, Ready};
use super::settle::Verdict;
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, Digest, Instant, PartnerId};
use crate::metering::{Dataset, Purse, ReadEntry, Terms};
use crate::runtime::run::{RunParams, Trigger};
use crate::store::SUM_MAX;

/// Past runs that are looked at.
const RUNS_LOOKED_MAX: usize = 20;

/// What an estimate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The version that would run.
    pub digest: Digest,
    /// The datasets that it imports.
    pub imports: Vec<Dataset>,
    /// The prices at the partner's trust level.
    pub terms: Terms,
    /// What the partner's account holds, datapoints.
    pub balance: u64,
    /// What a run on made-up households came to.
    pub tried: Tried,
    /// What its last runs cost, datapoints, the newest first; those that the host lost are left out.
    pub last: Vec<u64>,
}

/// A run on made-up households.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// How it ended.
    pub outcome: Outcome,
    /// Why there is no report, in words.
    pub detail: Option<String>,
    /// Reads, rows and datapoints by dataset.
    pub reads: BTreeMap<Dataset, (u64, u64, u64)>,
    /// Units of fuel used.
    pub fuel: u64,
    /// What computing would cost, datapoints.
    pub compute: u64,
    /// What all of it would cost, datapoints.
    pub total: u64,
}

/// Runs a plugin on made-up households, for a partner who is made up, too: pseudonyms are nobody's.
pub(crate) async fn tried(
    ready: &Ready,
    work: Box<Work>,
    trust_level: u32,
    params: String,
) -> Tried {
    let partner = Arc::new(nobody(trust_level, work.now()));
    let once = Once {
        partner: &partner,
        purse: Purse::MadeUp,
        held: SUM_MAX,
        limits: RunLimits::of(trust_level),
        terms: &ready.terms,
    };
    let tab = once.tab();
    let params = RunParams {
        trigger: Trigger::Request,
        json: params,
    };
    let input = once.input(work, tab.clone(), params, ready.generation.clone());
    let ran = (ready.run)(input).await;
    let bill = once.bill(&ran, &tab);
    let verdict = Verdict::of(ran);
    Tried {
        outcome: verdict.outcome(),
        detail: verdict.detail,
        reads: summed(&tab.reads().0),
        fuel: verdict.fuel,
        compute: bill.compute,
        total: bill.total(),
    }
}

/// A partner whom nobody knows, so that nothing was ever told to it.
fn nobody(trust_level: u32, now: Instant) -> Partner {
    let id = format!("estimate {}", uuid::Uuid::new_v4());
    #[expect(
        clippy::expect_used,
        reason = "letters, digits and dashes around a blank"
    )]
    let id = PartnerId::parse(&id).expect("a valid id");
    Partner::new(id, trust_level, now)
}

fn summed(reads: &[ReadEntry]) -> BTreeMap<Dataset, (u64, u64, u64)> {
    let mut sums = BTreeMap::new();
    for read in reads {
        let (count, rows, datapoints): &mut (u64, u64, u64) = sums.entry(read.dataset).or_default();
        *count += 1;
        *rows += u64::from(read.rows);
        *datapoints += read.datapoints;
    }
    sums
}

/// What a plugin's last runs cost.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn last(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
) -> Result<Vec<u64>, Error> {
    let logs = logs::list(work, partner, plugin, None, RUNS_LOOKED_MAX).await?;
    let charged = logs.into_iter().filter(|log| log.outcome.is_charged());
    Ok(charged.map(|log| log.total).collect())
}
