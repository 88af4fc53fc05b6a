//! Components, as a record holds them: their bytes, and what holds for them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::ids::{ComponentName, Digest, StreamName, VariableName};
use crate::registry::manifest::{Grants, Limits, Manifest};

/// A component's version with what holds for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// How invocations of this file name it.
    pub id: u32,
    /// The name it was deployed under.
    pub name: ComponentName,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it may do.
    pub grants: Granted,
    /// What it may use.
    pub limits: Bounds,
    /// Streams that it may publish to.
    pub publish: Vec<StreamName>,
    /// What else holds for it where it is a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// Its bytes in base 64.
    pub wasm: String,
}

/// What a function finds around it, and how much it may answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// Whether it may keep values.
    pub keyvalue: bool,
    /// Longest answer.
    pub response_body_bytes: u64,
    /// Its variables, and names of its secrets, in whose place stand as many letters `x`.
    pub variables: BTreeMap<VariableName, String>,
}

/// A manifest's grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Granted {
    /// Move datapoints.
    pub ledger: bool,
    /// Deal with partners.
    pub partners: bool,
}

/// A manifest's limits, as far as they bear on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounds {
    /// Memory of an instance.
    pub memory_bytes: usize,
    /// Longest run.
    pub deadline_ms: u64,
}

impl From<&Grants> for Granted {
    fn from(grants: &Grants) -> Self {
        Self {
            ledger: grants.ledger,
            partners: grants.partners,
        }
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            deadline_ms: limits.deadline_ms,
        }
    }
}

impl Component {
    /// The part of its manifest that bears on a run.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let mut manifest = Manifest::default_for(&self.name);
        manifest.routes.clear();
        manifest.publish.clone_from(&self.publish);
        manifest.grants = Grants {
            ledger: self.grants.ledger,
            partners: self.grants.partners,
            ..Grants::default()
        };
        manifest.limits = Limits {
            memory_bytes: self.limits.memory_bytes,
            deadline_ms: self.limits.deadline_ms,
            ..Limits::default()
        };
        if let Some(function) = &self.function {
            manifest.grants.keyvalue = function.keyvalue;
            manifest.limits.response_body_bytes = function.response_body_bytes;
        }
        self.surround(&mut manifest);
        manifest
    }

    /// Puts what a function found around it into a manifest: its secrets are variables there.
    pub fn surround(&self, manifest: &mut Manifest) {
        manifest.secrets.clear();
        let function = self.function.as_ref();
        manifest.env = function.map_or_else(BTreeMap::new, |function| function.variables.clone());
    }

    /// Its bytes, if they are those that its digest says.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        decoded("component", &self.wasm, self.digest)
    }
}

/// The bytes of a line's `wasm`, if its `digest` is theirs.
pub(super) fn decoded(line: &str, wasm: &str, digest: Digest) -> Result<Vec<u8>, String> {
    let decoded = STANDARD.decode(wasm);
    let bytes = decoded.map_err(|error| format!("{line}.wasm: {error}"))?;
    match Digest::of(&bytes) == digest {
        true => Ok(bytes),
        false => Err(format!("{line}.digest: is not that of {line}.wasm")),
    }
}
