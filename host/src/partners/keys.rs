//! API keys: how they look, how they are made, kept and recognised.
//!
//! A key is `ley_<id>_<secret>_<checksum>`: 12 hexadecimal digits that name it, 32 random bytes in base64url,
//! and the CRC-32 of everything before, so that a mistyped key is told from a wrong one, and tools that look
//! for leaked secrets can be sure of one.
//!
//! **Invariants.** A key is shown once, when it is made; only its SHA-256 is kept, and two digests are
//! compared in the same time wherever they differ. A partner has at most [`ACTIVE_MAX`] that are not revoked.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::operation::Operation;
use super::{Error, record};
use crate::dispatch::work::Work;
use crate::ids::{Invalid, PartnerId};
use crate::store::{self, Space, Store};

/// Keys: id of the key → [`Kept`].
const KEYS: &str = "leyden.partner-keys";
/// Which keys a partner has: its id → ids of keys, the newest first. Everything that makes or revokes a key
/// of a partner reads and writes this, so that two of them never pass each other.
const RINGS: &str = "leyden.partner-keyrings";

/// What every key begins with.
pub const PREFIX: &str = "ley_";
/// Keys that a partner may use at a time: one, and the one that is about to replace it.
pub const ACTIVE_MAX: usize = 2;
/// Keys whose records are kept, revoked ones included: enough to see what was used lately.
const KEPT_MAX: usize = 16;

/// Hexadecimal digits of a key's id.
const ID_CHARS: usize = 12;
/// Characters of its secret: 32 bytes in base64 without padding.
const SECRET_CHARS: usize = 43;
/// Hexadecimal digits of its checksum.
const SUM_CHARS: usize = 8;
/// Characters of a key before its checksum and the `_` that leads to it.
const HEAD_CHARS: usize = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS;

/// A whole key. Whoever has it is the partner.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        let secret = URL_SAFE_NO_PAD.encode(random());
        let mut id = uuid::Uuid::new_v4().simple().to_string();
        id.truncate(ID_CHARS);
        let head = format!("{PREFIX}{id}_{secret}");
        let sum = crc32fast::hash(head.as_bytes());
        Self(format!("{head}_{sum:08x}"))
    }

    /// Reads a key; the store is not asked.
    ///
    /// # Errors
    /// The rule that the text breaks: it was cut or mistyped.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let shape =
            "must be a partner's key: ley_, 12 hexadecimal digits, _, 43 characters, _, 8 digits";
        let text = std::str::from_utf8(text).map_err(|_| Invalid(shape))?;
        let (head, sum) = text.split_at_checked(HEAD_CHARS).ok_or(Invalid(shape))?;
        let id = head
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.get(..ID_CHARS));
        let well_formed = id.is_some_and(is_id) && sum.len() == SUM_CHARS + 1;
        if !well_formed || head.as_bytes().get(HEAD_CHARS - SECRET_CHARS - 1) != Some(&b'_') {
            return Err(Invalid(shape));
        }
        match format!("_{:08x}", crc32fast::hash(head.as_bytes())) == sum {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid("this key's checksum does not fit: it was mistyped")),
        }
    }

    /// What names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + ID_CHARS]
    }

    /// The whole key, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// Not the secret.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.id())
    }
}

/// 366 random bits of the system, condensed to 256.
pub(super) fn random() -> [u8; 32] {
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hash.finalize().into()
}

fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == ID_CHARS && text.bytes().all(digit)
}

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

/// Whose key this is.
///
/// # Errors
/// See [`Rejected`].
pub async fn authenticate(store: &dyn Store, given: &[u8]) -> Result<PartnerId, Rejected> {
    let key = ApiKey::parse(given).map_err(Rejected::Mistyped)?;
    let mut snapshot = store.snapshot().await.map_err(Rejected::Store)?;
    let stored = snapshot.read(&KEYS.into(), key.id().as_bytes()).await;
    drop(snapshot);
    let kept: Option<Kept> = stored
        .map_err(Rejected::Store)?
        .and_then(|bytes| parse(&bytes));
    match kept {
        Some(kept) if same(&kept.sha256, &key.sha256()) && kept.revoked_at_ms.is_none() => {
            Ok(kept.partner)
        }
        _ => Err(Rejected::Unknown),
    }
}

/// Compares two digests in the same time wherever they differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Gives a partner one more key.
pub(super) struct Issue<'a> {
    pub(super) partner: &'a PartnerId,
    pub(super) key: &'a ApiKey,
}

impl Operation for Issue<'_> {
    type Done = ();

    async fn apply(&self, work: &mut Work) -> Result<(), Error> {
        known(work, self.partner).await?;
        keep(work, self.partner, self.key).await
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
        entry.1.revoked_at_ms.get_or_insert(now);
        write_key(work, entry)?;
        let revoked = listed(entry);
        write_ring(work, self.partner, &ring)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_differ() {
        let key = ApiKey::generate();
        assert_eq!(key.reveal().len(), HEAD_CHARS + 1 + SUM_CHARS);
        assert_eq!(ApiKey::parse(key.reveal().as_bytes()), Ok(key.clone()));
        let other = ApiKey::generate();
        assert!(key.id() != other.id() && key.sha256() != other.sha256());
        let shown = format!("{key:?}");
        assert!(shown.len() < 24 && shown.contains(key.id()), "{shown}");
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let key = ApiKey::generate();
        let text = key.reveal().as_bytes();
        for at in 0..text.len() {
            let mut other = text.to_vec();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            assert!(ApiKey::parse(&other).is_err(), "at {at}");
            assert!(ApiKey::parse(&text[..at]).is_err(), "cut at {at}");
        }
        let long = [text, b"0"].concat();
        assert!(ApiKey::parse(&long).is_err());
        for odd in [&b""[..], b"ley_", b"\xff", "ley_é".as_bytes(), &[b'_'; 69]] {
            assert!(ApiKey::parse(odd).is_err());
        }
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_zlib() {
        let key = |sum| format!("ley_0123456789ab_{}_{sum}", "A".repeat(SECRET_CHARS));
        assert!(ApiKey::parse(key("b3c905be").as_bytes()).is_ok());
        assert!(ApiKey::parse(key("B3C905BE").as_bytes()).is_err());
    }
}
