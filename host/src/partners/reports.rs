//! Reports that are kept: those of triggered runs for whoever comes for them later, and those of runs under an
//! idempotency key, for a retry. One shelf each per plugin, on which the newest push out the oldest.
//!
//! **Invariant.** A shelf's list names what lies on it, and both change in one commit.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::dispatch::work::{self, Work};
use crate::ids::{ComponentName, Digest, Instant, PartnerId};
use crate::runtime::run::Report;
use crate::store::Space;

/// Reports: partner, 0, plugin, 0, shelf → the list of a shelf; the same, 0, run → a report's body.
const REPORTS: &str = "leyden.reports";

/// Most reports on a shelf: three weeks of daily ones, or as many retries as anybody makes at a time.
pub const SHELVED_MAX: usize = 20;

/// Most bytes on a shelf: four of the largest reports there are.
pub const SHELVED_BYTES_MAX: usize = 32 << 20;

/// Why a report is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shelf {
    /// Somebody may ask again under the same key.
    Retries,
    /// A trigger made it, and nobody was there to take it.
    Triggered,
}

impl Shelf {
    const fn letter(self) -> char {
        match self {
            Self::Retries => 'k',
            Self::Triggered => 't',
        }
    }
}

/// A report on a shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shelved {
    /// The run that made it.
    pub run: String,
    /// What started the run.
    pub trigger: String,
    /// When it was settled, RFC 3339.
    pub at: String,
    /// Media type of the body.
    pub media_type: String,
    /// Length of the body.
    pub bytes: usize,
    /// SHA-256 of the body, as in the receipt.
    pub sha256: String,
}

/// A report that is to be kept.
pub(crate) struct Kept<'a> {
    pub(crate) partner: &'a PartnerId,
    pub(crate) plugin: &'a str,
    pub(crate) run: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) at: Instant,
}

/// Puts a report on a shelf; what does not fit any more leaves it.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn keep(
    work: &mut Work,
    shelf: Shelf,
    kept: Kept<'_>,
    report: &Report,
) -> Result<(), work::Error> {
    let space = Space::from(REPORTS);
    let list_key = list_key(kept.partner, kept.plugin, shelf);
    let mut list = list_of(work.read(&space, &list_key).await?);
    list.push(Shelved {
        run: kept.run.to_owned(),
        trigger: kept.trigger.to_owned(),
        at: kept.at.to_string(),
        media_type: report.media_type.clone(),
        bytes: report.body.len(),
        sha256: Digest::of(&report.body).to_string(),
    });
    for gone in pushed_out(&mut list) {
        work.write(&space, body_key(&list_key, &gone.run), None)?;
    }
    let body = body_key(&list_key, kept.run);
    work.write(&space, body, Some(report.body.clone()))?;
    work.write(&space, list_key, serde_json::to_vec(&list).ok())
}

/// Takes the oldest off until the rest fits. The newest always stays.
fn pushed_out(list: &mut Vec<Shelved>) -> Vec<Shelved> {
    let mut gone = Vec::new();
    let fits = |list: &[Shelved]| {
        let bytes: usize = list.iter().map(|shelved| shelved.bytes).sum();
        list.len() <= SHELVED_MAX && bytes <= SHELVED_BYTES_MAX
    };
    while list.len() > 1 && !fits(list) {
        gone.push(list.remove(0));
    }
    gone
}

/// The body of a report, if it still lies there.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn body(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
    shelf: Shelf,
    run: &str,
) -> Result<Option<Vec<u8>>, work::Error> {
    let key = body_key(&list_key(partner, plugin.as_str(), shelf), run);
    work.read(&Space::from(REPORTS), &key).await
}

/// The reports of a plugin's triggers, the newest first.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn list(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
) -> Result<Vec<Shelved>, work::Error> {
    let key = list_key(partner, plugin.as_str(), Shelf::Triggered);
    let mut list = list_of(work.read(&Space::from(REPORTS), &key).await?);
    list.reverse();
    Ok(list)
}

/// One report of a plugin's triggers.
///
/// # Errors
/// There is none of this run any more, or the store did not answer.
pub(crate) async fn find(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
    run: &str,
) -> Result<(Shelved, Vec<u8>), Error> {
    let gone = || Error::Unknown {
        field: "report",
        rule: "no report of this run is kept".into(),
    };
    let list = list(work, partner, plugin).await?;
    let shelved = list.into_iter().find(|shelved| shelved.run == run);
    let shelved = shelved.ok_or_else(gone)?;
    let body = body(work, partner, plugin, Shelf::Triggered, run).await?;
    Ok((shelved, body.ok_or_else(gone)?))
}

fn list_key(partner: &PartnerId, plugin: &str, shelf: Shelf) -> Vec<u8> {
    format!("{partner}\0{plugin}\0{}", shelf.letter()).into_bytes()
}

fn body_key(list_key: &[u8], run: &str) -> Vec<u8> {
    [list_key, b"\0", run.as_bytes()].concat()
}

fn list_of(stored: Option<Vec<u8>>) -> Vec<Shelved> {
    let list = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    list.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelved(run: usize, bytes: usize) -> Shelved {
        Shelved {
            run: run.to_string(),
            trigger: "request".into(),
            at: Instant(0).to_string(),
            media_type: "text/plain".into(),
            bytes,
            sha256: String::new(),
        }
    }

    fn gone(sizes: &[usize]) -> Vec<String> {
        let mut list: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(at, size)| shelved(at, *size))
            .collect();
        pushed_out(&mut list)
            .into_iter()
            .map(|gone| gone.run)
            .collect()
    }

    #[test]
    fn the_oldest_make_room_by_number_and_by_bytes() {
        assert!(gone(&[1; SHELVED_MAX]).is_empty());
        assert_eq!(gone(&[1; SHELVED_MAX + 2]), ["0", "1"]);
        let quarter = SHELVED_BYTES_MAX / 4;
        assert!(gone(&[quarter; 4]).is_empty());
        assert_eq!(gone(&[quarter, quarter, quarter, quarter, 1]), ["0"]);
        assert!(
            gone(&[SHELVED_BYTES_MAX + 1]).is_empty(),
            "the newest always stays"
        );
    }
}
