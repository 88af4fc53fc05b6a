//! A host of the scenario's own: `leyden up` as a child process with a simulated clock, a free
//! port, a temporary data folder, and its store in there unless another one is given.
//!
//! Invariant: the child ends with the run, whatever way that ends, and its folder is removed.

use std::io;
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

/// A child, starting or running.
pub(crate) struct OwnHost {
    child: Child,
    folder: TempDir,
    /// Kept open: a host that writes to a closed pipe would end.
    output: BufReader<ChildStdout>,
}

/// What the child says once it listens.
#[derive(Deserialize)]
struct Started {
    url: String,
}

impl OwnHost {
    /// Starts a host.
    ///
    /// # Errors
    /// The system does not let it start.
    pub(crate) fn spawn(
        clock: &Clock,
        plugins: Option<&Path>,
        store: Option<&str>,
    ) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Host(format!("a host cannot be started: {error}"));
        let folder = tempfile::Builder::new()
            .prefix("leyden-scenario-")
            .tempdir();
        let folder = folder.map_err(failed)?;
        let command = command(folder.path(), clock, plugins, store);
        let mut child = command
            .and_then(|mut command| command.spawn())
            .map_err(failed)?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            child,
            folder,
            output: BufReader::new(output),
        })
    }

    /// Waits until it listens, and says where.
    ///
    /// # Errors
    /// It does not start; the message quotes its log.
    pub(crate) async fn url(&mut self) -> Result<String, Error> {
        match tokio::time::timeout(START_TIMEOUT, started(&mut self.output)).await {
            Ok(Some(Started { url })) => Ok(url),
            _ => Err(self.gone("the scenario's host did not start")),
        }
    }

    fn gone(&self, what: &str) -> Error {
        Error::Host(format!(
            "{what}; its log ends with\n{}",
            log_end(self.folder.path())
        ))
    }

    /// Why a run on this host failed: a host that is gone has left its reason in its log.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { .. } => self.gone("the scenario's host is gone"),
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

fn command(
    folder: &Path,
    clock: &Clock,
    plugins: Option<&Path>,
    store: Option<&str>,
) -> io::Result<Command> {
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
    // A token meant for another host would lock this one, and another host's store is not to be played
    // with. The one that was given goes by the environment: it may hold a password.
    command
        .env_remove("LEYDEN_TOKEN_FILE")
        .env_remove("LEYDEN_STORE");
    if let Some(store) = store {
        command.env("LEYDEN_STORE", store);
    }
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
