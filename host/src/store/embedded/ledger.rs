//! The ledger's rules, and its rows: how they are read again when all of it is recomputed.
//!
//! **Invariants.** Postings are judged in order, each on what the ones before it left. No sum
//! passes [`SUM_MAX`]. Only the issuer goes below zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};

use super::readers::{Lease, Pool};
use super::schema::unsigned;
use crate::ids::Digest;
use crate::store::audit::{Cut, Entry, NamedAccount, Page, Pages, Row as Found};
use crate::store::chain::Head;
use crate::store::{Account, CommitError, ISSUER, Posting, Result as Answer, SUM_MAX, Version};

/// Rows of a page: some tenths of a millisecond, since reads run on the async workers.
const PAGE: i64 = 250;

const HEAD: &str = "SELECT entries, head FROM ledger";
const ACCOUNTS: &str =
    "SELECT name, debits, credits FROM accounts WHERE name > ?1 ORDER BY name LIMIT ?2";
const ENTRIES: &str = "SELECT version, position, debit, credit, amount, reference, at_ms, chain FROM entries \
     WHERE (version, position) > (?1, ?2) ORDER BY version, position LIMIT ?3";

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

/// Where the chain ends, as it is kept.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Head> {
    connection.prepare_cached(HEAD)?.query_row([], |row| {
        Ok(Head {
            entries: unsigned(row.get(0)?),
            hash: row.get::<_, [u8; 32]>(1)?.into(),
        })
    })
}

/// The ledger as it lies in the tables. Each page is a snapshot of its own, so that none is held for long.
pub(super) struct Books<'p>(pub(super) &'p Arc<Pool>);

impl Books<'_> {
    async fn now<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    ) -> Answer<(T, Version)> {
        let (lease, version): (Lease, _) = self.0.present().await?;
        Ok((lease.with(read)?, version))
    }
}

/// A name as it lies there, whatever its bytes are.
#[derive(Debug, Default)]
pub(super) struct Name(Vec<u8>);

impl ToSql for Name {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// Numbers of a commit and of a movement in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(i64, i64);

impl Default for Place {
    /// Before everything that a table can hold.
    fn default() -> Self {
        Self(i64::MIN, i64::MIN)
    }
}

impl Pages for Books<'_> {
    type AccountPlace = Name;
    type EntryPlace = Place;

    async fn cut(&self) -> Answer<Cut> {
        let read = |connection: &Connection| {
            let count = "SELECT count(*) FROM accounts";
            let accounts = connection.query_row(count, [], |row| row.get(0))?;
            Ok((head(connection)?, unsigned(accounts)))
        };
        let ((head, accounts), version) = self.now(read).await?;
        Ok(Cut {
            version,
            head,
            unchained: 0,
            accounts,
        })
    }

    async fn accounts(&self, from: Name) -> Answer<Page<NamedAccount, Name>> {
        let read = |connection: &Connection| {
            page(connection, ACCOUNTS, params![from, PAGE], |row| {
                let name = row.get_ref(0)?.as_bytes()?;
                let shown = String::from_utf8_lossy(name).into_owned();
                Ok(((shown, account(row)), Name(name.to_vec())))
            })
        };
        let ((rows, next), version) = self.now(read).await?;
        Ok(Page {
            rows,
            version,
            next,
        })
    }

    async fn entries(&self, from: Place) -> Answer<Page<Found, Place>> {
        let read = |connection: &Connection| {
            page(connection, ENTRIES, params![from.0, from.1, PAGE], found)
        };
        let ((rows, next), version) = self.now(read).await?;
        Ok(Page {
            rows,
            version,
            next,
        })
    }
}

/// Some rows, and the last one's place.
fn page<T, C>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<(T, C)>,
) -> rusqlite::Result<(Vec<T>, Option<C>)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let (mut page, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let (value, place) = read(row)?;
        page.push(value);
        last = Some(place);
    }
    Ok((page, last))
}

fn account(row: &Row<'_>) -> Option<Account> {
    Some(Account {
        debits: whole(row, 1)?,
        credits: whole(row, 2)?,
    })
}

fn found(row: &Row<'_>) -> rusqlite::Result<(Found, Place)> {
    let (version, position) = (row.get(0)?, row.get(1)?);
    let found = Found {
        version: unsigned(version),
        position: unsigned(position),
        entry: entry(row),
    };
    Ok((found, Place(version, position)))
}

/// What a row says; none where no commit writes such a row.
fn entry(row: &Row<'_>) -> Option<Entry> {
    Some(Entry {
        posting: Posting {
            debit: row.get(2).ok()?,
            credit: row.get(3).ok()?,
            amount: whole(row, 4)?,
            reference: row.get(5).ok()?,
        },
        at: whole(row, 6)?,
        chain: Some(Digest::from(row.get::<_, [u8; 32]>(7).ok()?)),
    })
}

/// A number that is not below zero.
fn whole(row: &Row<'_>, column: usize) -> Option<u64> {
    u64::try_from(row.get::<_, i64>(column).ok()?).ok()
}
