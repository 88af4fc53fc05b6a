//! `leyden:log`: log lines of components, bounded per invocation, passed on to the host's log and kept for `leyden logs`.

use super::leyden::log::log::{Host, Level};
use crate::logs;
use crate::runtime::run::LogLevel;
use crate::runtime::{Analyst, Guest};

/// Most lines of one invocation; the rest is dropped, and that is said once.
pub(crate) const LINES_MAX: u32 = 100;

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let work = self.work()?;
        if work.is_shadow() {
            return Ok(());
        }
        match work.count_log_line() {
            count if count < LINES_MAX => emit(self, level, logs::cut(&message)),
            LINES_MAX => emit(
                self,
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
        self.log(known(level), &message);
        Ok(())
    }
}

fn known(level: Level) -> LogLevel {
    match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

/// Passes a line on to the host's log, and keeps it for whoever looks.
fn emit(guest: &Guest, level: Level, message: &str) {
    let component = guest.name();
    guest.log().write(known(level), message);
    match level {
        Level::Debug => tracing::debug!(component, "{message}"),
        Level::Info => tracing::info!(component, "{message}"),
        Level::Warn => tracing::warn!(component, "{message}"),
        Level::Error => tracing::error!(component, "{message}"),
    }
}
