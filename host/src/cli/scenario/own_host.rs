//! A host of the scenario's own, with a simulated clock, a free port, a temporary data folder, and its store in there unless
//! another one is given.
//!
//! Invariant: its folder is removed when the run ends.

use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::format::Clock;
use crate::cli::child::ChildHost;
use crate::cli::error::Error;

/// A host, starting or running.
pub(crate) struct OwnHost {
    child: ChildHost,
    folder: TempDir,
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
        let (start, tick) = (clock.start.to_string(), clock.tick_s.to_string());
        let child = ChildHost::spawn(folder.path(), |command| {
            command.args(["--port", "0", "--clock", "simulated"]);
            command.args(["--start", &start, "--tick", &tick]);
            if let Some(plugins) = plugins {
                command.arg("--plugins").arg(plugins);
            }
            // By the environment: it may hold a password.
            if let Some(store) = store {
                command.env("LEYDEN_STORE", store);
            }
        })?;
        Ok(Self { child, folder })
    }

    /// Waits until it listens, and says where.
    ///
    /// # Errors
    /// It does not start; the message quotes its log.
    pub(crate) async fn url(&mut self) -> Result<String, Error> {
        self.child.url().await
    }

    /// Why a run on this host failed.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.child.explain(error)
    }

    /// Ends the child and removes its folder.
    pub(crate) async fn stop(self) {
        self.child.kill().await;
        // It fails where there is nothing left to remove.
        let _removed = self.folder.close();
    }
}
