//! Lines of a record, as FORMAT.md documents them for everybody. What they mean is said there; here they are types,
//! converted from and to those that the host works with. Nothing here reads files or runs anything.
//!
//! **Invariant.** A change that an older reader would misunderstand makes a new [`VERSION`].

mod bytes;
mod component;
mod input;
mod outcome;
mod outside;
mod plugin;

use serde::{Deserialize, Serialize};

pub use bytes::{Bits, Blob, Secret};
pub use component::{Bounds, Component, Function, Granted};
pub use input::{Event, Format, Head, Input, Read};
pub use outcome::{Append, Effects, Outcome, Output, Posting, Sent, Write};
pub use outside::{Answer, Outside, Reply};
pub use plugin::{Plugin, Reader, Run, Trigger};

use crate::dispatch::work::Spent;

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
    /// A partner's plugin, before the first of its runs.
    Plugin(Plugin),
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

/// One invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invocation {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The instant it ran at, ms since 1970.
    pub at_ms: u64,
    /// The component that was asked, or the plugin that ran.
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
    /// What a function was told from outside the host.
    #[serde(default, skip_serializing_if = "Outside::is_empty")]
    pub outside: Outside,
    /// What came of it.
    pub outcome: Outcome,
    /// How it first differed when whoever wrote the record replayed it; none where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
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
