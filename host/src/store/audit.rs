//! Recomputes the ledger: every account's sums from the entries, and the chain entry by entry. Nothing here knows where
//! the ledger lies; both stores offer it in [`Pages`].
//!
//! Commits go on meanwhile. The report is about one version, the *cut*. An account read later than that
//! has moved on, by entries that are read as well and taken off again.
//!
//! **Invariants.** Memory is bounded, however long the ledger is: by a page of it and by [`ACCOUNTS_MAX`] accounts. What
//! a ledger that was tampered with may hold is a finding and not a failure.

use std::collections::{BTreeSet, HashMap};

use super::chain::{self, Head};
use super::{Account, ISSUER, Posting, Result, Version, partition_of};
use crate::ids::Digest;

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
pub(super) async fn check(pages: &impl Pages) -> Result<LedgerCheck> {
    check_in_shares(pages, ACCOUNTS_MAX).await
}

async fn check_in_shares(pages: &impl Pages, accounts_max: u64) -> Result<LedgerCheck> {
    let cut = pages.cut().await?;
    let mut findings = Findings::default();
    let mut chain = Some(Chain::new(&cut));
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

/// The chain, as far as it was read.
struct Chain {
    cut: Cut,
    /// Rows read, those after the cut as well.
    rows: u64,
    /// After the last commit that was read to its end.
    head: Head,
    /// The last row, until it is known whether another one of its commit follows.
    last: Option<Last>,
    broken: Option<Broken>,
}

/// A row whose hash is still to be compared.
struct Last {
    entry: u64,
    place: (Version, u64),
    /// What the rows of its commit make so far.
    part: Digest,
    kept: Option<Digest>,
}

impl Chain {
    fn new(cut: &Cut) -> Self {
        Self {
            cut: cut.clone(),
            rows: 0,
            head: Head::default(),
            last: None,
            broken: None,
        }
    }

    fn broken(&mut self, entry: u64, place: Option<(Version, u64)>, flaw: Flaw) {
        let broken = Broken { entry, place, flaw };
        self.broken.get_or_insert(broken);
    }

    /// The next row, read when the store was at a version.
    fn row(&mut self, row: &Row, version: Version) {
        self.rows += 1;
        let place = (row.version, row.position);
        if row.version <= self.cut.version {
            self.link(row, place);
        } else if row.version > version {
            // Those between are commits that came meanwhile.
            self.broken(self.rows, Some(place), Flaw::Surplus);
        }
    }

    fn link(&mut self, row: &Row, place: (Version, u64)) {
        let before = self.close_last(Some(row.version));
        self.head.entries += 1;
        let Some(entry) = &row.entry else {
            return self.broken(self.head.entries, Some(place), Flaw::Unreadable);
        };
        if self.head.entries > self.cut.head.entries {
            self.broken(self.head.entries, Some(place), Flaw::Surplus);
        }
        self.last = Some(Last {
            entry: self.head.entries,
            place,
            part: chain::part(before.as_ref(), &entry.posting, entry.at),
            kept: entry.chain,
        });
    }

    /// Compares the last row's hash, now that it is known what follows: a row of a commit, or none. What its commit
    /// makes so far, where it goes on.
    fn close_last(&mut self, next: Option<Version>) -> Option<Digest> {
        let last = self.last.take()?;
        let goes_on = next == Some(last.place.0);
        let hash = match goes_on {
            true => last.part,
            false => chain::link(&self.head.hash, &last.part),
        };
        if !goes_on {
            self.head.hash = hash;
        }
        let expected = (last.entry > self.cut.unchained).then_some(hash);
        let is_cut_off = next.is_none() && last.entry < self.cut.head.entries;
        // One that is not its commit's last shows that what followed is gone; that is told of what is missing.
        if last.kept != expected && !(is_cut_off && last.kept == Some(last.part)) {
            self.broken(last.entry, Some(last.place), Flaw::Hash);
        }
        goes_on.then_some(last.part)
    }

    fn close(mut self, report: &mut LedgerCheck) {
        self.close_last(None);
        let (head, kept) = (self.head, self.cut.head);
        if head.entries < kept.entries {
            self.broken(head.entries + 1, None, Flaw::Missing);
        } else if head != kept {
            self.broken(head.entries, None, Flaw::Head);
        }
        report.head = head;
        report.broken = self.broken;
    }
}

/// 128 bits: sums of damaged entries must not overflow while they are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    debits: u128,
    credits: u128,
}

/// An account and its entries.
struct Tally {
    kept: Option<Account>,
    /// The version at which it was read.
    version: Version,
    /// Its entries up to the cut.
    before: Sums,
    /// Those from there to when it was read.
    since: Sums,
}

/// Those accounts that are compared in one reading of the entries.
struct Share {
    cut: Version,
    number: u16,
    of: u16,
    accounts: HashMap<String, Tally>,
}

impl Share {
    fn new(cut: &Cut, number: u16, of: u16) -> Self {
        Self {
            cut: cut.version,
            number,
            of,
            accounts: HashMap::new(),
        }
    }

    fn has(&self, name: &str) -> bool {
        partition_of(name, self.of) == self.number
    }

    fn account(&mut self, name: String, kept: Option<Account>, version: Version) {
        if self.has(&name) {
            let tally = Tally {
                kept,
                version,
                before: Sums::default(),
                since: Sums::default(),
            };
            self.accounts.entry(name).or_insert(tally);
        }
    }

    fn row(&mut self, row: &Row, findings: &mut Findings) {
        let Some(Entry { posting, .. }) = &row.entry else {
            return;
        };
        let amount = u128::from(posting.amount);
        if let Some(sums) = self.sums(row.version, &posting.debit, findings) {
            sums.debits += amount;
        }
        if let Some(sums) = self.sums(row.version, &posting.credit, findings) {
            sums.credits += amount;
        }
    }

    /// Where an entry of an account counts, if it does here.
    fn sums(&mut self, version: Version, name: &str, findings: &mut Findings) -> Option<&mut Sums> {
        if !self.has(name) {
            return None;
        }
        let is_before = version <= self.cut;
        match self.accounts.get_mut(name) {
            Some(tally) if is_before => Some(&mut tally.before),
            Some(tally) => (version <= tally.version).then_some(&mut tally.since),
            None => {
                // One that was made after the cut may have been missed when the accounts were read.
                if is_before {
                    findings.wrong(name);
                }
                None
            }
        }
    }

    fn close(self, findings: &mut Findings) {
        for (name, tally) in self.accounts {
            let Tally { before, since, .. } = tally;
            let is_new = before == Sums::default() && since != before;
            findings.report.accounts += u64::from(!is_new);
            let Some(kept) = tally.kept else {
                findings.wrong(&name);
                continue;
            };
            let (debits, credits) = (u128::from(kept.debits), u128::from(kept.credits));
            findings.report.debits += debits.saturating_sub(since.debits);
            findings.report.credits += credits.saturating_sub(since.credits);
            let sound =
                debits == before.debits + since.debits && credits == before.credits + since.credits;
            if !sound || (name != ISSUER && debits > credits) {
                findings.wrong(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
