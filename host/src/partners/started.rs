//! What starts a run, and how receipts name it. Pure.

use std::fmt;

use crate::ids::{ComponentName, Instant};
use crate::store::{Offset, Partition, offset_text};

/// Records of one partition of a stream, handed over to a trigger together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where they lie.
    pub partition: Partition,
    /// The first's place.
    pub first: Offset,
    /// The last's place.
    pub last: Offset,
    /// How many.
    pub records: u32,
    /// When the first was published.
    pub from: Instant,
    /// When the last was published.
    pub to: Instant,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A request.
    ByRequest,
    /// A trigger of the plugin's, at the instant when it was due.
    BySchedule(ComponentName, Instant),
    /// A trigger of the plugin's, by a batch of a stream.
    ByBatch(ComponentName, Batch),
}

impl Started {
    /// The trigger, if it was one.
    #[must_use]
    pub fn trigger(&self) -> Option<&ComponentName> {
        match self {
            Self::ByRequest => None,
            Self::BySchedule(trigger, _) | Self::ByBatch(trigger, _) => Some(trigger),
        }
    }

    /// What tells one start of a trigger from its others; the same however often it is tried.
    #[must_use]
    pub fn occasion(&self) -> Option<String> {
        self.trigger().map(|_| self.to_string())
    }
}

/// As receipts and logs have it: `request`, `schedule daily 2026-11-25T06:00:00.000Z` or
/// `batch peaks consumption.peak/3 17..19`.
impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByRequest => f.write_str("request"),
            Self::BySchedule(trigger, due) => write!(f, "schedule {trigger} {due}"),
            Self::ByBatch(trigger, batch) => write!(
                f,
                "batch {trigger} {}/{} {}..{}",
                batch.partition.stream,
                batch.partition.number,
                offset_text(batch.first),
                offset_text(batch.last)
            ),
        }
    }
}

/// What a run is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// Parameters, a JSON document.
    pub params: String,
    /// What it may spend at most, datapoints; none: what the account holds, up to a bound.
    pub max_spend: Option<u64>,
    /// The client's name for it: a second request under it gets the first's answer.
    pub key: Option<String>,
    /// What starts it.
    pub started: Started,
}
