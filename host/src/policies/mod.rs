//! Policies: what kinds there are, what a decision must keep, what happens when one fails, and the log of what was
//! decided. Which version decides is the registry's business, running it the runtime's.
//!
//! **Invariants.** A policy is a pure function: it imports nothing, gets one record and returns one value, so the same
//! version decides the same of the same input, wherever and however often it is asked. A decision that breaks its
//! contract is a failure like a trap. Every decision that counts commits with what it led to, or not at all.

mod contract;
mod decision;
pub mod diff;
mod health;
pub mod log;
pub mod promotion;
pub mod rollouts;
mod shadow;

use std::fmt;
use std::time::Duration;

pub use contract::check;
pub use decision::{Decision, Failed};
pub use health::{Health, Observed};
pub use shadow::{Outcome, Shadowed};

/// Longest time of one decision: it takes microseconds, and who waits for it has a deadline too, by which the version
/// before must have decided where this one fails.
pub const DECISION_MAX: Duration = Duration::from_millis(250);

/// The package of the interfaces that policies export.
const PACKAGE: &str = "leyden:policy/";

/// What a policy decides.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a partner's read of a dataset needs and costs.
    Access,
    /// Which community a new house joins.
    Assignment,
    /// From which consumption on a community peaks.
    PeakLimit,
    /// When a flexible load draws its power.
    Schedule,
    /// Which flexible loads stop when a community peaks.
    Shed,
}

impl Kind {
    /// All kinds, by name.
    pub const ALL: [Self; 5] = [
        Self::Access,
        Self::Assignment,
        Self::PeakLimit,
        Self::Schedule,
        Self::Shed,
    ];

    /// Its name: that of its interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Assignment => "assignment",
            Self::PeakLimit => "peak-limit",
            Self::Schedule => "schedule",
            Self::Shed => "shed",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that an interface of any version belongs to, such as `leyden:policy/shed@0.1.0`.
    #[must_use]
    pub fn of_interface(interface: &str) -> Option<Self> {
        let (name, _version) = interface.strip_prefix(PACKAGE)?.split_once('@')?;
        Self::of_name(name)
    }

    /// What happens where the version that was asked fails.
    #[must_use]
    pub const fn on_failure(self) -> OnFailure {
        match self {
            // Who may read what must not hang on the version that somebody wanted to get rid of.
            Self::Access => OnFailure::Closed,
            Self::Assignment | Self::PeakLimit | Self::Schedule | Self::Shed => OnFailure::LastGood,
        }
    }

    /// The field of the input that says whom a decision is about: decisions about one subject are all made by one
    /// version while another is tried on a share of them.
    #[must_use]
    pub const fn subject_field(self) -> &'static str {
        match self {
            Self::Access => "trust-level",
            Self::Assignment => "client-name",
            Self::PeakLimit | Self::Schedule | Self::Shed => "community",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens where a policy fails: it traps, runs past its time, or breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing is decided, and so nothing is read or charged: the invocation fails.
    Closed,
    /// The version that served before decides.
    LastGood,
}

/// Why a policy did not decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It trapped.
    #[error("it trapped: {0}")]
    Trapped(String),
    /// It took too long.
    #[error("it ran past {} ms", DECISION_MAX.as_millis())]
    TooLong,
    /// It broke its contract.
    #[error("it broke its contract: {0}")]
    Broke(String),
    /// It has failed too often lately and was not asked.
    #[error("it is not asked at the moment: {0}")]
    Suspended(String),
    /// The host has no room for its instance at the moment, which is not its fault.
    #[error("no instance is free for it")]
    Busy,
}

impl Failure {
    /// What kind of failure it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "trapped",
            Self::TooLong => "took too long",
            Self::Broke(_) => "broke its contract",
            Self::Suspended(_) => "was not asked",
            Self::Busy => "no instance was free",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_from_an_interface_of_any_version() {
        for kind in Kind::ALL {
            for version in ["0.1.0", "0.2.0", "1.0.0-rc.1"] {
                let interface = format!("leyden:policy/{kind}@{version}");
                assert_eq!(Kind::of_interface(&interface), Some(kind));
            }
        }
        for other in [
            "leyden:policy/shed",
            "leyden:policy/other@0.1.0",
            "leyden:grid/shed@0.1.0",
            "",
        ] {
            assert_eq!(Kind::of_interface(other), None, "{other}");
        }
    }
}
