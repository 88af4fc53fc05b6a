//! The latest log lines of each component, on this host: what `leyden logs` shows. Lines go to the host's own log as well,
//! which is where they last; here they are for whoever looks now.
//!
//! **Invariants.** Each component keeps at most [`LINES_MAX`] lines and [`BYTES_MAX`] bytes, the latest. Whoever follows
//! holds no place here and is never waited for: of lines that went before it came back, it sees by the numbers that they were.
//! The log of a component that is taken away ends with its last instance.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::clock;
use crate::ids::{ComponentName, Instant};
pub use crate::runtime::run::LogLevel;

/// Most lines kept of a component: some screens full.
pub const LINES_MAX: usize = 1_000;

/// Most bytes kept of a component's lines: long lines must not add up over thousands of components.
pub const BYTES_MAX: usize = 256 * 1024;

/// Longest line (bytes); the rest is cut.
pub const LINE_BYTES_MAX: usize = 4_096;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Its place among the component's lines since the host started, from 1.
    pub number: u64,
    /// When it was written, RFC 3339, by the system's clock.
    pub at: String,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

/// The lines of all components. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    components: Arc<Mutex<BTreeMap<ComponentName, Arc<Log>>>>,
}

/// The lines of one component.
#[derive(Debug)]
pub struct Log {
    kept: Mutex<Kept>,
    /// The number of the last line.
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Logs {
    /// Those of a component, whatever its version.
    #[must_use]
    pub fn of(&self, component: &ComponentName) -> Arc<Log> {
        let mut components = locked(&self.components);
        components.entry(component.clone()).or_default().clone()
    }

    /// Forgets a component that is gone.
    pub fn forget(&self, component: &ComponentName) {
        locked(&self.components).remove(component);
    }
}

impl Default for Log {
    fn default() -> Self {
        let (last, _) = watch::channel(0);
        Self {
            kept: Mutex::default(),
            last,
        }
    }
}

impl Log {
    /// Adds a line.
    pub fn write(&self, level: LogLevel, message: &str) {
        let mut kept = locked(&self.kept);
        let number = *self.last.borrow() + 1;
        let message = cut(message).to_owned();
        kept.bytes += message.len();
        kept.lines.push_back(Line {
            number,
            at: Instant(clock::system_now().0).to_string(),
            level,
            message,
        });
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let gone = kept.lines.pop_front();
            kept.bytes -= gone.map_or(0, |line| line.message.len());
        }
        // Under the lock, so that numbers are told in their order.
        self.last.send_replace(number);
    }

    /// The latest lines after a number, oldest first, at most `limit`.
    #[must_use]
    pub fn latest(&self, after: u64, limit: usize) -> Vec<Line> {
        let kept = locked(&self.kept);
        let newer = kept
            .lines
            .iter()
            .rev()
            .take_while(|line| line.number > after);
        let mut lines: Vec<Line> = newer.take(limit).cloned().collect();
        lines.reverse();
        lines
    }

    /// Tells the number of the last line whenever it changes, and ends with the log.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

/// The line up to the bound, on a character's boundary.
#[must_use]
pub fn cut(message: &str) -> &str {
    let end = message.floor_char_boundary(LINE_BYTES_MAX);
    &message[..end]
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn the_latest_lines_are_kept_and_told_in_their_order() {
        let log = Log::default();
        for number in 1..=LINES_MAX + 5 {
            log.write(LogLevel::Info, &number.to_string());
        }
        let all = log.latest(0, usize::MAX);
        assert_eq!((all.len(), all[0].number), (LINES_MAX, 6));
        assert_eq!(all[0].message, "6");
        assert_eq!(numbers(&log.latest(0, 2)), [1_004, 1_005]);
        assert_eq!(numbers(&log.latest(1_003, 10)), [1_004, 1_005]);
        assert!(log.latest(1_005, 10).is_empty());
        assert_eq!(*log.watch().borrow(), 1_005);
    }

    #[test]
    fn long_lines_are_cut_and_do_not_add_up() {
        let log = Log::default();
        for _ in 0..100 {
            log.write(LogLevel::Warn, &"é".repeat(LINE_BYTES_MAX));
        }
        let all = log.latest(0, usize::MAX);
        assert_eq!(all[0].message.len(), LINE_BYTES_MAX);
        assert_eq!(all.len(), BYTES_MAX / LINE_BYTES_MAX);
        assert_eq!(
            cut(&format!("a{}", "é".repeat(LINE_BYTES_MAX))).len(),
            LINE_BYTES_MAX - 1
        );
    }

    #[test]
    fn versions_of_a_component_share_its_log_until_it_is_forgotten() {
        let logs = Logs::default();
        let name = ComponentName::parse("a").expect("a name");
        logs.of(&name).write(LogLevel::Info, "x");
        assert_eq!(logs.of(&name).latest(0, 9).len(), 1);
        logs.forget(&name);
        assert!(logs.of(&name).latest(0, 9).is_empty());
    }
}
