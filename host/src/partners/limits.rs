//! What a run of a partner's plugin may use at most, by the operator's trust in the partner.
//!
//! **Invariant.** Every bound has an error of its own that names it ([`crate::runtime::RunError`]), or,
//! for reads, rows and bytes, is told to the plugin by the dataset that it reads.

use serde::{Deserialize, Serialize};

/// Most memory that any run gets, bytes: an engine reserves this much address space per run.
pub const MEMORY_BYTES_MAX: usize = 192 << 20;

/// What is counted as one unit of room: the memory that the least trusted may use, bytes.
pub const UNIT_BYTES: usize = UNTRUSTED.memory_bytes;

/// Units of room for each core. Plugins compute most of their time, and three that take turns on a core still end
/// within their deadlines.
const UNITS_PER_CORE: usize = 3;

/// Units of room on the smallest machine: two runs of the most trusted, and all that partners' storms may take of
/// a host's memory.
const UNITS_MIN: usize = 6;

/// Units of room on the largest machine: for each, the engine reserves address space for a run.
pub const UNITS_MAX: usize = 64;

/// Room for runs on a machine with so many cores, units of [`UNIT_BYTES`]. The queue gives it out; it is all that
/// bounds the runs, and the memory that they hold, together.
#[must_use]
pub const fn room(cores: usize) -> usize {
    match cores.saturating_mul(UNITS_PER_CORE) {
        ..=UNITS_MIN => UNITS_MIN,
        UNITS_MAX.. => UNITS_MAX,
        units => units,
    }
}

const _: () = assert!(
    MEMORY_BYTES_MAX <= room(1) * UNIT_BYTES,
    "every run must fit"
);

/// Most concurrent runs that any partner gets.
pub const CONCURRENT_RUNS_MAX: u32 = 8;

/// Bounds of one run; and how many may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunLimits {
    /// Linear memory in all, bytes. A Python component holds some 20 MiB before its first line.
    pub memory_bytes: usize,
    /// Elements of all tables together; CPython has some 10,000 functions in its own.
    pub table_elements: usize,
    /// Units of fuel: roughly one instruction each, so a thousand million are about a second.
    pub fuel: u64,
    /// From instantiation to the report, ms, waiting for the host included.
    pub deadline_ms: u64,
    /// Calls into the host, reads and log lines included.
    pub host_calls: u32,
    /// Reads of datasets, refused ones included.
    pub reads: u32,
    /// Readings that all reads together hand over.
    pub rows: u32,
    /// Bytes of readings that all reads together hand over.
    pub data_bytes: usize,
    /// Log lines; later ones are dropped, which the log says.
    pub log_lines: u32,
    /// Bytes of all log lines together; later lines are dropped, which the log says.
    pub log_bytes: usize,
    /// Bytes of a report's body.
    pub report_bytes: usize,
    /// Runs of one partner at the same time.
    pub concurrent_runs: u32,
}

/// Nobody's data, so that anybody may try out what a plugin is.
const UNTRUSTED: RunLimits = RunLimits {
    memory_bytes: 64 << 20,
    table_elements: 50_000,
    fuel: 1_000_000_000,
    deadline_ms: 2_000,
    host_calls: 5_000,
    reads: 50,
    rows: 10_000,
    data_bytes: 4 << 20,
    log_lines: 100,
    log_bytes: 64 << 10,
    report_bytes: 256 << 10,
    concurrent_runs: 1,
};

/// Sums over groups: a month of quarter hours is 2,976 rows.
const KNOWN: RunLimits = RunLimits {
    fuel: 2_000_000_000,
    deadline_ms: 5_000,
    host_calls: 10_000,
    reads: 100,
    rows: 50_000,
    data_bytes: 16 << 20,
    report_bytes: 1 << 20,
    concurrent_runs: 2,
    ..UNTRUSTED
};

/// Producers one by one.
const TRUSTED: RunLimits = RunLimits {
    memory_bytes: 128 << 20,
    fuel: 5_000_000_000,
    deadline_ms: 10_000,
    host_calls: 20_000,
    reads: 500,
    rows: 200_000,
    data_bytes: 32 << 20,
    log_lines: 500,
    log_bytes: 256 << 10,
    report_bytes: 4 << 20,
    concurrent_runs: 4,
    ..KNOWN
};

/// Everything, per object.
const CLOSE: RunLimits = RunLimits {
    memory_bytes: MEMORY_BYTES_MAX,
    table_elements: 100_000,
    fuel: 20_000_000_000,
    deadline_ms: 30_000,
    host_calls: 50_000,
    reads: 1_000,
    rows: 500_000,
    data_bytes: 64 << 20,
    log_lines: 1_000,
    log_bytes: 1 << 20,
    report_bytes: 8 << 20,
    concurrent_runs: CONCURRENT_RUNS_MAX,
};

impl RunLimits {
    /// The bounds at this trust level; from 3 on they are the same.
    #[must_use]
    pub const fn of(trust_level: u32) -> Self {
        match trust_level {
            0 => UNTRUSTED,
            1 => KNOWN,
            2 => TRUSTED,
            _ => CLOSE,
        }
    }

    /// Whether none of them is beyond the same of `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let pairs = self.figures().into_iter().zip(other.figures());
        pairs.into_iter().all(|(own, bound)| own <= bound)
    }

    /// All of them, in an order of their own.
    fn figures(&self) -> [u64; 12] {
        [
            self.memory_bytes as u64,
            self.table_elements as u64,
            self.fuel,
            self.deadline_ms,
            self.host_calls.into(),
            self.reads.into(),
            self.rows.into(),
            self.data_bytes as u64,
            self.log_lines.into(),
            self.log_bytes as u64,
            self.report_bytes as u64,
            self.concurrent_runs.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_three_units_on_each_core() {
        assert_eq!([1, 2, 16, 99].map(room), [6, 6, 48, 64]);
    }

    #[test]
    fn more_trust_never_means_less() {
        for level in 0..10 {
            let (lower, higher) = (RunLimits::of(level), RunLimits::of(level + 1));
            assert!(lower.is_within(&higher), "level {level}");
            assert_eq!(lower == higher, level >= 3);
            assert_eq!(higher.is_within(&lower), level >= 3);
        }
    }
}
