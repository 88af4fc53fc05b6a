//! The audit: what was changed, by whom, when, from what to what. Entries are only ever added, by the commit that
//! makes the change.
//!
//! A key is a stamp (`clock::stamp`, 12 bytes, by the system's clock) and 4 random bytes: entries are read in the order
//! of their time, and hosts that add some at once do not meet.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Operator, Role};
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::ids::{ComponentName, Instant, PartnerId};
use crate::store::{self, Order, Range, Space, Store, Transaction, Write};

/// Entries: key → [`Entry`].
const AUDIT: &str = "leyden.audit";

/// Most entries of one answer.
pub const LISTED_MAX: usize = 200;

/// Most entries that one question looks at: those of one component may be rare.
const LOOKED_AT_MAX: usize = 10_000;

/// Bytes of a key.
const KEY_BYTES: usize = clock::STAMP_BYTES + 4;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A version of a component was deployed and is active.
    Deploy,
    /// An earlier version of a component is active again.
    Rollback,
    /// A component was taken away, with all its versions; `from` is the one that was active.
    Delete,
    /// A secret of a component was set; `reason` is its name. Its value is nowhere.
    SetSecret,
    /// A secret of a component was removed; `reason` is its name.
    RemoveSecret,
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
    /// A partner was registered; `to` is its trust level, `reason` its first key and its credit.
    AddPartner,
    /// A partner is trusted more or less; `from` and `to` are the levels.
    Trust,
    /// A partner got datapoints; `to` is how many, `reason` the reference.
    Credit,
    /// Datapoints went back; `to` is how many, `reason` what for.
    Refund,
    /// A partner got an API key; `to` is its id.
    IssueKey,
    /// An API key of a partner was revoked; `from` is its id.
    RevokeKey,
    /// Another key signs a partner's uploads; `from` and `to` are the public keys, base64.
    UploadKey,
    /// A version of a partner's plugin was uploaded and is active; `reason` is what the partner calls it.
    UploadPlugin,
    /// An earlier version of a partner's plugin is active again; `reason` is what the partner calls it.
    RollBackPlugin,
    /// A partner's plugin was removed with all its versions and triggers.
    RemovePlugin,
    /// A trigger of a partner's plugin was set; `from` and `to` are what starts its runs, `reason` is its name.
    SetTrigger,
    /// A trigger of a partner's plugin was removed; `reason` is its name.
    RemoveTrigger,
    /// A route that is to be audited was called and has changed something; `reason` is which, `to` what was sent.
    Call,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Delete => "delete",
            Self::SetSecret => "set-secret",
            Self::RemoveSecret => "remove-secret",
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
            Self::AddPartner => "add-partner",
            Self::Trust => "trust",
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::IssueKey => "issue-key",
            Self::RevokeKey => "revoke-key",
            Self::UploadKey => "upload-key",
            Self::UploadPlugin => "upload-plugin",
            Self::RollBackPlugin => "roll-back-plugin",
            Self::RemovePlugin => "remove-plugin",
            Self::SetTrigger => "set-trigger",
            Self::RemoveTrigger => "remove-trigger",
            Self::Call => "call",
        })
    }
}

/// Who acted: an operator, or a partner on what is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct By {
    /// The operator's name, or the partner's id.
    pub name: Cow<'static, str>,
    /// The operator's role; none: it is a partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What names the key that was shown; none where it was none of its own, but the host's token or no key at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl By {
    /// A partner that shows a key of its own.
    #[must_use]
    pub fn partner(id: &PartnerId, key_id: &str) -> Self {
        Self {
            name: Cow::Owned(id.to_string()),
            role: None,
            key_id: Some(key_id.to_owned()),
        }
    }
}

impl From<&Operator> for By {
    fn from(operator: &Operator) -> Self {
        Self {
            name: operator.name.clone(),
            role: Some(operator.role),
            key_id: operator.key_id.clone(),
        }
    }
}

impl From<&Self> for By {
    fn from(by: &Self) -> Self {
        by.clone()
    }
}

/// What entries about a partner have as their subject.
#[must_use]
pub fn partner(id: &PartnerId) -> String {
    format!("partner/{id}")
}

/// What entries about a partner's plugin have as their subject.
#[must_use]
pub fn plugin(id: &PartnerId, name: &ComponentName) -> String {
    format!("partner/{id}/{name}")
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, ms since 1970 by the system's clock.
    pub at_ms: u64,
    /// Who did it.
    pub by: By,
    /// What was done.
    pub change: Change,
    /// To which component, operator, partner (`partner/ID`) or plugin (`partner/ID/NAME`).
    pub subject: String,
    /// What was there before: of a component or a plugin, the digest that was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is there now: of a component or a plugin, the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why or how, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Entry {
    /// What somebody does now.
    #[must_use]
    pub fn of(by: impl Into<By>, change: Change, subject: &str) -> Self {
        Self {
            at_ms: clock::system_now().0,
            by: by.into(),
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
        let random = uuid::Uuid::new_v4().into_bytes();
        let stamp = clock::stamp(Instant(self.at_ms));
        Write {
            space: Space::from(AUDIT),
            key: [&stamp, &random[12..]].concat(),
            value: Some(serde_json::to_vec(self).unwrap_or_default()),
        }
    }

    /// Enters it into a transaction.
    pub(crate) fn enter(&self, work: &mut Work) -> Result<(), work::Error> {
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

/// The entries that come after a place, the latest first, of one subject and what belongs to it or of all, at most
/// [`LISTED_MAX`] of them.
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
        if subject.is_none_or(|subject| belongs(&entry.subject, subject)) {
            entries.push(entry);
        }
    }
    let is_cut = found.len() == looked_at || entries.len() == limit;
    Ok(Page {
        entries,
        next: last.filter(|_| is_cut),
    })
}

/// Whether an entry is about this subject, or about what belongs to it: a partner's plugins.
fn belongs(to: &str, subject: &str) -> bool {
    let rest = to.strip_prefix(subject);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        assert!(one.len() == KEY_BYTES && one < other, "in one millisecond");
        entry.at_ms += 1;
        assert!(entry.write().key > other);
    }

    #[test]
    fn a_partners_entries_are_those_of_its_plugins_too() {
        for (to, subject, is_told) in [
            ("partner/acme", "partner/acme", true),
            ("partner/acme/peaks", "partner/acme", true),
            ("partner/acme-2", "partner/acme", false),
            ("schedule", "sched", false),
            ("schedule", "schedule", true),
        ] {
            assert_eq!(belongs(to, subject), is_told, "{to} {subject}");
        }
    }

    #[test]
    fn entries_of_earlier_versions_are_read() {
        let old =
            r#"{"atMs":1,"by":{"name":"marie","role":"deployer"},"change":"deploy","subject":"a"}"#;
        let entry: Entry = serde_json::from_str(old).expect("an entry");
        assert_eq!(
            (entry.by.role, entry.by.key_id),
            (Some(Role::Deployer), None)
        );
    }
}
