//! The ledger outside commits: one account's sums, and the rows of all when everything is recomputed.

use std::collections::BTreeMap;

use redis::Value;

use super::Shared;
use super::keys::Keys;
use super::reply::{items, strange, text};
use crate::ids::Digest;
use crate::store::audit::{Cut, Entry, NamedAccount, Page, Pages, Row};
use crate::store::chain::Head;
use crate::store::{Account, Posting, Result, Version};

/// Rows of one page: a millisecond of the server.
const PAGE: usize = 1_000;

/// What an entry says, in this order.
pub(super) const ENTRY_FIELDS: [&str; 6] =
    ["debit", "credit", "amount", "reference", "at", "chain"];

impl Shared {
    /// An account's sums.
    pub(super) async fn account(&self, account: &str) -> Result<Account> {
        let mut ask = redis::cmd("HGET");
        ask.arg(self.keys.accounts()).arg(account);
        match self.link.run::<Option<String>>(&ask).await? {
            Some(sums) => read_account(&sums).ok_or_else(|| strange("an account")),
            None => Ok(Account::default()),
        }
    }

    /// Up to `limit` accounts after a name, by name. The server has them in no order, so all of them are looked at: some
    /// milliseconds for ten thousand, for a list that people ask for.
    pub(super) async fn accounts_after(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Account)>> {
        let mut first = BTreeMap::new();
        let mut from = Some(Cursor::default());
        while let Some(cursor) = from {
            let page = self.accounts(cursor).await?;
            for (name, sums) in page.rows {
                if name.as_str() > after {
                    first.insert(name, sums.ok_or_else(|| strange("an account"))?);
                }
            }
            while first.len() > limit {
                first.pop_last();
            }
            from = page.next;
        }
        Ok(first.into_iter().collect())
    }

    /// Asks something, and the version at the same instant.
    async fn now<T: redis::FromRedisValue>(&self, ask: redis::Cmd) -> Result<(Version, T)> {
        let mut both = redis::pipe();
        both.atomic().cmd("GET").arg(self.keys.version());
        both.add_command(ask);
        let (version, answer) = self.link.pipe::<(Option<Version>, T)>(&both).await?;
        Ok((version.unwrap_or(0), answer))
    }
}

/// What is kept of the chain; see [`super::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) head: Head,
    /// How many of the first entries have no hash.
    unchained: u64,
}

impl Kept {
    const FIELDS: [&str; 3] = ["entries", "head", "unchained"];

    /// Asks for it.
    pub(super) fn ask(keys: &Keys) -> redis::Cmd {
        let mut ask = redis::cmd("HMGET");
        ask.arg(keys.ledger()).arg(&Self::FIELDS);
        ask
    }

    /// Reads the answer. What makes no sense counts as nothing, which the chain then contradicts.
    pub(super) fn read(fields: &[Option<String>]) -> Self {
        let field = |n: usize| fields.get(n).and_then(Option::as_deref);
        let number = |n| field(n).and_then(whole).unwrap_or(0);
        let hash = field(1).and_then(digest);
        Self {
            head: Head {
                entries: number(0),
                hash: hash.unwrap_or(Head::default().hash),
            },
            unchained: number(2),
        }
    }
}

/// The cursor with which `HSCAN` begins.
pub(super) struct Cursor(String);

impl Default for Cursor {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

/// Where `XRANGE` begins.
pub(super) struct Id(String);

impl Default for Id {
    fn default() -> Self {
        Self("-".to_owned())
    }
}

impl Pages for Shared {
    type AccountPlace = Cursor;
    type EntryPlace = Id;

    async fn cut(&self) -> Result<Cut> {
        let mut cut = redis::pipe();
        cut.atomic().cmd("GET").arg(self.keys.version());
        cut.add_command(Kept::ask(&self.keys));
        cut.cmd("HLEN").arg(self.keys.accounts());
        type Answer = (Option<Version>, Vec<Option<String>>, u64);
        let (version, kept, accounts) = self.link.pipe::<Answer>(&cut).await?;
        let Kept { head, unchained } = Kept::read(&kept);
        Ok(Cut {
            version: version.unwrap_or(0),
            head,
            unchained,
            accounts,
        })
    }

    async fn accounts(&self, from: Cursor) -> Result<Page<NamedAccount, Cursor>> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(self.keys.accounts()).arg(from.0);
        scan.arg("COUNT").arg(PAGE);
        type Answer = (String, Vec<(Vec<u8>, Vec<u8>)>);
        let (version, (next, found)) = self.now::<Answer>(scan).await?;
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let named = |(name, sums): (Vec<u8>, Vec<u8>)| (shown(&name), read_account(&shown(&sums)));
        Ok(Page {
            rows: found.into_iter().map(named).collect(),
            version,
            next: (next != "0").then_some(Cursor(next)),
        })
    }

    async fn entries(&self, from: Id) -> Result<Page<Row, Id>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(self.keys.entries()).arg(from.0).arg("+");
        range.arg("COUNT").arg(PAGE);
        let (version, found) = self.now::<Value>(range).await?;
        let rows = rows(found)?;
        let next = rows.last().map(|row| {
            let Row {
                version, position, ..
            } = row;
            Id(format!("({version}-{position}"))
        });
        Ok(Page {
            rows,
            version,
            next,
        })
    }
}

/// The ledger's rows in a part of its stream.
pub(super) fn rows(entries: Value) -> Result<Vec<Row>> {
    items(entries)?.into_iter().map(row).collect()
}

fn row(entry: Value) -> Result<Row> {
    let mut parts = items(entry)?.into_iter();
    let id = text(parts.next().unwrap_or_default())?;
    let numbers = id.split_once('-');
    let numbers = numbers.and_then(|(ms, n)| Some((ms.parse().ok()?, n.parse().ok()?)));
    let (version, position) = numbers.ok_or_else(|| strange("an entry"))?;
    let fields = items(parts.next().unwrap_or_default())?;
    let fields: Option<Vec<_>> = fields.into_iter().map(exact).collect();
    Ok(Row {
        version,
        position,
        entry: fields.and_then(|fields| read_entry(&fields)),
    })
}

/// A text, if it is one to the last byte.
fn exact(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// An entry, if all of it is as a commit writes it: who adds a field or a zero before a number has changed it.
fn read_entry(fields: &[String]) -> Option<Entry> {
    let (pairs, rest) = fields.as_chunks::<2>();
    let in_order = pairs
        .iter()
        .zip(ENTRY_FIELDS)
        .all(|([name, _], field)| name == field);
    let values: Vec<&str> = pairs.iter().map(|[_, value]| value.as_str()).collect();
    let [debit, credit, amount, reference, at, chain @ ..] = values.as_slice() else {
        return None;
    };
    let chain = match chain {
        [] => None,
        [hash] => Some(digest(hash)?),
        _ => return None,
    };
    let entry = Entry {
        posting: Posting {
            debit: (*debit).to_owned(),
            credit: (*credit).to_owned(),
            amount: whole(amount)?,
            reference: (*reference).to_owned(),
        },
        at: whole(at)?,
        chain,
    };
    (in_order && rest.is_empty()).then_some(entry)
}

fn whole(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn digest(text: &str) -> Option<Digest> {
    let digest = Digest::parse(text).ok()?;
    (digest.to_string() == text).then_some(digest)
}

fn read_account(sums: &str) -> Option<Account> {
    let (debits, credits) = sums.split_once(' ')?;
    Some(Account {
        debits: debits.parse().ok()?,
        credits: credits.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn an_entry_is_read_only_as_commits_write_it() {
        let hash = Digest::of(b"");
        let sound = format!("debit a credit b amount 5 reference r at 7 chain {hash}");
        let entry = read_entry(&fields(&sound)).expect("an entry");
        assert_eq!((entry.posting.amount, entry.at), (5, 7));
        assert_eq!(entry.chain, Some(hash));
        let (old, _) = sound.split_once(" chain").expect("a hash");
        let old = read_entry(&fields(old)).expect("an entry");
        assert_eq!((old.posting, old.chain), (entry.posting, None));

        let upper = hash.to_string().to_uppercase();
        for (from, to) in [
            ("amount 5", "amount 05"),
            ("amount 5", "amount +5"),
            ("amount 5", "amount -5"),
            ("at 7", "at x"),
            ("reference r ", ""),
            ("debit a credit b", "credit b debit a"),
            ("at 7", "at 7 at 7"),
            ("reference", "Reference"),
            (&hash.to_string(), &upper),
            (&hash.to_string(), "00"),
            ("chain", "more 1 chain"),
        ] {
            let changed = sound.replace(from, to);
            assert_eq!(read_entry(&fields(&changed)), None, "{changed}");
        }
        let more = format!("{sound} more 1");
        assert_eq!(read_entry(&fields(&more)), None);
        assert_eq!(read_entry(&fields(&format!("{sound} odd"))), None);
    }
}
