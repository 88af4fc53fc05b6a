//! What a partner's read of a dataset needs, costs and leaves out. Decisions and books only: no WIT type,
//! no component and no store; `capabilities/data.rs` is the shell that carries them out.
//!
//! **Invariants.** Checks come in this order: identity, trust, consent, balance. A price is taken from
//! the tab before a byte reaches the guest. A read that is refused or finds nothing costs nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::Digest;
use crate::partners::Partner;

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

/// What a run or an invocation has read and may still spend. Shared by whoever runs the guest and the
/// guest's own calls, so that it is not lost with an instance that traps or is cut off.
#[derive(Debug, Clone)]
pub struct Tab(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    left: u64,
    reads: Vec<ReadEntry>,
    policy: Option<Digest>,
}

impl Tab {
    /// A tab over a hold of so many datapoints.
    #[must_use]
    pub fn over(held: u64) -> Self {
        Self(Arc::new(Mutex::new(Books {
            left: held,
            ..Books::default()
        })))
    }

    /// What may still be spent, datapoints.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.books().left
    }

    /// What reads have cost so far, datapoints.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.books().reads.iter().map(|read| read.datapoints).sum()
    }

    /// Takes a read's price, before its readings are handed over.
    ///
    /// # Errors
    /// What is left does not cover the price; that much is left.
    pub fn charge(&self, read: ReadEntry) -> Result<(), u64> {
        let mut books = self.books();
        books.left = books.left.checked_sub(read.datapoints).ok_or(books.left)?;
        books.reads.push(read);
        Ok(())
    }

    /// Notes which version of the access policy set prices and trust.
    pub fn decided_by(&self, policy: Digest) {
        self.books().policy = Some(policy);
    }

    /// What was read so far, in order, and the version of the access policy that set the prices.
    #[must_use]
    pub fn reads(&self) -> (Vec<ReadEntry>, Option<Digest>) {
        let books = self.books();
        (books.reads.clone(), books.policy)
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose purse a read is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// What was taken out of the account before the run and lies on the tab.
    Hold,
    /// The partner's account: each read is a movement of the invocation's own transaction.
    Account,
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
}
