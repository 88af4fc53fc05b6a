//! A partner as it is kept.

use serde::{Deserialize, Serialize};

use super::PARTNERS;
use crate::dispatch::work::{self, Work};
use crate::ids::{Instant, PartnerId};
use crate::keys::random;
use crate::store::Space;

/// A registered partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partner {
    /// Its id.
    pub id: PartnerId,
    /// How far the operator trusts it, 0 to 10.
    pub trust_level: u32,
    /// Secret that its pseudonyms and cursors are made with. Never leaves the host.
    pub secret: [u8; 32],
    /// Ed25519 key (32 bytes) that signs its uploads; none: it cannot upload.
    pub upload_key: Option<[u8; 32]>,
    /// When it was registered, ms since 1970 by the host's clock.
    pub created_at_ms: u64,
}

impl Partner {
    /// A new partner with a secret of its own (256 random bits).
    #[must_use]
    pub fn new(id: PartnerId, trust_level: u32, now: Instant) -> Self {
        Self {
            id,
            trust_level,
            secret: random(),
            upload_key: None,
            created_at_ms: now.0,
        }
    }
}

/// The partner of this id, as an invocation sees it.
///
/// # Errors
/// The invocation's budget is used up, or the store did not answer.
pub async fn find(work: &mut Work, id: &PartnerId) -> Result<Option<Partner>, work::Error> {
    let stored = work.read(&Space::from(PARTNERS), &key(id)).await?;
    let partner = stored.map(|bytes| serde_json::from_slice(&bytes));
    partner.transpose().map_err(|_| {
        let broken = crate::store::Error::Unavailable("it holds a broken record of a partner");
        work::Error::Store(broken)
    })
}

/// Keeps a partner when the invocation commits.
///
/// # Errors
/// The invocation's budget is used up.
pub fn put(work: &mut Work, partner: &Partner) -> Result<(), work::Error> {
    let bytes = serde_json::to_vec(partner).unwrap_or_default();
    work.write(&Space::from(PARTNERS), key(&partner.id), Some(bytes))
}

/// The key of a partner's record.
#[must_use]
pub fn key(id: &PartnerId) -> Vec<u8> {
    id.as_str().as_bytes().to_vec()
}
