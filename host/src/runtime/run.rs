//! What a run of a partner's component is given, and what comes out of it; free of wasmtime.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::dispatch;
use crate::dispatch::work::Work;
use crate::ids::{Instant, StreamName};
use crate::metering::Dataset;
use crate::partners::limits::RunLimits;
use crate::registry::Generation;

/// A set of datasets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Datasets(u8);

impl Datasets {
    /// How many sets there are.
    pub(super) const SETS: usize = 1 << Dataset::ALL.len();

    /// Every dataset.
    #[must_use]
    pub fn all() -> Self {
        Dataset::ALL.into_iter().collect()
    }

    /// Whether the dataset is in it.
    #[must_use]
    pub const fn contains(self, dataset: Dataset) -> bool {
        self.0 & Self::bit(dataset) != 0
    }

    /// What is in it.
    pub fn iter(self) -> impl Iterator<Item = Dataset> {
        let all = Dataset::ALL.into_iter();
        all.filter(move |dataset| self.contains(*dataset))
    }

    /// Its number among all sets, below [`Self::SETS`].
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    const fn bit(dataset: Dataset) -> u8 {
        match dataset {
            Dataset::GlobalConsumption => 1,
            Dataset::Production => 2,
            Dataset::DetailedConsumption => 4,
        }
    }
}

impl FromIterator<Dataset> for Datasets {
    fn from_iter<I: IntoIterator<Item = Dataset>>(datasets: I) -> Self {
        let bits = datasets.into_iter().map(Self::bit);
        Self(bits.fold(0, |set, bit| set | bit))
    }
}

/// What a run is started by, as in `leyden:data/reports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A request.
    Request,
    /// A schedule: the instant it was due.
    Schedule(Instant),
    /// A batch of a stream.
    Batch {
        /// The stream.
        stream: StreamName,
        /// Records in the batch.
        records: u32,
        /// When its first record was published.
        from: Instant,
        /// When its last record was published.
        to: Instant,
    },
}

/// What the component is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunParams {
    /// What started it.
    pub trigger: Trigger,
    /// Parameters as a JSON document.
    pub json: String,
}

/// Waits for room; what it returns is the place, given back when it is dropped.
pub type Entry = BoxFuture<'static, Result<Box<dyn Send>, RunError>>;

/// Everything that a run needs.
pub struct RunInput {
    /// What it waits for before it begins; none: nothing. Whoever runs it does so on the run's own thread, and gives the
    /// place back there, so that the next run goes on at once.
    pub entry: Option<Entry>,
    /// The datasets that the partner's trust level opens: the component is linked to these only.
    pub granted: Datasets,
    /// What the run may use.
    pub limits: RunLimits,
    /// Units of fuel that it may use, where less than the limits allow.
    pub fuel_max: u64,
    /// What it is called with.
    pub params: RunParams,
    /// The components that answer its reads.
    pub generation: Arc<Generation>,
    /// Its reads' transaction, with the meter that they are charged to.
    pub work: Box<Work>,
}

impl RunInput {
    /// Waits until there is room; the place, if it needed one.
    ///
    /// # Errors
    /// There was none for too long.
    pub async fn enter(&mut self) -> Result<Option<Box<dyn Send>>, RunError> {
        match self.entry.take() {
            Some(entry) => entry.await.map(Some),
            None => Ok(None),
        }
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Media type of the body (RFC 9110, 8.3), checked.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Longest media type, bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

impl Report {
    /// Checks what a component returned.
    pub(super) fn check(self, limits: &RunLimits) -> Result<Self, RunError> {
        if self.body.len() > limits.report_bytes {
            return Err(RunError::Limit(Limit::HandedOver(limits.report_bytes)));
        }
        if is_media_type(&self.media_type) {
            Ok(self)
        } else {
            let shown: String = self.media_type.escape_debug().take(80).collect();
            Err(RunError::InvalidReport(format!(
                "is of the media type '{shown}': it must be type/subtype, of at most \
                 {MEDIA_TYPE_BYTES_MAX} bytes (RFC 9110, 8.3.1)"
            )))
        }
    }
}

/// Whether it is a media type, its parameters being any visible characters, so that a header can carry it.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        let of_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !part.is_empty() && part.bytes().all(of_token)
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let names = essence.trim_end().split_once('/');
    names.is_some_and(|(main, sub)| token(main) && token(sub))
        && parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.len() <= MEDIA_TYPE_BYTES_MAX
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For whoever debugs the component.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}

/// A line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The line, at most 4 KiB.
    pub message: String,
}

/// What became of a run.
pub struct Ran {
    /// Its report, or why there is none.
    pub outcome: Result<Report, RunError>,
    /// Units of fuel used.
    pub fuel: u64,
    /// What it logged. Empty after a host fault: a run that is not charged must not tell anything.
    pub log: Vec<LogLine>,
    /// The transaction, unless it was lost in a read that was cut off.
    pub work: Option<Box<Work>>,
    /// Most linear memory that it held at once, bytes.
    pub memory_high_bytes: usize,
}

/// Which of `leyden:data/reports`' errors a component returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestErrorKind {
    /// The parameters break a rule.
    InvalidParams,
    /// No report can be made.
    Failed,
}

/// Which bound of [`RunLimits`] a run went past. The number is the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Linear memory, bytes.
    #[error("memory (at most {0} bytes)")]
    Memory(usize),
    /// Table elements.
    #[error("table elements (at most {0})")]
    TableElements(usize),
    /// Core instances, memories or tables.
    #[error("instances, memories and tables of its modules (at most {0})")]
    Instances(usize),
    /// Handles of resources.
    #[error("handles of resources that it holds at once (at most {0})")]
    Handles(usize),
    /// Calls into the host.
    #[error("calls into the host (at most {0})")]
    HostCalls(u32),
    /// Bytes that it hands to the host at once, as a report or in a call.
    #[error("bytes that it hands over at once, as its report or in a call (at most {0})")]
    HandedOver(usize),
}

/// Why a run has no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The component said so, in its own words (at most 4 KiB).
    #[error("{text}")]
    Guest {
        /// Which of its errors.
        kind: GuestErrorKind,
        /// Its words.
        text: String,
    },
    /// The component trapped; the reason is its own (such as `unreachable`).
    #[error("it trapped: {0}")]
    Trapped(String),
    /// It ran past its deadline (ms).
    #[error("it ran past its deadline of {0} ms")]
    Deadline(u64),
    /// It used up its fuel (units).
    #[error("it used up its {0} units of fuel")]
    Fuel(u64),
    /// It went past a bound.
    #[error("it went past its bound on {0}")]
    Limit(Limit),
    /// It returned something that is no report.
    #[error("it returned a report that {0}")]
    InvalidReport(String),
    /// It imports interfaces, which are named, that the partner's trust level does not open. It did not run.
    #[error("it imports {}, which the partner's trust level does not open", .0.join(", "))]
    NotGranted(Vec<String>),
    /// The host had no room for it. It did not run.
    #[error("{0}")]
    NoRoom(String),
    /// The host is at fault, not the component.
    #[error(transparent)]
    HostFault(dispatch::Error),
}

impl RunError {
    /// What kind of failure it is: for receipts, logs and problem documents.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Guest {
                kind: GuestErrorKind::InvalidParams,
                ..
            } => "invalid-params",
            Self::Guest {
                kind: GuestErrorKind::Failed,
                ..
            } => "failed",
            Self::Trapped(_) => "trapped",
            Self::Deadline(_) => "deadline",
            Self::Fuel(_) => "fuel",
            Self::Limit(_) => "limit",
            Self::InvalidReport(_) => "invalid-report",
            Self::NotGranted(_) => "not-granted",
            Self::NoRoom(_) | Self::HostFault(_) => "host-fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_header_can_carry_is_a_media_type() {
        for sound in [
            "text/html",
            "image/svg+xml",
            "text/csv; charset=utf-8",
            "a/b ;c=\"d e\"",
        ] {
            assert!(is_media_type(sound), "{sound}");
        }
        let long = format!("text/{}", "x".repeat(MEDIA_TYPE_BYTES_MAX));
        for wrong in [
            "",
            "/",
            "text",
            "text/",
            "/html",
            "text/ht ml",
            "a/b;\r\nset-cookie: c",
            "a/b;é",
            "a/b/c",
            &long,
        ] {
            assert!(!is_media_type(wrong), "{wrong}");
        }
    }

    #[test]
    fn sets_of_datasets_tell_all_apart() {
        let sets = |bits: usize| {
            let chosen = Dataset::ALL.into_iter().enumerate();
            let chosen = chosen.filter(move |(at, _)| bits & (1 << at) != 0);
            chosen.map(|(_, dataset)| dataset).collect::<Vec<_>>()
        };
        let mut seen = std::collections::HashSet::new();
        for bits in 0..Datasets::SETS {
            let set: Datasets = sets(bits).into_iter().collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), sets(bits));
            assert!(set.index() < Datasets::SETS && seen.insert(set.index()));
        }
        assert_eq!(Datasets::all().iter().count(), Dataset::ALL.len());
    }
}
