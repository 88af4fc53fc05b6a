//! `leyden:log`: log lines of components, bounded per invocation, passed on to the host's log.

use super::leyden::log::log::{Host, Level};
use crate::runtime::run::LogLevel;
use crate::runtime::{Analyst, Guest};

/// Longest line, bytes; the rest is cut.
const LINE_BYTES_MAX: usize = 4096;

/// Most lines of one invocation; the rest is dropped, and that is said once.
const LINES_MAX: u32 = 100;

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let work = self.work()?;
        if work.is_shadow() {
            return Ok(());
        }
        match work.count_log_line() {
            count if count < LINES_MAX => emit(self.name(), level, cut(&message)),
            LINES_MAX => emit(
                self.name(),
                Level::Warn,
                "more log lines of this invocation are dropped",
            ),
            _ => {}
        }
        Ok(())
    }
}

/// A partner's lines stay with its run, which bounds them.
impl Host for Analyst {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.count_call()?;
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log(level, &message);
        Ok(())
    }
}

/// The line up to the bound, on a character's boundary.
fn cut(message: &str) -> &str {
    let end = (0..=LINE_BYTES_MAX.min(message.len()))
        .rev()
        .find(|&at| message.is_char_boundary(at));
    &message[..end.unwrap_or(0)]
}

fn emit(component: &str, level: Level, message: &str) {
    match level {
        Level::Debug => tracing::debug!(component, "{message}"),
        Level::Info => tracing::info!(component, "{message}"),
        Level::Warn => tracing::warn!(component, "{message}"),
        Level::Error => tracing::error!(component, "{message}"),
    }
}
