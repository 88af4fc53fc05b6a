//! Every option of a host, its default and its unit. The command line fills it in; nothing else in
//! the host reads the environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::clock::{self, Mode};
use crate::ids::Instant;

/// Port that a host listens on unless told otherwise.
pub const PORT: u16 = 3000;

/// Data folder unless told otherwise.
pub const DATA: &str = "./leyden-data";

/// Time between ticks unless told otherwise, ms: a minute, as in the scenarios.
pub const TICK_MS: u64 = 60_000;

/// What a host is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one. Other than loopback only with a token.
    pub listen: SocketAddr,
    /// Folder of everything it keeps; made where it is missing.
    pub data: PathBuf,
    /// Folder of the first-party plugins; none: looked for beside the binary.
    pub plugins: Option<PathBuf>,
    /// Folder of compiled components, which hosts of one user may share; none: inside the data folder.
    pub compiled: Option<PathBuf>,
    /// Which clock it runs by.
    pub clock: Mode,
    /// Where a simulated clock starts in a new data folder; none: the system's time.
    pub start: Option<Instant>,
    /// Time between ticks, ms.
    pub tick_ms: u64,
    /// What every request has to show, but for `/health`.
    pub token: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            data: PathBuf::from(DATA),
            plugins: None,
            compiled: None,
            clock: Mode::System,
            start: None,
            tick_ms: TICK_MS,
            token: None,
        }
    }
}

impl Config {
    /// Where a simulated clock starts.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start.unwrap_or_else(clock::system_now)
    }

    /// Folders in which the first-party plugins are looked for: the one that was given, or those
    /// beside the running binary (in a build folder, beside an installed binary, in its prefix).
    #[must_use]
    pub fn plugin_folders(&self) -> Vec<PathBuf> {
        if let Some(given) = &self.plugins {
            return vec![given.clone()];
        }
        let Ok(binary) = std::env::current_exe() else {
            return Vec::new();
        };
        let folder = binary.parent().unwrap_or(Path::new("."));
        // Test binaries lie one folder deeper (`target/release/deps`).
        let candidates = [
            "../plugins",
            "plugins",
            "../../plugins",
            "../share/leyden/plugins",
        ];
        candidates
            .iter()
            .map(|candidate| folder.join(candidate))
            .collect()
    }
}
