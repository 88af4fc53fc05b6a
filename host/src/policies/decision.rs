//! One decision of a policy: what it was asked, what it said, and which version said so.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kind;

/// A version that was asked first and failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its digest.
    pub policy: String,
    /// Why.
    pub reason: String,
}

/// A decision. Input and output are values of the interface's WIT types as JSON: a record is an object with the field
/// names of the WIT, so a later version of the interface can be asked the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The interface that was asked, with its version: `leyden:policy/shed@0.1.0`.
    pub interface: String,
    /// Its function.
    pub function: String,
    /// Digest of the version that decided.
    pub policy: String,
    /// The version that should have decided, where another one had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// What it was asked.
    pub input: Value,
    /// What it said.
    pub output: Value,
    /// How long it took, ns.
    #[serde(rename = "tookNs")]
    pub took_ns: u64,
}

impl Decision {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::of_interface(&self.interface)
    }
}
