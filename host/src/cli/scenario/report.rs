//! What a run has done and found: told as it happens, and kept for `--json`.

use serde::Serialize;

/// A whole run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) steps: Vec<StepReport>,
    /// Expectations that are met.
    pub(crate) met: usize,
    /// Expectations that are not.
    pub(crate) not_met: usize,
}

/// A step.
#[derive(Debug, Serialize)]
pub(crate) struct StepReport {
    pub(crate) number: usize,
    pub(crate) title: String,
    pub(crate) entries: Vec<Entry>,
}

/// One thing that was said, done or found.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// Narration.
    Said { text: String },
    /// A call of a route; `note` says why it was refused.
    Called {
        method: &'static str,
        path: String,
        service: String,
        route: String,
        params: String,
        status: u16,
        returned: String,
        note: Option<String>,
    },
    /// The clock moved.
    Ticked { ticks: u64, now: String },
    /// A stream is watched from here on.
    Watching { stream: String },
    /// An event came.
    Event { stream: String, payload: String },
    /// A component was deployed.
    Deployed { name: String, component: String },
    /// A component's former version is active again.
    RolledBack { name: String },
    /// An expectation.
    Checked(Check),
}

/// An expectation and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Of what.
    pub(crate) of: String,
    pub(crate) expected: String,
    /// What came instead, where it is not met.
    pub(crate) got: Option<String>,
    pub(crate) met: bool,
}

impl Check {
    pub(crate) fn met(of: &str, expected: String) -> Self {
        Self {
            of: of.to_owned(),
            expected,
            got: None,
            met: true,
        }
    }

    pub(crate) fn not_met(of: &str, expected: String, got: String) -> Self {
        Self {
            of: of.to_owned(),
            expected,
            got: Some(got),
            met: false,
        }
    }

    /// A check of a text.
    pub(crate) fn text(of: &str, expected: String, met: bool, got: String) -> Self {
        if met {
            Self::met(of, expected)
        } else {
            Self::not_met(of, expected, got)
        }
    }
}
