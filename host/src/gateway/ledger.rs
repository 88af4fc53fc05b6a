//! The ledger, for operators: whether it is sound, and what its accounts have. JSON out; recomputing is the store's.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::Gateway;
use super::admin::reply;
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::store::chain::Head;
use crate::store::{Account, Broken};

/// Accounts of one answer: as many as fit on a few screens, unless told otherwise.
const ACCOUNTS: u64 = 100;
/// Most accounts of one answer: some hundred kilobytes.
const ACCOUNTS_MAX: u64 = 1_000;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Recomputes the ledger, `?noted=ENTRIES:HEAD`. `sum` is what all accounts hold together, the issuer's debt included: 0.
/// `head` is where the chain of its entries ends, and `note` what to note of a sound ledger: who asks with it later sees
/// whether anything up to there was changed, even where all of the chain was made up anew.
pub(super) async fn verify(State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["noted"])?;
    let noted = query.text("noted").map(str::parse::<Head>).transpose();
    let noted = noted.map_err(|rule| Problem::field(Kind::Invalid, "noted", rule.0))?;
    let check = gateway.host.store.check_ledger(noted).await?;
    let sum = i128::try_from(check.credits)
        .ok()
        .zip(i128::try_from(check.debits).ok());
    reply(&json!({
        "entries": check.entries,
        "accounts": check.accounts,
        "debits": check.debits.to_string(),
        "credits": check.credits.to_string(),
        "sum": sum.map(|(credits, debits)| (credits - debits).to_string()),
        "head": check.head.hash.to_string(),
        "note": check.is_sound().then(|| check.head.to_string()),
        "sound": check.is_sound(),
        "wrongAccounts": check.wrong_accounts,
        "broken": check.broken.as_ref().map(broken),
    }))
}

fn broken(broken: &Broken) -> Value {
    json!({
        "entry": broken.entry,
        "commit": broken.place.map(|(version, _)| version),
        "position": broken.place.map(|(_, position)| position),
        "what": broken.flaw.what(),
    })
}

/// Accounts by name, `?after=NAME&limit=N`; `next` is the name after which the list goes on.
pub(super) async fn accounts(State(gateway): Shared, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["after", "limit"])?;
    let limit = query.number("limit", 1..=ACCOUNTS_MAX)?.unwrap_or(ACCOUNTS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = query.text("after").unwrap_or_default();
    let found = gateway.host.store.accounts(after, limit).await?;
    let next = found.last().filter(|_| found.len() == limit);
    reply(&json!({
        "accounts": found.iter().map(account).collect::<Vec<_>>(),
        "next": next.map(|(name, _)| name),
    }))
}

/// The issuer's balance is below zero: it owes what all others hold.
fn account((name, sums): &(String, Account)) -> Value {
    let Account { debits, credits } = sums;
    let balance = i128::from(*credits) - i128::from(*debits);
    json!({
        "account": name,
        "debits": debits,
        "credits": credits,
        "balance": i64::try_from(balance).ok(),
    })
}
