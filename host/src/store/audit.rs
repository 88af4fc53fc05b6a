//! Recomputes the ledger: every account's sums from the entries, and the chain entry by entry. Nothing here knows where
//! the ledger lies; both stores offer it in [`Pages`].
//!
//! Commits go on meanwhile. The report is about one version, the *cut*. An account read later than that
//! has moved on, by entries that are read as well and taken off again.
//!
//! **Invariants.** Memory is bounded, however long the ledger is: by a page of it and by [`ACCOUNTS_MAX`] accounts. What
//! a ledger that was tampered with may hold is a finding and not a failure.

mod links;
mod sums;

use std::collections::BTreeSet;

use super::chain::Head;
use super::{Account, Posting, Result, Version};
use crate::ids::Digest;
use links::Chain;
use sums::Share;

/// Accounts whose sums are held at a time, some 20 MB; where there are more, the entries are read once for
/// each so many.
const ACCOUNTS_MAX: u64 = 100_000;

/// Wrong accounts that are named: as many as somebody reads. One is enough to know.
const WRONG_ACCOUNTS_MAX: usize = 100;

/// The whole ledger, compared with what its entries add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerCheck {
    /// Entries.
    pub entries: u64,
    /// Accounts.
    pub accounts: u64,
    /// Debits of all accounts as they are kept, datapoints; equals `credits` in a sound ledger.
    pub debits: u128,
    /// Credits of all accounts as they are kept, datapoints.
    pub credits: u128,
    /// Accounts whose kept sums differ from their entries or that are below zero without right; the first
    /// hundred by name.
    pub wrong_accounts: Vec<String>,
    /// Where the chain ends, recomputed from the entries.
    pub head: Head,
    /// The first entry with which the chain breaks.
    pub broken: Option<Broken>,
}

impl LedgerCheck {
    /// Whether everything is as it was committed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.debits == self.credits && self.wrong_accounts.is_empty() && self.broken.is_none()
    }
}

/// Where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which entry, from 1.
    pub entry: u64,
    /// The commit that made it and its position there, from 0; none where it is missing.
    pub place: Option<(Version, u64)>,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// No commit writes such a row.
    Unreadable,
    /// It or what stood before it was changed, removed, put in or moved, or is now of another commit.
    Hash,
    /// It is gone, and all after it.
    Missing,
    /// It was put in after the last one.
    Surplus,
    /// All entries are in order, but not those that were committed.
    Head,
    /// No commit ended here with the hash that was noted.
    Noted,
}

impl Flaw {
    /// In words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Unreadable => "it is not in the form in which entries are written",
            Self::Hash => {
                "its hash does not follow from what it says and from the hashes before it"
            }
            Self::Missing => "it is missing: more entries were committed than are there",
            Self::Surplus => "it was not committed: more entries are there than were",
            Self::Head => "its hash is not the one that is kept as the ledger's head",
            Self::Noted => {
                "its hash is not the head that was noted: it or what stood before it was made up anew"
            }
        }
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: Version,
    pub(super) position: u64,
    /// None where it cannot be one that a commit wrote.
    pub(super) entry: Option<Entry>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) posting: Posting,
    /// The commit's instant, ms.
    pub(super) at: u64,
    /// Its hash; none where it is older than the chain.
    pub(super) chain: Option<Digest>,
}

/// What the ledger should be, at one instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut {
    pub(super) version: Version,
    pub(super) head: Head,
    /// How many of the first entries are older than the chain.
    pub(super) unchained: u64,
    /// About how many accounts there are.
    pub(super) accounts: u64,
}

/// Some rows, read at one instant.
#[derive(Debug, Clone)]
pub(super) struct Page<T, C> {
    pub(super) rows: Vec<T>,
    /// The store's version then.
    pub(super) version: Version,
    /// Where to go on; none at the end.
    pub(super) next: Option<C>,
}

/// A name, and its sums where they can be read.
pub(super) type NamedAccount = (String, Option<Account>);

/// A ledger that is read in pages of a bounded size.
pub(super) trait Pages: Sync {
    /// A place among the accounts; the default is before the first.
    type AccountPlace: Default + Send;
    /// A place among the entries; the default is before the first.
    type EntryPlace: Default + Send;

    fn cut(&self) -> impl Future<Output = Result<Cut>> + Send;

    /// All accounts that there are when the first page is read come once or more often, in any order.
    fn accounts(
        &self,
        from: Self::AccountPlace,
    ) -> impl Future<Output = Result<Page<NamedAccount, Self::AccountPlace>>> + Send;

    /// All entries come once, in their order.
    fn entries(
        &self,
        from: Self::EntryPlace,
    ) -> impl Future<Output = Result<Page<Row, Self::EntryPlace>>> + Send;
}

/// Recomputes a ledger.
pub(super) async fn check(pages: &impl Pages, noted: Option<Head>) -> Result<LedgerCheck> {
    check_in_shares(pages, noted, ACCOUNTS_MAX).await
}

async fn check_in_shares(
    pages: &impl Pages,
    noted: Option<Head>,
    accounts_max: u64,
) -> Result<LedgerCheck> {
    let cut = pages.cut().await?;
    let mut findings = Findings::default();
    let mut chain = Some(Chain::new(&cut, noted));
    let shares = u16::try_from(cut.accounts / accounts_max + 1).unwrap_or(u16::MAX);
    for number in 0..shares {
        let mut share = Share::new(&cut, number, shares);
        read_accounts(pages, &mut share).await?;
        // The chain is the same for every share.
        read_entries(pages, &mut share, chain.as_mut(), &mut findings).await?;
        share.close(&mut findings);
        if let Some(chain) = chain.take() {
            chain.close(&mut findings.report);
        }
    }
    Ok(findings.close())
}

async fn read_accounts<P: Pages>(pages: &P, share: &mut Share) -> Result<()> {
    let mut from = Some(P::AccountPlace::default());
    while let Some(place) = from {
        let page = pages.accounts(place).await?;
        for (name, sums) in page.rows {
            share.account(name, sums, page.version);
        }
        from = page.next;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn read_entries<P: Pages>(
    pages: &P,
    share: &mut Share,
    mut chain: Option<&mut Chain>,
    findings: &mut Findings,
) -> Result<()> {
    let mut from = Some(P::EntryPlace::default());
    while let Some(place) = from {
        let page = pages.entries(place).await?;
        for row in &page.rows {
            if let Some(chain) = &mut chain {
                chain.row(row, page.version);
            }
            share.row(row, findings);
        }
        from = page.next;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What is found.
#[derive(Default)]
struct Findings {
    report: LedgerCheck,
    wrong: BTreeSet<String>,
}

impl Findings {
    fn wrong(&mut self, name: &str) {
        if self.wrong.contains(name) {
            return;
        }
        self.wrong.insert(name.to_owned());
        if self.wrong.len() > WRONG_ACCOUNTS_MAX {
            self.wrong.pop_last();
        }
    }

    fn close(self) -> LedgerCheck {
        LedgerCheck {
            entries: self.report.head.entries,
            wrong_accounts: self.wrong.into_iter().collect(),
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests;
