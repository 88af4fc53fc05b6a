//! The ledger outside commits: one account's sums, and the recomputation of all from the entries.

use std::collections::{BTreeMap, HashMap};

use redis::{FromRedisValue, Value};

use super::Shared;
use super::reply::{items, number, strange, text};
use crate::store::{Account, ISSUER, LedgerCheck, Result};

/// Entries of one page: a millisecond of the server.
const PAGE: usize = 1_000;

/// 128 bits: sums of damaged entries must not overflow while they are compared.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    debits: u128,
    credits: u128,
}

impl Shared {
    /// An account's sums.
    pub(super) async fn account(&self, account: &str) -> Result<Account> {
        let mut ask = redis::cmd("HGET");
        ask.arg(self.keys.accounts()).arg(account);
        match self.link.run::<Option<String>>(&ask).await? {
            Some(sums) => read_account(&sums),
            None => Ok(Account::default()),
        }
    }

    /// Compares all accounts, taken at one version, with all entries up to that version. The accounts are
    /// read at once, which keeps the server busy for some tenths of a microsecond each; the entries in pages.
    pub(super) async fn check_ledger(&self) -> Result<LedgerCheck> {
        let mut cut = redis::pipe();
        cut.atomic();
        cut.cmd("GET").arg(self.keys.version());
        cut.cmd("HGETALL").arg(self.keys.accounts());
        type Cut = (Option<u64>, HashMap<String, String>);
        let (version, accounts) = self.link.pipe::<Cut>(&cut).await?;
        let mut report = LedgerCheck::default();
        let recomputed = self
            .recompute(version.unwrap_or(0), &mut report.entries)
            .await?;
        compare(&accounts, recomputed, &mut report)?;
        Ok(report)
    }

    /// What the entries up to a version add up to.
    async fn recompute(&self, version: u64, entries: &mut u64) -> Result<BTreeMap<String, Sums>> {
        let mut sums = BTreeMap::<String, Sums>::new();
        let mut from = "-".to_owned();
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(self.keys.entries()).arg(&from).arg(version);
            range.arg("COUNT").arg(PAGE);
            let page = self.link.run::<Vec<Movement>>(&range).await?;
            let Some(last) = page.last() else { break };
            from = format!("({}", last.id);
            *entries += page.len() as u64;
            for movement in page {
                let amount = u128::from(movement.amount);
                sums.entry(movement.debit).or_default().debits += amount;
                sums.entry(movement.credit).or_default().credits += amount;
            }
        }
        Ok(sums)
    }
}

fn read_account(sums: &str) -> Result<Account> {
    let parsed = sums.split_once(' ').and_then(|(debits, credits)| {
        Some(Account {
            debits: debits.parse().ok()?,
            credits: credits.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| strange("an account"))
}

fn compare(
    accounts: &HashMap<String, String>,
    mut recomputed: BTreeMap<String, Sums>,
    report: &mut LedgerCheck,
) -> Result<()> {
    for (name, sums) in accounts {
        let account = read_account(sums)?;
        let kept = Sums {
            debits: account.debits.into(),
            credits: account.credits.into(),
        };
        report.accounts += 1;
        report.debits += kept.debits;
        report.credits += kept.credits;
        let sound = recomputed.remove(name).unwrap_or_default() == kept;
        if !sound || (name != ISSUER && kept.debits > kept.credits) {
            report.wrong_accounts.push(name.clone());
        }
    }
    report.wrong_accounts.extend(recomputed.into_keys());
    report.wrong_accounts.sort();
    Ok(())
}

/// An entry of the ledger.
struct Movement {
    id: String,
    debit: String,
    credit: String,
    amount: u64,
}

impl FromRedisValue for Movement {
    fn from_redis_value(value: Value) -> std::result::Result<Self, redis::ParsingError> {
        Self::read(value).map_err(|error| redis::ParsingError::from(error.to_string()))
    }
}

impl Movement {
    fn read(value: Value) -> Result<Self> {
        let mut parts = items(value)?.into_iter();
        let mut movement = Self {
            id: text(parts.next().unwrap_or_default())?,
            debit: String::new(),
            credit: String::new(),
            amount: 0,
        };
        let mut fields = items(parts.next().unwrap_or_default())?.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match text(name)?.as_str() {
                "debit" => movement.debit = text(value)?,
                "credit" => movement.credit = text(value)?,
                "amount" => movement.amount = number(value)?,
                _ => {}
            }
        }
        Ok(movement)
    }
}
