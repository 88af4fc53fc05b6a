//! What starts a run, and how receipts name it. Pure.

use std::fmt;

use super::triggers::{Fired, Key};
use crate::ids::{ComponentName, Instant, PartnerId};
use crate::store::{Acknowledgement, offset_text};

/// Records of one partition of a stream, handed over to a trigger together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where they lie. Made by the commit that settles the run.
    pub acknowledgement: Acknowledgement,
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

    /// What tells one run of a schedule from its others; the same however often it is tried. Batches need none:
    /// each is acknowledged with its run.
    #[must_use]
    pub fn occasion(&self) -> Option<String> {
        matches!(self, Self::BySchedule(..)).then(|| self.to_string())
    }

    /// What the settlement is to acknowledge.
    pub(crate) fn acknowledgement(&self) -> Option<&Acknowledgement> {
        match self {
            Self::ByBatch(_, batch) => Some(&batch.acknowledgement),
            Self::ByRequest | Self::BySchedule(..) => None,
        }
    }

    /// The trigger that the settlement is to tell of the run.
    pub(crate) fn fired(&self, partner: &PartnerId, plugin: &ComponentName) -> Option<Fired> {
        let key = Key {
            partner: partner.clone(),
            plugin: plugin.clone(),
            name: self.trigger()?.clone(),
        };
        let due = match self {
            Self::BySchedule(_, due) => Some(*due),
            Self::ByRequest | Self::ByBatch(..) => None,
        };
        Some(Fired { key, due })
    }
}

/// As receipts and logs have it: `request`, `schedule daily 2026-11-25T06:00:00.000Z` or
/// `batch peaks consumption.peak/3 17..19`.
impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByRequest => f.write_str("request"),
            Self::BySchedule(trigger, due) => write!(f, "schedule {trigger} {due}"),
            Self::ByBatch(trigger, batch) => {
                let Acknowledgement { claim, offsets } = &batch.acknowledgement;
                let partition = &claim.subscription.partition;
                let (stream, number) = (&partition.stream, partition.number);
                let place =
                    |offset: Option<&u64>| offset.map_or_else(String::new, |o| offset_text(*o));
                let (first, last) = (place(offsets.first()), place(offsets.last()));
                write!(f, "batch {trigger} {stream}/{number} {first}..{last}")
            }
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
