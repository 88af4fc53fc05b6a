//! A release host in the background, for what has to be tried on one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{paths, process};

/// Longest start: a slow machine compiles all components first.
const START_LIMIT: Duration = Duration::from_secs(300);

/// A running `leyden up` on a free port; ended when dropped.
pub(crate) struct Host {
    child: Child,
    url: String,
}

impl Host {
    /// Starts one with a simulated clock over a folder, and returns when it serves.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        Self::spawn(data, &["--clock", "simulated"])
    }

    /// Starts one for functions alone.
    pub(crate) fn bare(data: &Path) -> Result<Self> {
        Self::spawn(data, &["--bare"])
    }

    fn spawn(data: &Path, options: &[&str]) -> Result<Self> {
        let mut command = process::command(paths::leyden());
        command
            .args(["up", "--json", "--port", "0", "--log", "warn"])
            .args(options)
            .arg("--data")
            .arg(data)
            .env("LEYDEN_COMPILED", paths::compiled())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start a host")?;
        let stdout = child.stdout.take();
        let mut host = Self {
            child,
            url: String::new(),
        };
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.map_or(Ok(0), |stdout| BufReader::new(stdout).read_line(&mut line));
            // Nobody is told once the limit is over.
            let _ = tell.send(read.map(|_| line));
        });
        let greeting = told.recv_timeout(START_LIMIT);
        let greeting = greeting.context("the host does not start in time")??;
        let greeting: serde_json::Value =
            serde_json::from_str(&greeting).context("the host does not start")?;
        let Some(url) = greeting["url"].as_str() else {
            bail!("the host does not tell where it listens");
        };
        url.clone_into(&mut host.url);
        Ok(host)
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A command of `leyden` for this host.
    pub(crate) fn leyden(&self, arguments: &[&str]) -> Command {
        let mut command = process::command(paths::leyden());
        command.args(["--url", &self.url]).args(arguments);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both can only fail when there is nothing left to end.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
