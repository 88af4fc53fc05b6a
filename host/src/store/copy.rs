//! Moves a whole installation from the embedded store into a new one on Redis: state, log with the groups'
//! places, and ledger. Then all of it is read back as a host would read it and compared.
//!
//! The source is left as it is. Nobody can use it meanwhile, since the copy holds its folder; and no host
//! opens the target before everything in it was found equal.

mod fill;
mod sums;
mod verify;

use std::path::{Path, PathBuf};

use self::sums::Sums;
use super::chain::Head;
use super::embedded::{self, Embedded};
use super::redis;
use super::{Posting, Version};
use crate::ids::Digest;

/// How much is read and written at a time: enough that a round trip costs little beside it, and a few
/// milliseconds of the server.
const PAGE: PageBounds = PageBounds {
    rows: 500,
    bytes: 1 << 20,
};

/// How much one page holds at most; it may have one row more bytes than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct PageBounds {
    pub(in crate::store) rows: usize,
    /// Of content, bytes.
    pub(in crate::store) bytes: usize,
}

/// An entry of the ledger as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct LedgerEntry {
    /// The commit that made it.
    pub(in crate::store) version: Version,
    /// Its place in that commit, from 0.
    pub(in crate::store) position: u64,
    pub(in crate::store) posting: Posting,
    /// The commit's instant, ms.
    pub(in crate::store) at: u64,
    /// Its hash.
    pub(in crate::store) chain: Digest,
}

/// What a store is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Keys and values.
    State,
    /// Records and groups.
    Log,
    /// Accounts and their entries.
    Ledger,
}

/// What is being done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is written.
    Copying,
    /// It is read back and compared.
    Verifying,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// With what.
    pub part: Part,
    /// Rows of the part that are done.
    pub rows: u64,
    /// Rows that the part has.
    pub rows_total: u64,
}

/// What one part holds, the same in both stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Keys, records, or accounts and entries.
    pub rows: u64,
    /// Of keys and content, bytes.
    pub bytes: u64,
    /// SHA-256 over all rows in order.
    pub digest: Digest,
}

/// What was copied, and found in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many commits there were.
    pub version: Version,
    /// The state.
    pub state: Sum,
    /// The log.
    pub log: Sum,
    /// The ledger.
    pub ledger: Sum,
    /// Partitions in the target.
    pub partitions: u64,
    /// Groups of streams.
    pub groups: u64,
    /// Where the ledger's chain ends, in both stores.
    pub head: Head,
}

/// Why a copy was not made. The target is left unfinished then, so that no host opens it; another copy
/// begins it again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to copy.
    #[error("there is no store of Leyden in {}", .0.display())]
    Missing(PathBuf),
    /// The source.
    #[error("the embedded store cannot be opened")]
    Source(#[from] embedded::OpenError),
    /// The target.
    #[error("the store on Redis cannot be used")]
    Target(#[from] redis::OpenError),
    /// Somebody uses the target.
    #[error("namespace {0} is in use: a copy needs one that is empty")]
    NotEmpty(String),
    /// One of them did not answer.
    #[error("the copy was not finished")]
    Store(#[from] super::Error),
    /// What was read back is not what was written.
    #[error("the {part:?} that was read back differs from the source: {what}")]
    Differs {
        /// Where.
        part: Part,
        /// How, in words.
        what: String,
    },
    /// Another copy into the same namespace has begun since.
    #[error("another copy into namespace {0} has begun meanwhile")]
    Overtaken(String),
}

/// A copy's result.
type Result<T> = std::result::Result<T, Error>;

/// Tells progress, part by part.
struct Meter<P> {
    progress: P,
    now: Progress,
}

impl<P: FnMut(Progress)> Meter<P> {
    fn begin(&mut self, stage: Stage, part: Part, rows_total: u64) {
        self.now = Progress {
            stage,
            part,
            rows: 0,
            rows_total,
        };
        (self.progress)(self.now);
    }

    fn add(&mut self, rows: usize) {
        self.now.rows += rows as u64;
        (self.progress)(self.now);
    }
}

/// Copies the embedded store in a directory into an empty namespace, checks the copy, and lets hosts open
/// it. Streams get as many partitions as `to` says; each record goes to the partition of its key,
/// and each group goes on in every partition where it was.
///
/// # Errors
/// See [`enum@Error`]. The source is unharmed in any case.
pub async fn copy(
    from: &Path,
    to: redis::Options,
    progress: impl FnMut(Progress),
) -> Result<Report> {
    if !embedded::exists(from) {
        return Err(Error::Missing(from.to_owned()));
    }
    let source = Embedded::open(embedded::Options::new(from))?;
    let dump = source.dump().await?;
    let namespace = to.namespace.clone();
    let Some(restore) = redis::Restore::begin(to).await? else {
        return Err(Error::NotEmpty(namespace));
    };
    let now = Progress {
        stage: Stage::Copying,
        part: Part::State,
        rows: 0,
        rows_total: 0,
    };
    let mut meter = Meter { progress, now };
    let written = fill::fill(&dump, &restore, &mut meter).await?;
    let read = verify::verify(&dump, &restore, &written, &mut meter).await?;
    let report = compare(&dump, &written, written.sums.clone(), read)?;
    if restore.finish().await? {
        Ok(report)
    } else {
        Err(Error::Overtaken(namespace))
    }
}

/// The report, if what was written is what was read back.
fn compare(
    dump: &embedded::Dump<'_>,
    written: &fill::Filled,
    source: Sums,
    target: Sums,
) -> Result<Report> {
    let (source, target) = (source.close(), target.close());
    let parts = [Part::State, Part::Log, Part::Ledger];
    for (part, (wrote, read)) in parts.into_iter().zip(source.iter().zip(&target)) {
        if wrote != read {
            let what = format!("{wrote:?} were written and {read:?} read");
            return Err(Error::Differs { part, what });
        }
    }
    let [state, log, ledger] = source;
    Ok(Report {
        version: dump.version(),
        state,
        log,
        ledger,
        partitions: written.places.len() as u64,
        groups: written.groups,
        head: dump.head()?,
    })
}
