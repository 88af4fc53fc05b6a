//! What a plugin's last runs logged and cost.
//!
//! **Invariant.** Of each plugin the last [`KEPT_MAX`] runs are kept, in as many slots that are written round and
//! round, so that keeping one more costs the same however many there have been.

use serde::{Deserialize, Serialize};

use super::receipts::Outcome;
use crate::dispatch::work::{self, Work};
use crate::ids::{ComponentName, PartnerId};
use crate::runtime::run::LogLine;
use crate::store::Space;

/// Logs: partner, 0, plugin → how many runs there were (8 bytes); the same, 0, slot (1 byte) → [`RunLog`].
const LOGS: &str = "leyden.plugin-logs";

/// Runs that are kept of each plugin.
pub const KEPT_MAX: u64 = 100;

const _: () = assert!(KEPT_MAX <= 256, "a slot is one byte");

/// What a run logged and came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunLog {
    /// Its number among the plugin's runs, from 1.
    pub number: u64,
    /// Its id.
    pub run: String,
    /// The version that ran, SHA-256 of its bytes.
    pub digest: String,
    /// What started it.
    pub trigger: String,
    /// When it was settled, RFC 3339.
    pub at: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there is no report, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it cost, datapoints.
    pub total: u64,
    /// What of that computing cost, datapoints.
    pub compute: u64,
    /// Units of fuel used.
    pub fuel: u64,
    /// Reads that were charged.
    pub reads: u64,
    /// What it logged.
    pub lines: Vec<LogLine>,
}

/// Keeps what a run logged, in place of the one [`KEPT_MAX`] runs ago. Its number is given here.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn keep(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &str,
    mut log: RunLog,
) -> Result<(), work::Error> {
    let (space, counter) = (Space::from(LOGS), counter_key(partner, plugin));
    log.number = count(work.read(&space, &counter).await?) + 1;
    let slot = slot_key(&counter, log.number);
    work.write(&space, counter, Some(log.number.to_be_bytes().to_vec()))?;
    work.write(&space, slot, serde_json::to_vec(&log).ok())
}

/// The logs of a plugin's last runs, the newest first: at most `limit`, and only of those before `before`.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn list(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<RunLog>, work::Error> {
    let (space, counter) = (Space::from(LOGS), counter_key(partner, plugin.as_str()));
    let newest = count(work.read(&space, &counter).await?);
    let mut logs = Vec::new();
    for number in numbers(newest, before).take(limit) {
        let stored = work.read(&space, &slot_key(&counter, number)).await?;
        let log = stored.and_then(|bytes| serde_json::from_slice::<RunLog>(&bytes).ok());
        logs.extend(log.filter(|log| log.number == number));
    }
    Ok(logs)
}

/// The runs that are kept, the newest first.
fn numbers(newest: u64, before: Option<u64>) -> impl Iterator<Item = u64> {
    let oldest = newest.saturating_sub(KEPT_MAX) + 1;
    let last = before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
    (oldest..=last).rev()
}

fn count(stored: Option<Vec<u8>>) -> u64 {
    let bytes = stored.and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

fn counter_key(partner: &PartnerId, plugin: &str) -> Vec<u8> {
    format!("{partner}\0{plugin}").into_bytes()
}

fn slot_key(counter: &[u8], number: u64) -> Vec<u8> {
    let slot = u8::try_from(number % KEPT_MAX).unwrap_or(0);
    [counter, &[0, slot]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_are_named_newest_first() {
        let named = |newest, before| numbers(newest, before).collect::<Vec<_>>();
        assert!(named(0, None).is_empty());
        assert_eq!(named(3, None), [3, 2, 1]);
        assert_eq!(named(3, Some(3)), [2, 1]);
        assert!(named(3, Some(1)).is_empty());
        assert!(named(3, Some(0)).is_empty());
        let many = named(250, None);
        assert_eq!((many.len(), many[0], many[99]), (100, 250, 151));
    }

    #[test]
    fn kept_runs_never_share_a_slot() {
        let slots: std::collections::HashSet<_> = numbers(12_345, None)
            .map(|number| slot_key(b"x", number))
            .collect();
        assert_eq!(slots.len(), 100);
    }
}
