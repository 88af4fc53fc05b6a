//! `leyden:ledger`: datapoint accounts, for components whose manifest grants them.

use super::leyden::ledger::ledger::{Error, Host, Transfer};
use crate::dispatch::work;
use crate::runtime::Guest;
use crate::store::Posting;

/// Longest account name or reference, bytes.
const NAME_BYTES_MAX: usize = 1000;

/// Largest amount of one movement, so that sums of many stay far from the store's 2^53.
const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// The one place where a failure becomes the guest's error. What the store fails at ends the invocation.
fn answer<T>(result: Result<T, work::Error>) -> wasmtime::Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(work::Error::Budget(budget)) => Ok(Err(Error::Budget(budget.to_string()))),
        Err(work::Error::Insufficient(balance)) => Ok(Err(Error::Insufficient(balance))),
        Err(other) => Err(super::end(other)),
    }
}

fn check_account(account: &str) -> Result<(), Error> {
    let wrong = account.is_empty() || account.len() > NAME_BYTES_MAX;
    if wrong {
        Err(Error::Account(account.chars().take(40).collect()))
    } else {
        Ok(())
    }
}

fn check(transfer: &Transfer) -> Result<(), Error> {
    check_account(&transfer.debit)?;
    check_account(&transfer.credit)?;
    if transfer.debit == transfer.credit || transfer.reference.len() > NAME_BYTES_MAX {
        return Err(Error::Account(transfer.credit.clone()));
    }
    let served = 1..=AMOUNT_MAX;
    if served.contains(&transfer.amount) {
        Ok(())
    } else {
        Err(Error::Amount(transfer.amount))
    }
}

impl Host for Guest {
    async fn balance(&mut self, account: String) -> wasmtime::Result<Result<u64, Error>> {
        if let Err(rule) = check_account(&account) {
            return Ok(Err(rule));
        }
        answer(self.work()?.balance(&account).await)
    }

    async fn post(&mut self, transfer: Transfer) -> wasmtime::Result<Result<(), Error>> {
        if let Err(rule) = check(&transfer) {
            return Ok(Err(rule));
        }
        let Transfer {
            debit,
            credit,
            amount,
            reference,
        } = transfer;
        let posting = Posting {
            debit,
            credit,
            amount,
            reference,
        };
        answer(self.work()?.post(posting).await)
    }
}
