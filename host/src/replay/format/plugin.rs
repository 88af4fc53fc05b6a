//! Partners' plugins, and what their runs are given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Secret;
use super::component::decoded;
use crate::ids::{ComponentName, Digest, PartnerId, StreamName};
use crate::partners::limits::RunLimits;
use crate::partners::signature::PluginVersion;

/// A version of a partner's plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    /// How invocations of this file name it; no component of the file has the same.
    pub id: u32,
    /// Whose.
    pub partner: PartnerId,
    /// Its name among the partner's.
    pub name: ComponentName,
    /// What its partner calls this version, where that was still known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<PluginVersion>,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes in base 64.
    pub wasm: String,
}

impl Plugin {
    /// A plugin of these bytes.
    #[must_use]
    pub fn new(
        id: u32,
        (partner, name): (PartnerId, ComponentName),
        version: Option<PluginVersion>,
        bytes: &[u8],
    ) -> Self {
        Self {
            id,
            partner,
            name,
            version,
            digest: Digest::of(bytes),
            wasm: STANDARD.encode(bytes),
        }
    }

    /// Its bytes, if they are those that its digest says.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        decoded("plugin", &self.wasm, self.digest)
    }
}

/// What a run of a plugin is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// For whom it runs.
    pub partner: Reader,
    /// What started it.
    pub trigger: Trigger,
    /// Its parameters, a JSON document.
    pub params: String,
    /// What it may use at most.
    pub limits: RunLimits,
    /// Datapoints that were held for it: what it may spend.
    pub held: u64,
    /// The instant that the access policy was asked for its terms at, ms since 1970.
    pub terms_at_ms: u64,
}

/// A partner, as far as it bears on what a run reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reader {
    /// Its id.
    pub id: PartnerId,
    /// How far it is trusted.
    pub trust_level: u32,
    /// What its pseudonyms and cursors are made with.
    pub secret: Secret,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Trigger {
    /// A request.
    Request,
    /// A schedule.
    Schedule {
        /// When it was due, ms since 1970.
        due_ms: u64,
    },
    /// A batch of a stream.
    Batch {
        /// The stream.
        stream: StreamName,
        /// Records in the batch.
        records: u32,
        /// When its first record was published, ms since 1970.
        from_ms: u64,
        /// When its last record was published, ms since 1970.
        to_ms: u64,
    },
}
