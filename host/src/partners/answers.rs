//! First answers of runs under idempotency keys, in the space and with the ageing of all others
//! (`dispatch/idempotency.rs`). Kept with the hold, filled in by the settlement.
//!
//! **Invariants.** A key belongs to one request of one partner: another under it is refused. While its run is under
//! way the key says so, and from the settlement on what came of it; a run that the host lost leaves the key
//! free again, since it was neither answered nor charged.

use serde::{Deserialize, Serialize};

use super::notary::receipt_key;
use super::receipts::Outcome;
use super::reports::{self, Shelf};
use super::runs::{self, End, Ended};
use super::started::RunRequest;
use super::{Error, RECEIPTS};
use crate::dispatch::answers as kept;
use crate::dispatch::work::{self, Work};
use crate::ids::{ComponentName, Digest, PartnerId};
use crate::store::Space;

/// Where an answer lies: the hash of its owner and key, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place(String);

impl Place {
    fn key(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}

/// A request for a run, as far as its answer depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Who asks.
    pub(crate) partner: PartnerId,
    /// For which plugin.
    pub(crate) plugin: ComponentName,
    /// What it may spend at most.
    pub(crate) max_spend: Option<u64>,
    /// Where its answer is kept, if it is.
    pub(crate) place: Option<Place>,
    /// What tells it from another request.
    request: String,
}

impl Asked {
    /// What a request asks for.
    pub(crate) fn new(partner: &PartnerId, plugin: &ComponentName, request: &RunRequest) -> Self {
        let max_spend = request.max_spend.map(|bound| bound.to_string());
        let bound = max_spend.as_deref().unwrap_or("");
        Self {
            partner: partner.clone(),
            plugin: plugin.clone(),
            max_spend: request.max_spend,
            place: place(partner, plugin, request),
            request: hash(&[plugin.as_str(), &request.params, bound]),
        }
    }
}

/// A key is a partner's, whatever plugin it asks for; an occasion of a trigger is one of its plugin.
fn place(partner: &PartnerId, plugin: &ComponentName, request: &RunRequest) -> Option<Place> {
    let partner = partner.as_str();
    let hash = match (request.started.occasion(), &request.key) {
        (Some(occasion), _) => hash(&["leyden.triggers", partner, plugin.as_str(), &occasion]),
        (None, Some(key)) => hash(&["leyden.runs", partner, key]),
        (None, None) => return None,
    };
    Some(Place(hash))
}

/// A hash of texts that tells where each ends.
fn hash(parts: &[&str]) -> String {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
        whole.extend_from_slice(part.as_bytes());
    }
    Digest::of(&whole).to_string()
}

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    request: String,
    run: String,
    /// None while the run is under way.
    ended: Option<KeptEnd>,
}

/// How a run ended: enough to give the same answer again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptEnd {
    /// How.
    pub(crate) outcome: Outcome,
    /// Why there is no report, in words.
    pub(crate) detail: Option<String>,
    /// The report's media type.
    pub(crate) media_type: Option<String>,
    /// The receipt's place.
    pub(crate) sequence: u64,
    /// Where the report's body lies.
    pub(crate) shelf: Shelf,
}

/// What was found under a key.
#[derive(Debug)]
pub(crate) enum Answered {
    /// A run under way.
    Running(String),
    /// A run that has ended.
    Ended(String, KeptEnd),
}

/// What became of the first request under the key, if there was one.
///
/// # Errors
/// The key belongs to another request, or the store did not answer.
pub(crate) async fn find(work: &mut Work, asked: &Asked) -> Result<Option<Answered>, runs::Error> {
    let Some(place) = &asked.place else {
        return Ok(None);
    };
    let stored = kept::read(work, &place.key()).await?;
    let Some(kept) = stored.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok()) else {
        return Ok(None);
    };
    if kept.request != asked.request {
        return Err(runs::Error::KeyReused);
    }
    Ok(Some(match kept.ended {
        None => Answered::Running(kept.run),
        Some(end) => Answered::Ended(kept.run, end),
    }))
}

/// Reads in one go what is kept at some places.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn prefetch(
    work: &mut Work,
    places: impl Iterator<Item = &Place>,
) -> Result<(), work::Error> {
    kept::prefetch(work, places.map(Place::key).collect()).await
}

/// Notes that a run is under way.
pub(crate) fn begin(work: &mut Work, asked: &Asked, run: &str) -> Result<(), work::Error> {
    let Some(place) = &asked.place else {
        return Ok(());
    };
    let kept = Kept {
        request: asked.request.clone(),
        run: run.to_owned(),
        ended: None,
    };
    kept::write(work, place.key(), serde_json::to_vec(&kept).ok())
}

/// Notes how a run has ended; a run that the host lost (`None`) frees its key. Nothing where the key is not
/// this run's any more.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn end(
    work: &mut Work,
    place: &Place,
    run: &str,
    end: Option<KeptEnd>,
) -> Result<(), work::Error> {
    let stored = kept::read(work, &place.key()).await?;
    let kept = stored.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    let Some(mut kept) = kept.filter(|kept| kept.run == run) else {
        return Ok(());
    };
    if end.is_none() {
        return kept::write(work, place.key(), None);
    }
    kept.ended = end;
    kept::write(work, place.key(), serde_json::to_vec(&kept).ok())?;
    kept::age(work, &place.key())
}

/// The same answer as the first time. A report that is kept no longer is said to be gone.
///
/// # Errors
/// The store did not answer, or the receipt is not there.
pub(crate) async fn repeat(
    work: &mut Work,
    asked: &Asked,
    run: String,
    end: KeptEnd,
) -> Result<Ended, runs::Error> {
    let partner = &asked.partner;
    let key = receipt_key(partner, end.sequence);
    let receipt = work.read(&Space::from(RECEIPTS), &key).await?;
    let receipt = receipt.ok_or_else(Error::broken)?;
    let body = match &end.media_type {
        None => None,
        Some(_) => reports::body(work, partner, &asked.plugin, end.shelf, &run).await?,
    };
    let end_again = match (end.media_type, body) {
        (Some(media_type), Some(body)) => End::Report { media_type, body },
        (Some(_), None) => End::Gone,
        (None, _) => End::Failed(end.detail.unwrap_or_default()),
    };
    Ok(Ended {
        run,
        outcome: end.outcome,
        receipt,
        end: end_again,
    })
}
