//! The pass over a partner's upload, before anything else is done with it: what it is, what it imports
//! and what each import needs, and whether it can be compiled at a bounded cost. Pure: bytes in, an
//! [`Inspection`] or the reasons of a refusal out. `leyden plugin check` prints the same offline.
//!
//! **Invariants.** What passes is valid under exactly the proposals that the engine for partner code
//! runs (`FEATURES`), and imports nothing that is not named in its inspection. Every reason says what
//! to do about it.

mod bounds;
mod functions;
mod imports;
mod pass;
mod preamble;
mod wasi;

use std::fmt;

use serde::Serialize;
use wasmparser::WasmFeatures;

pub use bounds::UPLOAD_BYTES_MAX;
pub(super) use bounds::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
pub(super) use pass::printable;

use crate::ids::Digest;
use crate::metering::Dataset;

/// The interface that a partner's component exports.
pub const REPORTS: &str = "leyden:data/reports@0.1.0";

/// What partner code may be made of: WebAssembly 2.0 and what compilers have come to presume since.
/// Left out is what partner code has no use for, each being surface: threads, 64-bit memories, tail
/// calls, relaxed SIMD, GC, function references, exceptions, asynchronous components. Several memories
/// stay in, since composed components need them.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What an import needs to be linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Nothing: everybody gets it.
    Nothing,
    /// A dataset that the partner's trust level opens.
    Dataset(Dataset),
    /// Nothing, since nothing is behind it: no files, no environment, output that nobody reads, the
    /// run's instant for a clock, and numbers that follow from the run for randomness.
    EmptyWasi,
}

/// One import of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The interface, as `package/interface@version`.
    pub name: String,
    /// What it needs.
    pub needs: Need,
}

/// What a component is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Core modules.
    pub core_modules: u32,
    /// Functions of all core modules.
    pub functions: u32,
    /// Linear memory that its modules begin with, bytes.
    pub memory_bytes: u64,
    /// Table elements that its modules begin with.
    pub table_elements: u64,
    /// Bytes of all data segments.
    pub data_bytes: u64,
    /// The costliest function's locals times blocks, which bounds what compiling it takes.
    pub function_cost_max: u64,
}

/// A component that may be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The SHA-256 of its bytes.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// Its size, bytes.
    pub bytes: usize,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// What it is made of.
    pub counts: Counts,
}

impl Inspection {
    /// The interfaces that it reads datasets by, each with its dataset, which has to be granted before it runs.
    pub fn reads(&self) -> impl Iterator<Item = (&str, Dataset)> {
        self.imports.iter().filter_map(|import| match import.needs {
            Need::Dataset(dataset) => Some((import.name.as_str(), dataset)),
            Need::Nothing | Need::EmptyWasi => None,
        })
    }

    /// The datasets that it reads, as often as there are interfaces that it reads them by.
    pub fn datasets(&self) -> impl Iterator<Item = Dataset> {
        self.reads().map(|(_, dataset)| dataset)
    }

    /// The interfaces of WASI that it imports, which get nothing behind them.
    pub fn wasi(&self) -> impl Iterator<Item = &str> {
        let empty = self.imports.iter().filter(|i| i.needs == Need::EmptyWasi);
        empty.map(|import| import.name.as_str())
    }
}

/// The trust level that a dataset needs under the access policy that Leyden comes with. What holds on
/// a host is what its active policy says; this is for whoever checks a component without one.
#[must_use]
pub const fn trust_by_default(dataset: Dataset) -> u32 {
    match dataset {
        Dataset::GlobalConsumption => 1,
        Dataset::Production => 2,
        Dataset::DetailedConsumption => 3,
    }
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The import that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
    /// What is wrong, to follow "the component".
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Reason {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            import: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.problem, self.remedy)
    }
}

/// Why an upload is not taken: at least one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// All that were found, at most `bounds::REASONS_MAX`.
    pub reasons: Vec<Reason>,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        let reasons = vec![reason];
        Self { reasons }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.reasons.iter().map(Reason::to_string).collect();
        write!(f, "the component {}", reasons.join("; it "))
    }
}

impl std::error::Error for Refused {}

/// Looks through a component. Takes some 20 ms for each MiB of code: call it off the request path.
///
/// # Errors
/// Why it is not taken.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refused> {
    preamble::check(bytes)?;
    let found = pass::run(bytes)?;
    let mut reasons = found.reasons;
    let mut imports = Vec::new();
    for import in found.imports {
        match imports::need(&import) {
            Ok(needs) => imports.push(Import {
                name: import.name,
                needs,
            }),
            Err(reason) => reasons.push(reason),
        }
    }
    if !found.exports.iter().any(|name| name == REPORTS) {
        reasons.push(imports::no_reports(&found.exports));
    }
    reasons.truncate(bounds::REASONS_MAX);
    if !reasons.is_empty() {
        return Err(Refused { reasons });
    }
    Ok(Inspection {
        digest: Digest::of(bytes),
        bytes: bytes.len(),
        imports,
        counts: found.counts,
    })
}

/// Looks through a component that is to be compiled and is no partner's: that it can be compiled at a bounded cost.
/// What it may import is its kind's business; the names come back.
///
/// # Errors
/// Why it is not taken.
pub(super) fn imports_of(bytes: &[u8]) -> Result<Vec<String>, Refused> {
    preamble::check(bytes)?;
    let found = pass::run(bytes)?;
    match found.reasons.is_empty() {
        true => Ok(found
            .imports
            .into_iter()
            .map(|import| import.name)
            .collect()),
        false => Err(Refused {
            reasons: found.reasons,
        }),
    }
}

fn as_text<S: serde::Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}
