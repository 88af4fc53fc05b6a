//! The ledger's rules, apart from where its rows lie, and its recomputation.
//!
//! **Invariants.** Postings are judged in order, each on what the ones before it left. No sum
//! passes [`SUM_MAX`]. Only the issuer goes below zero.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::schema::unsigned;
use crate::store::{Account, CommitError, ISSUER, LedgerCheck, Posting, SUM_MAX};

/// The accounts as a transaction leaves them.
pub(super) type Changed<'p> = BTreeMap<&'p str, Account>;

/// What a failed judgement says: SQLite's fault, or the transaction's.
pub(super) enum Refusal {
    Storage(rusqlite::Error),
    Rule(CommitError),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

/// Judges postings before anything is written; `load` reads an account as it is now.
pub(super) fn judge<'p>(
    postings: &'p [Posting],
    mut load: impl FnMut(&str) -> rusqlite::Result<Account>,
) -> Result<Changed<'p>, Refusal> {
    let mut accounts = Changed::new();
    for posting in postings {
        check_shape(posting).map_err(Refusal::Rule)?;
        for name in [posting.debit.as_str(), posting.credit.as_str()] {
            if !accounts.contains_key(name) {
                accounts.insert(name, load(name)?);
            }
        }
        apply(&mut accounts, posting).map_err(Refusal::Rule)?;
    }
    Ok(accounts)
}

fn check_shape(posting: &Posting) -> Result<(), CommitError> {
    if posting.amount == 0 {
        return Err(CommitError::InvalidPosting(
            "the amount must be more than 0",
        ));
    }
    if posting.debit == posting.credit {
        return Err(CommitError::InvalidPosting("the accounts must differ"));
    }
    Ok(())
}

fn apply<'p>(accounts: &mut Changed<'p>, posting: &'p Posting) -> Result<(), CommitError> {
    let debit = accounts.entry(&posting.debit).or_default();
    let balance = debit.balance();
    if posting.debit != ISSUER && posting.amount > balance {
        return Err(CommitError::Overdrawn {
            account: posting.debit.clone(),
            balance,
        });
    }
    debit.debits = grow(debit.debits, posting.amount)?;
    let credit = accounts.entry(&posting.credit).or_default();
    credit.credits = grow(credit.credits, posting.amount)?;
    Ok(())
}

fn grow(sum: u64, amount: u64) -> Result<u64, CommitError> {
    let grown = sum.checked_add(amount).filter(|sum| *sum <= SUM_MAX);
    grown.ok_or(CommitError::InvalidPosting(
        "an account's sum must stay below 2^53",
    ))
}

/// 128 bits: sums of a damaged file must not overflow while they are compared.
#[derive(Default, PartialEq)]
struct Sums {
    debits: u128,
    credits: u128,
}

/// Recomputes every account from the entries and compares it with what is kept.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<LedgerCheck> {
    let mut report = LedgerCheck::default();
    let mut recomputed = recompute(connection, &mut report.entries)?;
    let mut statement = connection.prepare_cached("SELECT name, debits, credits FROM accounts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let kept = Sums {
            debits: unsigned(row.get(1)?).into(),
            credits: unsigned(row.get(2)?).into(),
        };
        report.accounts += 1;
        report.debits += kept.debits;
        report.credits += kept.credits;
        let sound = recomputed.remove(&name).unwrap_or_default() == kept;
        if !sound || (name != ISSUER && kept.debits > kept.credits) {
            report.wrong_accounts.push(name);
        }
    }
    report.wrong_accounts.extend(recomputed.into_keys());
    report.wrong_accounts.sort();
    Ok(report)
}

fn recompute(
    connection: &Connection,
    entries: &mut u64,
) -> rusqlite::Result<BTreeMap<String, Sums>> {
    let mut accounts = BTreeMap::<String, Sums>::new();
    let mut statement = connection.prepare_cached("SELECT debit, credit, amount FROM entries")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let amount = u128::from(unsigned(row.get(2)?));
        accounts.entry(row.get(0)?).or_default().debits += amount;
        accounts.entry(row.get(1)?).or_default().credits += amount;
        *entries += 1;
    }
    Ok(accounts)
}
