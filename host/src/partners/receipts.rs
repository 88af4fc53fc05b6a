//! Receipts: what a partner saw and paid, signed by the host and chained per partner. Pure, so that they can
//! be verified far from any host, with the public key alone.
//!
//! A receipt is compact JSON whose members stand in one fixed order, the signature last. What is signed is the
//! same JSON without that member.
//!
//! **Invariants.** Exactly one text says what a receipt says: verification writes anew what it has read and
//! compares the bytes, so whatever is changed, it fails. A receipt names the hash of the one before it, so none can
//! be taken out, put in or moved unseen. Its total is what its reads and its computing cost.

mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};

use crate::ids::{Digest, Instant, PartnerId};
use crate::metering::{Dataset, ReadEntry};
pub use verify::{Chain, PublicKey, Unsound, verify};

/// The format that is written, and the only one that is verified.
const VERSION: u32 = 1;

/// What the first receipt of a chain names as the one before it.
const NO_RECEIPT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How a run or an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The plugin returned a report.
    Report,
    /// A component of the operator returned normally.
    Answer,
    /// The plugin refused the parameters or gave up, in its own words.
    GuestError,
    /// The plugin trapped.
    Trapped,
    /// The plugin ran past its deadline.
    Deadline,
    /// The plugin used up its fuel.
    Fuel,
    /// The plugin passed another of its limits.
    Limit,
    /// The plugin returned something that is no report.
    InvalidReport,
    /// The plugin imports what the partner's trust level does not open. It did not run.
    NotGranted,
    /// The host failed. Nothing is charged then.
    HostFault,
}

impl Outcome {
    /// Whether what was read and computed is charged.
    #[must_use]
    pub fn is_charged(self) -> bool {
        self != Self::HostFault
    }

    /// Its name: in receipts, answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Answer => "answer",
            Self::GuestError => "guest-error",
            Self::Trapped => "trapped",
            Self::Deadline => "deadline",
            Self::Fuel => "fuel",
            Self::Limit => "limit",
            Self::InvalidReport => "invalid-report",
            Self::NotGranted => "not-granted",
            Self::HostFault => "host-fault",
        }
    }
}

/// Which code read: a version under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
}

/// One read, as it stands in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// What was read.
    pub dataset: Dataset,
    /// Start of the period asked for, included, RFC 3339.
    pub from: String,
    /// Its end, excluded, RFC 3339.
    pub to: String,
    /// Readings that were handed over.
    pub rows: u32,
    /// What it cost.
    pub datapoints: u64,
}

/// A receipt. The order of its members is the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The format.
    pub version: u32,
    /// Its place among the partner's receipts, from 1.
    pub sequence: u64,
    /// The run's or invocation's id.
    pub id: String,
    /// Whose receipt it is.
    pub partner: PartnerId,
    /// The plugin that ran; none where a component of the operator read for the partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Subject>,
    /// The operator's component that read for the partner, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Subject>,
    /// SHA-256 of the access policy that set prices and levels; none where nothing was asked of it.
    pub policy: Option<String>,
    /// The generation that it ran in and the versions that it read from, as the header `Leyden-Generation` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// The partner's trust level.
    pub trust_level: u32,
    /// When it was written, RFC 3339 by the host's clock; never before the receipt before it.
    pub at: String,
    /// What started it.
    pub trigger: String,
    /// What was read, in order.
    pub reads: Vec<Read>,
    /// Units of fuel used.
    pub fuel: u64,
    /// What computing cost, datapoints.
    pub compute: u64,
    /// What all of it cost, datapoints.
    pub total: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// SHA-256 of the report's body; none where there is no report.
    pub report_sha256: Option<String>,
    /// SHA-256 of the exact bytes of the partner's receipt before this one; 64 zeros for the first.
    pub previous: String,
    /// The first 16 hexadecimal digits of the SHA-256 of the key (32 bytes) that verifies it.
    pub key: String,
    /// Ed25519 over the compact JSON without this member, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// What a receipt is written of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The run's or invocation's id.
    pub id: String,
    /// Whose receipt it is.
    pub partner: PartnerId,
    /// What read.
    pub reader: Reader,
    /// The access policy that set prices and levels.
    pub policy: Option<Digest>,
    /// The generation that it ran in and the versions that it read from, as the header `Leyden-Generation` has them.
    pub generation: Option<String>,
    /// The partner's trust level.
    pub trust_level: u32,
    /// Now, by the host's clock.
    pub at: Instant,
    /// What started it.
    pub trigger: String,
    /// What was read and what is charged for it.
    pub reads: Vec<ReadEntry>,
    /// Units of fuel used.
    pub fuel: u64,
    /// What is charged for computing.
    pub compute: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// SHA-256 of the report's body.
    pub report: Option<Digest>,
}

/// What read for a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// A plugin of the partner's own.
    Plugin(Subject),
    /// A component of the operator.
    Component(Subject),
}

/// The end of a partner's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The last receipt's place; 0 for none.
    pub sequence: u64,
    /// SHA-256 of its exact bytes, hexadecimal.
    pub hash: String,
    /// When it was written, ms since 1970.
    pub at_ms: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            sequence: 0,
            hash: NO_RECEIPT.to_owned(),
            at_ms: 0,
        }
    }
}

/// A receipt that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// When it was written: the month that it counts towards.
    pub at: Instant,
    /// The chain's end now.
    pub head: Head,
}

/// What signs receipts.
pub struct Signer {
    key: SigningKey,
    name: String,
}

impl Signer {
    /// From the seed of an Ed25519 key (RFC 8032, 5.1.5).
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let name = PublicKey(key.verifying_key()).name();
        Self { key, name }
    }

    /// What verifies its receipts.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// Writes and signs the receipt that comes after `head`. Receipts of a chain never go back in time, even
    /// where the clocks of several hosts differ.
    #[must_use]
    pub fn issue(&self, head: &Head, facts: &Facts) -> Issued {
        let at = Instant(facts.at.0.max(head.at_ms));
        let mut receipt = unsigned(head, facts, at, self.name.clone());
        let signature = self.key.sign(&written(&receipt));
        receipt.signature = BASE64.encode(signature.to_bytes());
        let bytes = written(&receipt);
        let head = Head {
            sequence: receipt.sequence,
            hash: Digest::of(&bytes).to_string(),
            at_ms: at.0,
        };
        Issued { bytes, at, head }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

fn unsigned(head: &Head, facts: &Facts, at: Instant, key: String) -> Receipt {
    let (plugin, component) = match &facts.reader {
        Reader::Plugin(subject) => (Some(subject.clone()), None),
        Reader::Component(subject) => (None, Some(subject.clone())),
    };
    let reads: Vec<Read> = facts.reads.iter().map(read).collect();
    let read_cost: u64 = reads.iter().map(|read| read.datapoints).sum();
    Receipt {
        version: VERSION,
        sequence: head.sequence + 1,
        id: facts.id.clone(),
        partner: facts.partner.clone(),
        plugin,
        component,
        policy: facts.policy.map(|digest| digest.to_string()),
        generation: facts.generation.clone(),
        trust_level: facts.trust_level,
        at: at.to_string(),
        trigger: facts.trigger.clone(),
        reads,
        fuel: facts.fuel,
        compute: facts.compute,
        total: read_cost + facts.compute,
        outcome: facts.outcome,
        report_sha256: facts.report.map(|digest| digest.to_string()),
        previous: head.hash.clone(),
        key,
        signature: String::new(),
    }
}

fn read(entry: &ReadEntry) -> Read {
    Read {
        dataset: entry.dataset,
        from: Instant(entry.from_ms).to_string(),
        to: Instant(entry.to_ms).to_string(),
        rows: entry.rows,
        datapoints: entry.datapoints,
    }
}

/// The one text of a receipt. Nothing in it can fail to be written.
fn written(receipt: &Receipt) -> Vec<u8> {
    serde_json::to_vec(receipt).unwrap_or_default()
}

#[cfg(test)]
mod tests;
