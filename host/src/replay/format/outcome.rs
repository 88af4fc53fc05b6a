//! What comes of an invocation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Blob;
use crate::dispatch::types::{Problem, Response, Tally};
use crate::ids::{ComponentName, Digest, StreamName};
use crate::metering::ReadEntry;
use crate::policies::Decision;
use crate::runtime::{self, RunError};

/// How a run past its deadline is named.
const DEADLINE: &str = RunError::Deadline(0).kind();

/// What came of an invocation: all of it is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    /// The answer, or why there is none.
    pub output: Output,
    /// What it changed; nothing, where it failed.
    pub effects: Effects,
    /// What each account got (or gave, below 0) by these effects.
    pub datapoints: BTreeMap<String, i64>,
    /// Metered reads for a partner.
    pub metered: Vec<ReadEntry>,
    /// What policies decided, in order; which version did and how long it took is not compared.
    pub decisions: Vec<Decision>,
    /// Fuel that it burnt; none where it ran until its deadline, which is no certain place.
    pub fuel: Option<u64>,
    /// The part of it that a plugin burnt, which is what its partner pays for; of runs only, and none as `fuel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_fuel: Option<u64>,
}

/// A request that a function sent elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// Its method.
    pub method: String,
    /// Where it was sent.
    pub uri: String,
    /// SHA-256 of its body, 64 hexadecimal digits; none where it has none, or the function did not finish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// How it ended. Failures name the component, not its version: another version that fails alike fails alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Output {
    /// An answer.
    Http {
        /// Status.
        status: u16,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: Blob,
    },
    /// An upload batch's counts.
    Rows(Vec<Tally>),
    /// A stream batch is done.
    Done,
    /// A plugin's report.
    Report {
        /// The body's media type.
        media_type: String,
        /// The body.
        body: Blob,
    },
    /// A plugin's run ended without one.
    NoReport {
        /// What kind of end it was, as [`RunError::kind`] names it.
        kind: String,
        /// Why, in words.
        reason: String,
    },
    /// The component refused the input.
    Rejected(Problem),
    /// The component asked to be run later.
    Retry {
        /// Which.
        component: ComponentName,
        /// Why.
        reason: String,
    },
    /// A component trapped.
    Trapped {
        /// Which.
        component: ComponentName,
        /// Why.
        reason: String,
    },
    /// A component ran past the deadline.
    Deadline {
        /// Which.
        component: ComponentName,
        /// The deadline.
        deadline_ms: u64,
    },
    /// A component broke a rule of the host.
    Misbehaved {
        /// Which.
        component: ComponentName,
        /// Which rule.
        reason: String,
    },
    /// Only in a replay: it asked for what the record does not hold, or the host cannot make anything of an answer.
    NotRecorded(String),
}

impl Output {
    /// Whether it failed: whatever it is, but an answer below 500.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Http { status, .. } => *status >= 500,
            Self::Rows(_) | Self::Done | Self::Report { .. } => false,
            _ => true,
        }
    }

    /// Whether it ran into its deadline: how far it got then is no certain place.
    #[must_use]
    pub fn is_late(&self) -> bool {
        match self {
            Self::Deadline { .. } => true,
            Self::NoReport { kind, .. } => kind == DEADLINE,
            _ => false,
        }
    }

    /// Whether it used up its stack: how deep that goes depends on how the host was built, and fuel with it.
    pub(in crate::replay) fn is_too_deep(&self) -> bool {
        match self {
            Self::Trapped { reason, .. } | Self::NoReport { reason, .. } => {
                runtime::is_too_deep(reason)
            }
            _ => false,
        }
    }

    /// Whether it is the end of a plugin's run.
    pub(in crate::replay) fn is_of_run(&self) -> bool {
        matches!(self, Self::Report { .. } | Self::NoReport { .. })
    }

    pub(in crate::replay) fn of_response(response: Response) -> Self {
        Self::Http {
            status: response.status,
            headers: response.headers,
            body: Blob(response.body),
        }
    }
}

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Effects {
    /// Keys that were put or removed.
    pub writes: Vec<Write>,
    /// Records that were published.
    pub appends: Vec<Append>,
    /// Movements of datapoints.
    pub postings: Vec<Posting>,
    /// Requests that a function sent elsewhere; they stay where it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
}

/// A key that was put (or removed, where there is no value).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Whose key.
    pub space: String,
    /// The key.
    pub key: Blob,
    /// Its new value.
    pub value: Option<Blob>,
}

/// A record that was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Append {
    /// To which stream.
    pub stream: StreamName,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Blob,
}

/// A movement of datapoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// Who gave.
    pub debit: String,
    /// Who received.
    pub credit: String,
    /// How much.
    pub amount: u64,
    /// What for.
    pub reference: String,
}
