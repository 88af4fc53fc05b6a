//! Keys of operators as they are kept: key id → [`Kept`]. There are few, so all of them are read where they change.

use serde::{Deserialize, Serialize};

use super::audit::{Change, Entry};
use super::{Operator, Role};
use crate::dispatch::work::Work;
use crate::keys::{ApiKey, Of, same};
use crate::partners::keys::Rejected;
use crate::partners::{Error, Operation};
use crate::store::{Order, Range, Space, Store};

/// Keys: their id → [`Kept`].
const KEYS: &str = "leyden.operators";

/// Keys of one operator in use at a time: one, and the one that is about to replace it.
pub const ACTIVE_MAX: usize = 2;

/// Keys that are kept, revoked ones included: a team's, with room to spare.
pub const OPERATORS_MAX: usize = 200;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    name: String,
    role: Role,
    sha256: [u8; 32],
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
}

/// A key of an operator, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What names the key.
    pub id: String,
    /// Whose it is, and what it opens.
    pub operator: Operator,
    /// When it was made, ms since 1970 by the system's clock.
    pub created_at_ms: u64,
    /// When it was revoked; none: it is in use.
    pub revoked_at_ms: Option<u64>,
}

type Row = (String, Kept);

/// Whose key this is.
///
/// # Errors
/// See [`Rejected`].
pub async fn authenticate(store: &dyn Store, given: &[u8]) -> Result<Operator, Rejected> {
    let key = ApiKey::parse(Of::Operator, given).map_err(Rejected::Mistyped)?;
    let mut snapshot = store.snapshot().await.map_err(Rejected::Store)?;
    let stored = snapshot.read(&KEYS.into(), key.id().as_bytes()).await;
    drop(snapshot);
    let kept = stored.map_err(Rejected::Store)?;
    let kept = kept.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    match kept {
        Some(kept) if same(&kept.sha256, &key.sha256()) && kept.revoked_at_ms.is_none() => {
            Ok(Operator {
                name: kept.name.into(),
                role: kept.role,
                key_id: Some(key.id().to_owned()),
            })
        }
        _ => Err(Rejected::Unknown),
    }
}

/// Keeps a new key.
pub(super) struct Add<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) key: &'a ApiKey,
    pub(super) entry: Entry,
    pub(super) at_ms: u64,
}

impl Operation for Add<'_> {
    type Done = Listed;

    async fn apply(&self, work: &mut Work) -> Result<Listed, Error> {
        let rows = all(work).await?;
        self.check(&rows)?;
        forget_oldest(work, &rows)?;
        let row = (
            self.key.id().to_owned(),
            Kept {
                name: self.name.to_owned(),
                role: self.role,
                sha256: self.key.sha256(),
                created_at_ms: self.at_ms,
                revoked_at_ms: None,
            },
        );
        put(work, &row)?;
        self.entry.enter(work)?;
        Ok(listed(&row))
    }
}

impl Add<'_> {
    fn check(&self, rows: &[Row]) -> Result<(), Error> {
        let name = self.name;
        let own: Vec<_> = in_use(rows).filter(|(_, kept)| kept.name == name).collect();
        if let Some((_, kept)) = own.first().filter(|(_, kept)| kept.role != self.role) {
            let role = kept.role;
            return Err(Error::Conflict(format!(
                "operator '{name}' is registered as {role}: revoke that first"
            )));
        }
        if own.len() >= ACTIVE_MAX {
            return Err(Error::Conflict(format!(
                "operator '{name}' has {ACTIVE_MAX} keys in use, as many as it may: revoke one first"
            )));
        }
        match in_use(rows).count() < OPERATORS_MAX {
            true => Ok(()),
            false => Err(Error::Conflict(format!(
                "there are {OPERATORS_MAX} keys of operators in use, as many as there may be"
            ))),
        }
    }
}

/// Revokes keys of one operator.
pub(super) struct Revoke<'a> {
    pub(super) name: &'a str,
    /// One key; none: all.
    pub(super) key_id: Option<&'a str>,
    pub(super) by: &'a Operator,
    pub(super) at_ms: u64,
}

impl Operation for Revoke<'_> {
    type Done = Vec<Listed>;

    async fn apply(&self, work: &mut Work) -> Result<Vec<Listed>, Error> {
        let meant = |row: &Row| {
            row.1.name == self.name
                && row.1.revoked_at_ms.is_none()
                && self.key_id.is_none_or(|id| row.0 == id)
        };
        let mut rows: Vec<Row> = all(work).await?.into_iter().filter(meant).collect();
        if rows.is_empty() {
            return Err(Error::Unknown {
                field: "name",
                rule: format!("operator '{}' has no such key in use", self.name),
            });
        }
        for row in &mut rows {
            row.1.revoked_at_ms = Some(self.at_ms);
            put(work, row)?;
            let entry = Entry::of(self.by, Change::RevokeOperator, self.name);
            entry.with(Some(row.0.clone()), None).enter(work)?;
        }
        Ok(rows.iter().map(listed).collect())
    }
}

/// All keys, by name, the newest first.
pub(super) struct List;

impl Operation for List {
    type Done = Vec<Listed>;

    async fn apply(&self, work: &mut Work) -> Result<Vec<Listed>, Error> {
        let mut rows = all(work).await?;
        rows.sort_by(|(_, a), (_, b)| {
            let newest = b.created_at_ms.cmp(&a.created_at_ms);
            a.name.cmp(&b.name).then(newest)
        });
        Ok(rows.iter().map(listed).collect())
    }
}

async fn all(work: &mut Work) -> Result<Vec<Row>, Error> {
    let range = Range {
        start: vec![0],
        end: None,
    };
    let entries = work
        .scan(&KEYS.into(), range, Order::Ascending, OPERATORS_MAX)
        .await?;
    let row = |entry: &crate::store::Entry| {
        let id = String::from_utf8(entry.key.clone()).ok()?;
        Some((id, serde_json::from_slice(&entry.value).ok()?))
    };
    let rows: Option<Vec<Row>> = entries.iter().map(row).collect();
    rows.ok_or_else(Error::broken)
}

fn in_use(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|(_, kept)| kept.revoked_at_ms.is_none())
}

/// Removes what was revoked longest ago where there is no room for another.
fn forget_oldest(work: &mut Work, rows: &[Row]) -> Result<(), Error> {
    if rows.len() < OPERATORS_MAX {
        return Ok(());
    }
    let revoked = rows.iter().filter(|(_, kept)| kept.revoked_at_ms.is_some());
    if let Some((id, _)) = revoked.min_by_key(|(_, kept)| kept.revoked_at_ms) {
        work.write(&KEYS.into(), id.clone().into_bytes(), None)?;
    }
    Ok(())
}

fn put(work: &mut Work, (id, kept): &Row) -> Result<(), Error> {
    let bytes = serde_json::to_vec(kept).unwrap_or_default();
    Ok(work.write(&Space::from(KEYS), id.clone().into_bytes(), Some(bytes))?)
}

fn listed((id, kept): &Row) -> Listed {
    Listed {
        id: id.clone(),
        operator: Operator {
            name: kept.name.clone().into(),
            role: kept.role,
            key_id: Some(id.clone()),
        },
        created_at_ms: kept.created_at_ms,
        revoked_at_ms: kept.revoked_at_ms,
    }
}
