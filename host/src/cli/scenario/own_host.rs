//! A host of the scenario's own: `leyden up` as a child process with a simulated clock, a free
//! port and a temporary data folder.
//!
//! Invariant: the child ends with the run, whatever way that ends, and its folder is removed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::format::Clock;
use crate::cli::error::Error;

/// Longest start: a slow machine compiles all components first.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest first line of the child, bytes: it lists all components.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// How much of the child's log is quoted when it fails, characters.
const LOG_CHARS_MAX: usize = 4_000;

/// A running child.
pub(crate) struct OwnHost {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) url: String,
    /// Kept open: a host that writes to a closed pipe would end.
    _output: BufReader<ChildStdout>,
}

/// What the child says once it listens.
#[derive(Deserialize)]
struct Started {
    url: String,
}

impl OwnHost {
    /// Starts a host and waits until it listens.
    ///
    /// # Errors
    /// It does not start; the message quotes its log.
    pub(crate) async fn start(clock: &Clock, plugins: Option<&Path>) -> Result<Self, Error> {
        let failed =
            |error: std::io::Error| Error::Host(format!("a host cannot be started: {error}"));
        let folder = tempfile::Builder::new()
            .prefix("leyden-scenario-")
            .tempdir()
            .map_err(failed)?;
        let mut child = command(folder.path(), clock, plugins)
            .map_err(failed)?
            .spawn()
            .map_err(failed)?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Error::Host("the host has no output".to_owned()))?;
        let mut output = BufReader::new(output);
        match tokio::time::timeout(START_TIMEOUT, started(&mut output)).await {
            Ok(Some(Started { url })) => Ok(Self {
                child,
                folder,
                url,
                _output: output,
            }),
            _ => Err(Error::Host(format!(
                "the host did not start\n{}",
                log_end(folder.path())
            ))),
        }
    }

    /// Why a run on this host failed: a host that is gone has left its reason in its log.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { .. } => {
                let log = log_end(self.folder.path());
                Error::Host(format!(
                    "the scenario's host is gone; its log ends with\n{log}"
                ))
            }
            other => other,
        }
    }

    /// Ends the child and removes its folder.
    pub(crate) async fn stop(mut self) {
        // Both can only fail when there is nothing left to end or remove.
        let _ended = self.child.kill().await;
        let _removed = self.folder.close();
    }
}

fn command(folder: &Path, clock: &Clock, plugins: Option<&Path>) -> std::io::Result<Command> {
    let log = std::fs::File::create(folder.join("host.log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "up",
        "--json",
        "--port",
        "0",
        "--listen",
        "127.0.0.1",
        "--clock",
        "simulated",
    ]);
    command.args([
        "--start",
        &clock.start.to_string(),
        "--tick",
        &clock.tick_s.to_string(),
    ]);
    command.arg("--data").arg(folder.join("data"));
    if let Some(plugins) = plugins {
        command.arg("--plugins").arg(plugins);
    }
    // A token meant for another host would lock this one.
    command.env_remove("LEYDEN_TOKEN_FILE");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

/// The child's first line; none when it ends before.
async fn started(output: &mut BufReader<ChildStdout>) -> Option<Started> {
    let mut line = String::new();
    output
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .await
        .ok()?;
    serde_json::from_str(&line).ok()
}

fn log_end(folder: &Path) -> String {
    let log = std::fs::read(folder.join("host.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let skipped = log.chars().count().saturating_sub(LOG_CHARS_MAX);
    log.chars().skip(skipped).collect()
}
