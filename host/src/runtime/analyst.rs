//! What an instance of a partner's component carries: its run's limits and what was used of them, the call
//! that its reads work on, its log.
//!
//! **Invariant.** A bound that is met is remembered here, so that whatever the guest makes of it (a trap, an
//! error of its own), the run ends with the bound's name.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::guest::Call;
use super::inspect::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use super::run::{Limit, LogLevel, LogLine};
use crate::clock::{self, Monotonic};
use crate::ids::Instant;
use crate::partners::limits::RunLimits;

/// Longest log line, bytes; the rest is cut.
const LINE_BYTES_MAX: usize = 4 << 10;

/// The data of a partner's store.
pub struct Analyst {
    /// Present but while a read is being answered.
    pub(super) call: Option<Box<Call>>,
    pub(super) limits: RunLimits,
    /// When the run has to be over.
    pub(super) deadline: Monotonic,
    /// The run's instant, for its clock.
    now: Instant,
    /// The bound that was met.
    exceeded: Option<Limit>,
    host_calls: u32,
    last_read: Option<Monotonic>,
    log: Vec<LogLine>,
    log_bytes: usize,
    log_is_full: bool,
    memory_bytes: usize,
    memory_bytes_high: usize,
    table_elements: usize,
    /// Stands in for the call where a read is one too many.
    none: Option<Box<Call>>,
}

/// A call into the host that is one too many.
#[derive(Debug, thiserror::Error)]
#[error("called the host too often")]
struct TooManyCalls;

/// Growth past a bound.
#[derive(Debug, thiserror::Error)]
#[error("grew past its bound")]
struct TooLarge;

impl Analyst {
    pub(super) fn new(call: Box<Call>, limits: RunLimits, deadline: Monotonic) -> Self {
        Self {
            now: call.work.now(),
            call: Some(call),
            limits,
            deadline,
            exceeded: None,
            host_calls: 0,
            last_read: None,
            log: Vec::new(),
            log_bytes: 0,
            log_is_full: false,
            memory_bytes: 0,
            memory_bytes_high: 0,
            table_elements: 0,
            none: None,
        }
    }

    /// Counts a call into the host.
    ///
    /// # Errors
    /// It is one too many: the guest traps.
    pub(crate) fn count_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            self.exceeded = Some(Limit::HostCalls(self.limits.host_calls));
            return Err(wasmtime::Error::new(TooManyCalls));
        }
        Ok(())
    }

    /// Calls into the host so far.
    pub(super) fn calls(&self) -> u32 {
        self.host_calls
    }

    /// The call that a read works on. A read that is one too many finds none, and so traps.
    pub(crate) fn reading(&mut self) -> &mut Option<Box<Call>> {
        if self.count_call().is_err() {
            return &mut self.none;
        }
        self.last_read = Some(clock::monotonic());
        &mut self.call
    }

    /// The run's instant.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The next 64 random bits of the run.
    pub(crate) fn random(&mut self) -> u64 {
        self.call.as_mut().map_or(0, |call| call.work.random())
    }

    /// Keeps a log line: cut where it is too long, dropped where there are too many, which is said once.
    pub(crate) fn log(&mut self, level: LogLevel, message: &str) {
        let message = cut(message);
        let RunLimits {
            log_lines,
            log_bytes,
            ..
        } = self.limits;
        let fits = self.log.len() < log_lines as usize
            && self.log_bytes.saturating_add(message.len()) <= log_bytes;
        if fits && !self.log_is_full {
            self.log_bytes += message.len();
            let message = message.to_owned();
            self.log.push(LogLine { level, message });
        } else if !self.log_is_full {
            self.log_is_full = true;
            let message = format!(
                "further lines are dropped: a run may log {log_lines} lines and {log_bytes} bytes"
            );
            let level = LogLevel::Warn;
            self.log.push(LogLine { level, message });
        }
    }

    /// The bound that the run has met, if it has.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.exceeded
    }

    /// Most linear memory held at once, bytes.
    pub(super) fn memory_bytes_high(&self) -> usize {
        self.memory_bytes_high
    }

    pub(super) fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.log)
    }

    /// How long the run has waited for the store. Where a read was cut off, its transaction is gone, and
    /// all of that read counts.
    pub(super) fn waited(&self) -> Duration {
        match (&self.call, self.last_read) {
            (Some(call), _) => call.work.waited(),
            (None, Some(since)) => clock::monotonic().saturating_duration_since(since),
            (None, None) => Duration::ZERO,
        }
    }

    fn exceed(&mut self, limit: Limit) -> wasmtime::Result<bool> {
        self.exceeded = Some(limit);
        Err(wasmtime::Error::new(TooLarge))
    }
}

/// The line up to the bound, on a character's boundary.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LINE_BYTES_MAX)]
}

/// What a run holds in all once one of its memories or tables has grown; none where that has a smaller maximum of its
/// own.
fn grown(held: usize, current: usize, desired: usize, maximum: Option<usize>) -> Option<usize> {
    let fits = maximum.is_none_or(|maximum| desired <= maximum);
    fits.then(|| held.saturating_sub(current).saturating_add(desired))
}

/// Growth past a bound ends the run, instead of being denied: what a guest makes of a denial (an abort without a
/// reason, mostly) tells nobody which bound it met.
impl ResourceLimiter for Analyst {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let Some(bytes) = grown(self.memory_bytes, current, desired, maximum) else {
            return Ok(false);
        };
        if bytes > self.limits.memory_bytes {
            return self.exceed(Limit::Memory(self.limits.memory_bytes));
        }
        self.memory_bytes = bytes;
        self.memory_bytes_high = self.memory_bytes_high.max(bytes);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let Some(elements) = grown(self.table_elements, current, desired, maximum) else {
            return Ok(false);
        };
        if elements > self.limits.table_elements {
            return self.exceed(Limit::TableElements(self.limits.table_elements));
        }
        self.table_elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_characters() {
        let long = "é".repeat(LINE_BYTES_MAX);
        assert_eq!(cut(&long).len(), LINE_BYTES_MAX);
        assert_eq!(cut("x"), "x");
        let odd = format!("x{long}");
        assert_eq!(cut(&odd).len(), LINE_BYTES_MAX - 1);
    }
}
