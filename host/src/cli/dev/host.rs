//! The host of a project: `leyden up` as a child process, with its data and its log in the project's folder `.leyden`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::super::Error;

/// The folder in the project's; its name begins with a dot, so that it is not watched.
const FOLDER: &str = ".leyden";

/// Longest start: nothing is compiled but what was deployed before.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest end: requests under way may finish; then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest first line of the child (bytes): it lists its components.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// How much of its log is quoted when it fails (characters).
const LOG_CHARS_MAX: usize = 2_000;

/// A child, starting or running.
pub(super) struct DevHost {
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

impl DevHost {
    /// Starts the host of a project's folder.
    ///
    /// # Errors
    /// The system does not let it start.
    pub(super) fn spawn(project: &Path, port: u16) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Host(format!("a host cannot be started: {error}"));
        let folder = project.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let log = folder.join("host.log");
        let command = command(&folder, &log, port);
        let child = command.and_then(|mut command| command.spawn());
        let mut child = child.map_err(failed)?;
        let broken = || failed(io::ErrorKind::BrokenPipe.into());
        let output = child.stdout.take().ok_or_else(broken)?;
        Ok(Self {
            child,
            log,
            output: BufReader::new(output),
        })
    }

    /// Waits until it listens, and says where.
    ///
    /// # Errors
    /// It does not start; the message quotes its log.
    pub(super) async fn url(&mut self) -> Result<String, Error> {
        let started = tokio::time::timeout(START_TIMEOUT, started(&mut self.output)).await;
        match started {
            Ok(Some(Started { url })) => Ok(url),
            _ => Err(self.gone("the host did not start")),
        }
    }

    fn gone(&self, what: &str) -> Error {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.chars().count().saturating_sub(LOG_CHARS_MAX);
        let end: String = log.chars().skip(skipped).collect();
        let path = self.log.display();
        Error::Host(format!(
            "{what}; its log ({path}) ends with\n{}",
            end.trim_end()
        ))
    }

    /// Ends the child as an interrupt would, and tells what came before.
    ///
    /// # Errors
    /// The session ended with one; a host that is gone has left its reason in its log.
    pub(super) async fn stop(mut self, session: Result<(), Error>) -> Result<(), Error> {
        let session = match session {
            Err(Error::Unreachable { .. } | Error::Host(_)) => Err(self.gone("the host is gone")),
            session => session,
        };
        if let Some(pid) = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            // It fails where the child is gone.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait())
            .await
            .is_err()
        {
            let _ended = self.child.kill().await;
        }
        session
    }
}

fn command(folder: &Path, log: &Path, port: u16) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--json", "--bare", "--listen", "127.0.0.1", "--port"]);
    command
        .arg(port.to_string())
        .arg("--data")
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
