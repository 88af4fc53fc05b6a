//! Partners' API keys: how they are made, kept and recognised.
//!
//! **Invariants.** A key is shown once, when it is made; only its SHA-256 is kept. A partner has at most
//! [`ACTIVE_MAX`] that are not revoked.

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::{Error, record};
use crate::dispatch::work::Work;
use crate::ids::{Invalid, PartnerId};
use crate::keys::{ApiKey, Of, same};
use crate::operators::Operator;
use crate::operators::audit::{self, Change, Entry};
use crate::store::{self, Space, Store};

/// Keys: id of the key → [`Kept`].
const KEYS: &str = "leyden.partner-keys";
/// Which keys a partner has: its id → ids of keys, the newest first. Everything that makes or revokes a key
/// of a partner reads and writes this, so that two of them never pass each other.
const RINGS: &str = "leyden.partner-keyrings";

/// Keys that a partner may use at a time: one, and the one that is about to replace it.
pub const ACTIVE_MAX: usize = 2;
/// Keys whose records are kept, revoked ones included: enough to see what was used lately.
const KEPT_MAX: usize = 16;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    partner: PartnerId,
    sha256: [u8; 32],
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
}

/// A key, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What names it.
    pub id: String,
    /// When it was made, ms since 1970 by the host's clock.
    pub created_at_ms: u64,
    /// When it was revoked; none: it is in use.
    pub revoked_at_ms: Option<u64>,
}

/// Why a key is not let in.
#[derive(Debug)]
pub enum Rejected {
    /// It is not well-formed; the store was not asked.
    Mistyped(Invalid),
    /// It is nobody's, or was revoked.
    Unknown,
    /// The store did not answer.
    Store(store::Error),
}

/// Whose key this is, and what names it.
///
/// # Errors
/// See [`Rejected`].
pub async fn authenticate(
    store: &dyn Store,
    given: &[u8],
) -> Result<(PartnerId, String), Rejected> {
    let key = ApiKey::parse(Of::Partner, given).map_err(Rejected::Mistyped)?;
    let mut snapshot = store.snapshot().await.map_err(Rejected::Store)?;
    let stored = snapshot.read(&KEYS.into(), key.id().as_bytes()).await;
    drop(snapshot);
    let kept: Option<Kept> = stored
        .map_err(Rejected::Store)?
        .and_then(|bytes| parse(&bytes));
    match kept {
        Some(kept) if same(&kept.sha256, &key.sha256()) && kept.revoked_at_ms.is_none() => {
            Ok((kept.partner, key.id().to_owned()))
        }
        _ => Err(Rejected::Unknown),
    }
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Gives a partner one more key.
pub(super) struct Issue<'a> {
    pub(super) by: &'a Operator,
    pub(super) partner: &'a PartnerId,
    pub(super) key: &'a ApiKey,
}

impl Operation for Issue<'_> {
    type Done = ();

    async fn apply(&self, work: &mut Work) -> Result<(), Error> {
        known(work, self.partner).await?;
        keep(work, self.partner, self.key).await?;
        let entry = Entry::of(self.by, Change::IssueKey, &audit::partner(self.partner));
        let id = self.key.id().to_owned();
        Ok(entry.with(None, Some(id)).enter(work)?)
    }
}

/// Keeps a new key of a registered partner.
pub(super) async fn keep(work: &mut Work, partner: &PartnerId, key: &ApiKey) -> Result<(), Error> {
    let mut ring = ring(work, partner).await?;
    if active(&ring) >= ACTIVE_MAX {
        return Err(Error::Conflict(format!(
            "partner '{partner}' has {ACTIVE_MAX} active keys, as many as it may: revoke one first"
        )));
    }
    let kept = Kept {
        partner: partner.clone(),
        sha256: key.sha256(),
        created_at_ms: work.now().0,
        revoked_at_ms: None,
    };
    ring.insert(0, (key.id().to_owned(), kept));
    forget_old(work, &mut ring)?;
    write_ring(work, partner, &ring)?;
    write_key(work, &ring[0])
}

/// Revokes a key of a partner.
pub(super) struct Revoke<'a> {
    pub(super) by: &'a Operator,
    pub(super) partner: &'a PartnerId,
    pub(super) key_id: &'a str,
}

impl Operation for Revoke<'_> {
    type Done = Listed;

    async fn apply(&self, work: &mut Work) -> Result<Listed, Error> {
        known(work, self.partner).await?;
        let mut ring = ring(work, self.partner).await?;
        let now = work.now().0;
        let Some(entry) = ring.iter_mut().find(|(id, _)| id == self.key_id) else {
            let rule = format!("partner '{}' has no such key", self.partner);
            return Err(Error::Unknown {
                field: "keyId",
                rule,
            });
        };
        // Revoking again changes nothing.
        let is_new = entry.1.revoked_at_ms.is_none();
        entry.1.revoked_at_ms.get_or_insert(now);
        write_key(work, entry)?;
        let revoked = listed(entry);
        write_ring(work, self.partner, &ring)?;
        if is_new {
            let subject = audit::partner(self.partner);
            let entry = Entry::of(self.by, Change::RevokeKey, &subject);
            entry.with(Some(revoked.id.clone()), None).enter(work)?;
        }
        Ok(revoked)
    }
}

/// The keys of a partner, the newest first.
pub(super) struct List<'a>(pub(super) &'a PartnerId);

impl Operation for List<'_> {
    type Done = Vec<Listed>;

    async fn apply(&self, work: &mut Work) -> Result<Vec<Listed>, Error> {
        known(work, self.0).await?;
        Ok(ring(work, self.0).await?.iter().map(listed).collect())
    }
}

type Ring = Vec<(String, Kept)>;

async fn known(work: &mut Work, partner: &PartnerId) -> Result<(), Error> {
    let found = record::find(work, partner).await?;
    found
        .map(|_| ())
        .ok_or_else(|| Error::UnknownPartner(partner.clone()))
}

/// A partner's keys, the newest first.
async fn ring(work: &mut Work, partner: &PartnerId) -> Result<Ring, Error> {
    let Some(bytes) = work.read(&RINGS.into(), &record::key(partner)).await? else {
        return Ok(Vec::new());
    };
    let ids: Vec<String> = parse(&bytes).ok_or_else(Error::broken)?;
    let mut ring = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(bytes) = work.read(&KEYS.into(), id.as_bytes()).await? {
            ring.push((id, parse(&bytes).ok_or_else(Error::broken)?));
        }
    }
    Ok(ring)
}

fn active(ring: &Ring) -> usize {
    let active = ring.iter().filter(|(_, kept)| kept.revoked_at_ms.is_none());
    active.count()
}

/// Removes what was revoked longest ago, as far as more is kept than should be.
fn forget_old(work: &mut Work, ring: &mut Ring) -> Result<(), Error> {
    while ring.len() > KEPT_MAX {
        let oldest = ring
            .iter()
            .rposition(|(_, kept)| kept.revoked_at_ms.is_some());
        let Some(oldest) = oldest else { break };
        let (id, _) = ring.remove(oldest);
        work.write(&KEYS.into(), id.into_bytes(), None)?;
    }
    Ok(())
}

fn write_ring(work: &mut Work, partner: &PartnerId, ring: &Ring) -> Result<(), Error> {
    let ids: Vec<&str> = ring.iter().map(|(id, _)| id.as_str()).collect();
    let bytes = serde_json::to_vec(&ids).unwrap_or_default();
    Ok(work.write(&RINGS.into(), record::key(partner), Some(bytes))?)
}

fn write_key(work: &mut Work, (id, kept): &(String, Kept)) -> Result<(), Error> {
    let bytes = serde_json::to_vec(kept).unwrap_or_default();
    Ok(work.write(&Space::from(KEYS), id.clone().into_bytes(), Some(bytes))?)
}

fn listed((id, kept): &(String, Kept)) -> Listed {
    Listed {
        id: id.clone(),
        created_at_ms: kept.created_at_ms,
        revoked_at_ms: kept.revoked_at_ms,
    }
}
