//! What a partner's read of a dataset needs, costs and leaves out. Decisions and books only: no WIT type
//! and no component; `capabilities/data/` is the shell that carries them out.
//!
//! **Invariants.** Checks come in this order: identity, trust, consent, balance. A price is taken from
//! the tab before a byte reaches the guest. A read that is refused or finds nothing costs nothing. What
//! values of groups have told a partner is never forgotten while more about the same time can be asked.

pub mod cohorts;
mod gate;
mod groups;
pub mod made_up;
mod query;
mod rows;
mod secrecy;
mod tab;
mod terms;

use std::fmt;
use std::sync::Arc;

use crate::partners::Partner;

pub use gate::{Group, Profile, Rule};
pub use groups::{Gathered, Gathering, Member};
pub use query::{PAGE_ROWS_MAX, PERIOD_MS_MAX, Query};
pub use rows::{Known, ObjectPower, Picked, Row, Rows, veiled};
pub use secrecy::Secrets;
pub use tab::Tab;
pub use terms::{Decision, Terms, terms};

/// A metered dataset, as in `leyden:data`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    /// What households draw together.
    GlobalConsumption,
    /// What each producer feeds in.
    Production,
    /// What each household draws, with its objects.
    DetailedConsumption,
}

impl Dataset {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::GlobalConsumption,
        Self::Production,
        Self::DetailedConsumption,
    ];

    /// Its name: in WIT, routes, receipts and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GlobalConsumption => "global-consumption",
            Self::Production => "production",
            Self::DetailedConsumption => "detailed-consumption",
        }
    }

    /// Whether it can be read in columns as well: it has readings of single households.
    #[must_use]
    pub const fn has_columns(self) -> bool {
        matches!(self, Self::Production | Self::DetailedConsumption)
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A read that was charged, as it stands in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadEntry {
    /// What was read.
    pub dataset: Dataset,
    /// Start of the period asked for, ms since 1970, included.
    pub from_ms: u64,
    /// Its end, ms since 1970, excluded.
    pub to_ms: u64,
    /// Readings that were handed over.
    pub rows: u32,
    /// What it cost.
    pub datapoints: u64,
}

/// A half-open interval of time, ms since 1970, ordered by start, then end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// Start, included.
    pub starts_at_ms: u64,
    /// End, excluded.
    pub ends_at_ms: u64,
}

impl Interval {
    /// Whether the two have an instant in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.starts_at_ms < other.ends_at_ms && other.starts_at_ms < self.ends_at_ms
    }
}

/// Where a row stands among all rows: by interval, community, house.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its interval.
    pub interval: Interval,
    /// Its community.
    pub community: u64,
    /// Its house; empty: before the first. Many rows share one.
    pub house: Arc<str>,
}

impl Place {
    /// The first row of an interval.
    #[must_use]
    pub fn beginning(interval: Interval) -> Self {
        Self {
            interval,
            community: 0,
            house: "".into(),
        }
    }
}

/// Why a read is refused. Nothing was charged then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What may still be spent does not cover the price.
    OutOfCredit {
        /// What the read costs, datapoints.
        price: u64,
        /// What is left, datapoints.
        left: u64,
    },
    /// There are readings, but every household they are about withholds the dataset.
    NotConsented,
    /// The trust level that would be needed.
    NotTrusted(u32),
    /// Nothing was measured in the period.
    NoData,
    /// The answer would tell too much of single households.
    Suppressed(Rule),
    /// The query breaks a rule: the field, then the rule.
    Invalid(String),
    /// A bound of the run or invocation is used up, in words.
    Limit(String),
}

/// Whose purse a read is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// What was taken out of the account before the run and lies on the tab.
    Hold,
    /// The partner's account: each read is a movement of the invocation's own transaction.
    Account,
    /// Nobody's: the households are made up, and what is read is counted on the tab.
    MadeUp,
}

/// An invocation's metered reading for one partner; part of its transaction while it runs.
#[derive(Debug)]
pub struct Meter {
    /// For whom.
    pub partner: Arc<Partner>,
    /// From what.
    pub purse: Purse,
    /// What was read.
    pub tab: Tab,
    /// Readings that may still be handed over in this invocation.
    pub rows_left: u32,
    /// Reads that may still be made in this invocation, refused ones included.
    pub reads_left: u32,
    /// Bytes of readings that may still be handed over in this invocation.
    pub bytes_left: u64,
}

impl Meter {
    /// Counts a read that begins.
    ///
    /// # Errors
    /// A bound of the invocation is used up.
    pub fn begin(&mut self) -> Result<(), Refusal> {
        let used_up = |what: &str| Refusal::Limit(format!("{what} are used up"));
        let reads_left = self.reads_left.checked_sub(1);
        self.reads_left = reads_left.ok_or_else(|| used_up("reads"))?;
        match (self.rows_left, self.bytes_left) {
            (0, _) => Err(used_up("rows")),
            (_, 0) => Err(used_up("bytes")),
            _ => Ok(()),
        }
    }

    /// Counts readings that are handed over.
    pub fn hand_over(&mut self, rows: usize, bytes: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.rows_left = self.rows_left.saturating_sub(rows);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}
