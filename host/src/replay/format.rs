//! Lines of a record, as FORMAT.md documents them for everybody. What they mean is said there; here they are types,
//! converted from and to those that the host works with. Nothing here reads files or runs anything.
//!
//! **Invariant.** A change that an older reader would misunderstand makes a new [`VERSION`].

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::dispatch::types::{Problem, Response, Tally};
use crate::dispatch::work::Spent;
use crate::ids::{ComponentName, Digest, StreamName};
use crate::metering::ReadEntry;
use crate::policies::Decision;
use crate::registry::manifest::{Grants, Limits, Manifest};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// What wasmtime the fuel is counted by: other versions may count otherwise.
pub const ENGINE: &str = "wasmtime 48";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Line {
    /// The first line.
    LeydenRecord(Header),
    /// A component, before the first invocation that it takes part in.
    Component(Component),
    /// An invocation.
    Invocation(Box<Invocation>),
    /// The last line; a record without it was cut off.
    End(End),
}

/// What the whole file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Version of Leyden that wrote it.
    pub leyden: String,
    /// [`ENGINE`].
    pub engine: String,
    /// When, RFC 3339.
    pub started_at: String,
    /// How sums of households were guarded.
    pub privacy_profile: String,
    /// Whether personal data were replaced.
    #[serde(default)]
    pub redacted: bool,
}

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
    /// Its bytes in base 64.
    pub wasm: String,
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
        manifest
    }

    /// Under a manifest, these bytes.
    #[must_use]
    pub fn new(
        id: u32,
        name: &ComponentName,
        digest: Digest,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Self {
        Self {
            id,
            name: name.clone(),
            digest,
            grants: Granted {
                ledger: manifest.grants.ledger,
                partners: manifest.grants.partners,
            },
            limits: Bounds {
                memory_bytes: manifest.limits.memory_bytes,
                deadline_ms: manifest.limits.deadline_ms,
            },
            publish: manifest.publish.clone(),
            wasm: STANDARD.encode(bytes),
        }
    }

    /// Its bytes, if they are those that its digest says.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let decoded = STANDARD.decode(&self.wasm);
        let bytes = decoded.map_err(|error| format!("component.wasm: {error}"))?;
        match Digest::of(&bytes) == self.digest {
            true => Ok(bytes),
            false => Err("component.digest: is not that of component.wasm".to_owned()),
        }
    }
}

/// One invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invocation {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The instant it ran at, ms since 1970.
    pub at_ms: u64,
    /// The component that was asked.
    pub runs: u32,
    /// All that could take part, `runs` included.
    pub components: Vec<u32>,
    /// What it had used up of its budgets before the component ran.
    pub spent: Spent,
    /// What it was given.
    pub input: Input,
    /// What the store answered.
    pub reads: Vec<Read>,
    /// Random numbers that it drew, 16 hexadecimal digits each.
    pub randoms: Vec<Bits>,
    /// What came of it.
    pub outcome: Outcome,
    /// How it first differed when whoever wrote the record replayed it; none where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
}

/// What went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Input {
    /// A request.
    Http {
        /// Everything but the body.
        head: Head,
        /// The body.
        body: Blob,
    },
    /// A batch of an upload.
    Rows {
        /// Everything but the rows.
        head: Head,
        /// `csv`, `ndjson` or `json`.
        format: Format,
        /// CSV's header row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<Blob>,
        /// Number of the first row.
        first_row: u64,
        /// The rows.
        rows: Vec<Blob>,
    },
    /// A batch of a partition.
    Events {
        /// The stream.
        stream: StreamName,
        /// The partition's number.
        partition: u16,
        /// The records, in order.
        records: Vec<Event>,
    },
}

/// What is known of a request before its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Method in upper case.
    pub method: String,
    /// The route's template.
    pub route: String,
    /// The path as it came.
    pub path: String,
    /// Values of the template's parameters.
    pub params: Vec<(String, String)>,
    /// The query without `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Header fields that the component saw.
    pub headers: Vec<(String, String)>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// A JSON document per line.
    Ndjson,
    /// Elements of a JSON array.
    Json,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Its place, as people write it.
    pub offset: String,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Blob,
    /// When it was published.
    pub published_at_ms: u64,
}

/// An answer of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Read {
    /// The value under a key; none where nothing is there.
    Key {
        /// Whose key.
        space: String,
        /// The key.
        key: Blob,
        /// Its value.
        value: Option<Blob>,
    },
    /// Entries of a range.
    Scan {
        /// Whose keys.
        space: String,
        /// The first key.
        start: Blob,
        /// The first key after the range; none: all.
        end: Option<Blob>,
        /// Whether the greatest key comes first.
        descending: bool,
        /// How many were asked for; fewer entries are all there are.
        limit: usize,
        /// Keys and values, in order.
        entries: Vec<(Blob, Blob)>,
    },
    /// What an account has seen.
    Account {
        /// The account.
        name: String,
        /// Datapoints that left.
        debits: u64,
        /// Datapoints that came.
        credits: u64,
    },
}

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
            Self::Rows(_) | Self::Done => false,
            _ => true,
        }
    }

    pub(super) fn of_response(response: Response) -> Self {
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

/// How the recording went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Invocations in the file.
    pub invocations: u64,
    /// Those that differed when they were replayed at once.
    pub differing: u64,
    /// Those that were not kept, since the recorder could not keep up.
    pub missed: u64,
    /// Why it ended.
    pub because: String,
}

/// Bytes: a JSON string where they are UTF-8, else `{"base64": "…"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Blob(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { base64: String },
}

impl From<Blob> for Written {
    fn from(Blob(bytes): Blob) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes {
                base64: STANDARD.encode(error.as_bytes()),
            },
        }
    }
}

impl TryFrom<Written> for Blob {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Bytes { base64 } => {
                let decoded = STANDARD.decode(base64);
                decoded.map(Self).map_err(|error| error.to_string())
            }
        }
    }
}

/// 64 bits, as 16 hexadecimal digits: JSON's numbers do not hold them everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bits(pub u64);

impl From<Bits> for String {
    fn from(Bits(bits): Bits) -> Self {
        format!("{bits:016x}")
    }
}

impl TryFrom<String> for Bits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rule = "must be 16 hexadecimal digits";
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits {
            return Err(rule);
        }
        u64::from_str_radix(&text, 16).map(Self).map_err(|_| rule)
    }
}
