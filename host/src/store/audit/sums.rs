//! The accounts' sums, as they are kept and as their entries add up.

use std::collections::HashMap;

use super::super::{Account, ISSUER, Version, partition_of};
use super::{Cut, Entry, Findings, Row};

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
pub(super) struct Share {
    cut: Version,
    number: u16,
    of: u16,
    accounts: HashMap<String, Tally>,
}

impl Share {
    pub(super) fn new(cut: &Cut, number: u16, of: u16) -> Self {
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

    pub(super) fn account(&mut self, name: String, kept: Option<Account>, version: Version) {
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

    pub(super) fn row(&mut self, row: &Row, findings: &mut Findings) {
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

    pub(super) fn close(self, findings: &mut Findings) {
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
