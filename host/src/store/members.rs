//! The hosts of an installation and the units they hold. Pure; each backend keeps them its own way.

use std::fmt;
use std::sync::Arc;

/// Who holds units and records: a name that no other start of a host ever has. It is the consumer's name
/// in Redis.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Holder(pub Arc<str>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a host tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostInfo {
    /// Its name as a holder.
    pub holder: Holder,
    /// Where it serves HTTP, such as `http://10.0.0.5:3000`.
    pub url: String,
    /// Version of Leyden.
    pub version: String,
    /// When it started, ms since 1970 by the system's clock.
    pub started_at_ms: u64,
    /// The generation of components that it serves.
    pub generation: u64,
}

/// A host as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it told last.
    pub info: HostInfo,
    /// What is left of its lease, ms; 0: it has not told in time.
    pub lease_ms: u64,
}

/// All hosts, and who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Hosts by holder, those that are not alive but still hold something included.
    pub hosts: Vec<Member>,
    /// The holder of each unit.
    pub owners: Vec<Option<Holder>>,
}
