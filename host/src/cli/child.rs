//! A host of a verb's own: `leyden up` as a child process on this machine, with its log in a file.
//!
//! Invariant: the child ends with the verb, whatever way that ends.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Error;

/// Longest start: a slow machine compiles all components first.
const START_MAX: Duration = Duration::from_secs(300);

/// Longest end: requests under way may finish; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Longest first line of the child, bytes: it lists all components.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// How much of the child's log is quoted when it fails, characters.
const LOG_CHARS_MAX: usize = 4_000;

/// A child, starting or running.
pub(super) struct ChildHost {
    child: Child,
    log: PathBuf,
    /// Kept open: a host that writes to a closed pipe would end.
    output: BufReader<ChildStdout>,
}

/// What the child says once it listens.
#[derive(Deserialize)]
struct Started {
    url: String,
}

impl ChildHost {
    /// Starts a host that keeps everything in a folder, its log (`host.log`) included. `with` adds what else it is told.
    ///
    /// # Errors
    /// The system does not let it start.
    pub(super) fn spawn(folder: &Path, with: impl FnOnce(&mut Command)) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Host(format!("a host cannot be started: {error}"));
        let log = folder.join("host.log");
        let mut command = command(folder, &log).map_err(failed)?;
        with(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let broken = || failed(io::ErrorKind::BrokenPipe.into());
        let output = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        Ok(Self { child, log, output })
    }

    /// Waits until it listens, and says where.
    ///
    /// # Errors
    /// It does not start; the message quotes its log.
    pub(super) async fn url(&mut self) -> Result<String, Error> {
        match tokio::time::timeout(START_MAX, started(&mut self.output)).await {
            Ok(Some(Started { url })) => Ok(url),
            _ => Err(self.gone("the host did not start")),
        }
    }

    /// Why something failed on this host: one that is gone has left its reason in its log.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { .. } => self.gone("the host is gone"),
            other => other,
        }
    }

    fn gone(&self, what: &str) -> Error {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.chars().count().saturating_sub(LOG_CHARS_MAX);
        let end: String = log.chars().skip(skipped).collect();
        let (path, end) = (self.log.display(), end.trim_end());
        Error::Host(format!("{what}; its log ({path}) ends with\n{end}"))
    }

    /// Ends the child as an interrupt would.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It fails where the child is gone.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_MAX, self.child.wait())
            .await
            .is_err()
        {
            self.kill().await;
        }
    }

    /// Ends the child at once.
    pub(super) async fn kill(mut self) {
        // It fails where the child is gone.
        let _ended = self.child.kill().await;
    }
}

fn command(folder: &Path, log: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["up", "--json", "--listen", "127.0.0.1", "--data"])
        .arg(folder.join("data"));
    // A token and a store meant for other hosts are not this one's.
    command
        .env_remove("LEYDEN_TOKEN_FILE")
        .env_remove("LEYDEN_STORE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        // Ctrl-C is for this process, which ends the child.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// The child's first line; none when it ends before.
async fn started(output: &mut BufReader<ChildStdout>) -> Option<Started> {
    let mut line = String::new();
    let read = output.take(LINE_BYTES_MAX).read_line(&mut line).await;
    read.ok()?;
    serde_json::from_str(&line).ok()
}
