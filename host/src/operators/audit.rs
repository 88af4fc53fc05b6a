//! The audit: what was changed, by whom, when, from what to what. Entries are only ever added, by the commit that
//! makes the change.
//!
//! A key is the instant (ms since 1970 by the system's clock, 8 bytes) and 8 random bytes: entries are read in the
//! order of their time, and hosts that add some at once do not meet.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Operator;
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::store::{self, Order, Range, Space, Store, Transaction, Write};

/// Entries: key → [`Entry`].
const AUDIT: &str = "leyden.audit";

/// Most entries of one answer.
pub const LISTED_MAX: usize = 200;

/// Most entries that one question looks at: those of one component may be rare.
const LOOKED_AT_MAX: usize = 10_000;

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A version of a component was deployed and is active.
    Deploy,
    /// An earlier version of a component is active again.
    Rollback,
    /// A component that comes with the host is active.
    Bundle,
    /// A version of a policy begins to take over; `reason` says how.
    Promote,
    /// It decides for a larger share.
    Advance,
    /// It has taken over and is the active version.
    Complete,
    /// It was taken back; `reason` says why.
    TakeBack,
    /// A version runs in the shadow of the active one.
    Shadow,
    /// It does not any more.
    EndShadow,
    /// Another share of a policy's decisions is logged; `reason` says which.
    LogDecisions,
    /// An operator got a key; `to` is the role.
    AddOperator,
    /// What components handle, personal data included, was recorded; `subject` is the component, or `*` for all.
    Record,
    /// A key of an operator was revoked; `from` is its id.
    RevokeOperator,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Bundle => "bundle",
            Self::Promote => "promote",
            Self::Advance => "advance",
            Self::Complete => "complete",
            Self::TakeBack => "take-back",
            Self::Shadow => "shadow",
            Self::EndShadow => "end-shadow",
            Self::LogDecisions => "log-decisions",
            Self::AddOperator => "add-operator",
            Self::Record => "record",
            Self::RevokeOperator => "revoke-operator",
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, ms since 1970 by the system's clock.
    pub at_ms: u64,
    /// Who did it.
    pub by: Operator,
    /// What was done.
    pub change: Change,
    /// To which component or operator.
    pub subject: String,
    /// What was there before: of a component, the digest that was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is there now: of a component, the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why or how, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Entry {
    /// What somebody does now.
    #[must_use]
    pub fn of(by: &Operator, change: Change, subject: &str) -> Self {
        Self {
            at_ms: clock::system_now().0,
            by: by.clone(),
            change,
            subject: subject.to_owned(),
            from: None,
            to: None,
            reason: None,
        }
    }

    /// The same, from what to what.
    #[must_use]
    pub fn with(mut self, from: Option<String>, to: Option<String>) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// The same, with why or how.
    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    /// Enters it by a commit of its own: for what changes nothing else.
    ///
    /// # Errors
    /// The store did not answer.
    pub(crate) async fn commit(&self, store: &dyn Store) -> Result<(), store::CommitError> {
        let transaction = Transaction {
            writes: vec![self.write()],
            ..Transaction::default()
        };
        store.commit(transaction).await.map(|_| ())
    }

    /// What enters it, for the transaction that makes the change.
    pub(crate) fn write(&self) -> Write {
        let random = uuid::Uuid::new_v4();
        let key = [
            self.at_ms.to_be_bytes(),
            random.into_bytes()[8..].try_into().unwrap_or_default(),
        ];
        Write {
            space: Space::from(AUDIT),
            key: key.concat(),
            value: Some(serde_json::to_vec(self).unwrap_or_default()),
        }
    }

    /// Enters it into a transaction.
    pub(super) fn enter(&self, work: &mut Work) -> Result<(), work::Error> {
        let Write { space, key, value } = self.write();
        work.write(&space, key, value)
    }
}

/// Part of the audit, the latest entry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// A place in the audit: what comes after it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor([u8; KEY_BYTES]);

impl Cursor {
    /// Reads one as it is told.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = uuid::Uuid::try_parse(text).ok()?;
        (text.len() == 2 * KEY_BYTES).then(|| Self(bytes.into_bytes()))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", uuid::Uuid::from_bytes(self.0).simple())
    }
}

/// The entries that come after a place, the latest first, of one subject or of all, at most [`LISTED_MAX`] of them.
///
/// # Errors
/// The store did not answer.
pub async fn list(
    store: &dyn Store,
    after: Option<Cursor>,
    subject: Option<&str>,
    limit: usize,
) -> store::Result<Page> {
    let range = Range {
        start: vec![0],
        end: after.map(|Cursor(key)| key.to_vec()),
    };
    let mut snapshot = store.snapshot().await?;
    let limit = limit.min(LISTED_MAX);
    let looked_at = subject.map_or(limit, |_| LOOKED_AT_MAX);
    let found = snapshot
        .scan(&AUDIT.into(), &range, Order::Descending, looked_at)
        .await?;
    let (mut entries, mut last) = (Vec::new(), None);
    for row in &found {
        if entries.len() == limit {
            break;
        }
        last = row.key.as_slice().try_into().ok().map(Cursor);
        let entry = serde_json::from_slice::<Entry>(&row.value);
        let entry = entry
            .map_err(|_| store::Error::Unavailable("it holds a broken record of the audit"))?;
        if subject.is_none_or(|subject| entry.subject == subject) {
            entries.push(entry);
        }
    }
    let is_cut = found.len() == looked_at || entries.len() == limit;
    Ok(Page {
        entries,
        next: last.filter(|_| is_cut),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_told() {
        let cursor = Cursor(*b"0123456789abcdef");
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for other in [
            "",
            "x",
            "30313233-3435-3637-3839-616263646566",
            &"0".repeat(31),
        ] {
            assert_eq!(Cursor::parse(other), None, "{other}");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_time_and_differ() {
        let mut entry = Entry::of(&Operator::host(), Change::Deploy, "a");
        let (one, other) = (entry.write().key, entry.write().key);
        assert!(one.len() == KEY_BYTES && one != other);
        entry.at_ms += 1;
        assert!(entry.write().key > one.max(other));
    }
}
