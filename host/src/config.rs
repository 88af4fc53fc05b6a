//! Every option of a host, its default and its unit. The command line fills it in; nothing else in
//! the host reads the environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::clock::{self, Mode};
use crate::ids::{Instant, StreamName};
use crate::metering::Profile;
use crate::outbound::Allow;
use crate::policies::log::Bounds;
use crate::store::redis;

/// Port that a host listens on unless told otherwise.
pub const PORT: u16 = 3000;

/// Data folder unless told otherwise.
pub const DATA: &str = "./leyden-data";

/// Time between ticks unless told otherwise, ms: a minute, as in the scenarios.
pub const TICK_MS: u64 = 60_000;

/// How long a host counts as alive after its last sign of life unless told otherwise, ms: long enough for a
/// machine that is busy, and short enough that what a dead host held runs elsewhere within 5 s.
pub const LEASE_MS: u64 = 3_000;

/// Shortest lease, ms: below it a pause of the machine would look like a death.
pub const LEASE_MS_MIN: u64 = 500;

/// Longest lease, ms.
pub const LEASE_MS_MAX: u64 = 600_000;

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In the data folder, for this host alone.
    Embedded,
    /// In Redis, for any number of hosts. The data folder is not used then.
    Redis(redis::Options),
}

impl Store {
    /// Whether other hosts may serve the same installation.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

/// A stream that is carried on to another installation in the same Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The stream.
    pub stream: StreamName,
    /// Name of the other installation.
    pub to: String,
}

/// What a host is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one. Other than loopback only with a token.
    pub listen: SocketAddr,
    /// Folder of everything it keeps; made where it is missing.
    pub data: PathBuf,
    /// Folder of the first-party plugins; none: looked for beside the binary.
    pub plugins: Option<PathBuf>,
    /// Whether it serves only what is deployed: the first-party plugins are not looked for.
    pub bare: bool,
    /// Folder of compiled components, which hosts of one user may share; none: inside the data folder, or,
    /// where that is not used, in the user's cache.
    pub compiled: Option<PathBuf>,
    /// The file with the key that secrets are sealed under, the same for all hosts of an installation; none: in the data
    /// folder, or, where that is not used, no secrets.
    pub secrets_key: Option<PathBuf>,
    /// Where everything is kept.
    pub store: Store,
    /// How long other hosts wait for a sign of life before they take over, ms.
    pub lease_ms: u64,
    /// Where others reach this host, for people; none: where it listens.
    pub advertise: Option<String>,
    /// Streams that are carried on; only with Redis.
    pub links: Vec<Link>,
    /// Which clock it runs by.
    pub clock: Mode,
    /// Where a simulated clock starts in a new data folder; none: the system's time.
    pub start: Option<Instant>,
    /// Time between ticks, ms.
    pub tick_ms: u64,
    /// What every request has to show, but for `/health`.
    pub token: Option<String>,
    /// The program that compiles partners' uploads apart from the host (`leyden`); none: the one that runs.
    pub compiler: Option<PathBuf>,
    /// How sums of households are guarded where partners read them.
    pub privacy_profile: Profile,
    /// How much of what policies decide is kept.
    pub decisions: Bounds,
    /// Where functions may send requests to, if their manifests say so, too.
    pub outbound_allow: Vec<Allow>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            data: PathBuf::from(DATA),
            plugins: None,
            bare: false,
            compiled: None,
            secrets_key: None,
            store: Store::Embedded,
            lease_ms: LEASE_MS,
            advertise: None,
            links: Vec::new(),
            clock: Mode::System,
            start: None,
            tick_ms: TICK_MS,
            token: None,
            compiler: None,
            privacy_profile: Profile::default(),
            decisions: Bounds::default(),
            outbound_allow: Vec::new(),
        }
    }
}

impl Config {
    /// Folder of compiled components.
    #[must_use]
    pub fn compiled_folder(&self) -> PathBuf {
        match (&self.compiled, &self.store) {
            (Some(given), _) => given.clone(),
            (None, Store::Embedded) => self.data.join("compiled"),
            (None, Store::Redis(_)) => user_compiled_folder(),
        }
    }

    /// The file with the key of secrets, if there is one.
    #[must_use]
    pub fn secrets_key_file(&self) -> Option<PathBuf> {
        match (&self.secrets_key, &self.store) {
            (Some(given), _) => Some(given.clone()),
            (None, Store::Embedded) => Some(self.data.join("secrets.key")),
            (None, Store::Redis(_)) => None,
        }
    }

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

/// The options of a store that is opened; in builds for proofs with what `LEYDEN_MUTATION` says to break.
#[cfg_attr(
    feature = "mutations",
    expect(
        clippy::disallowed_methods,
        reason = "this module is where the environment is read"
    )
)]
pub(crate) fn opened(options: &redis::Options) -> redis::Options {
    #[cfg(feature = "mutations")]
    let options = &redis::Options {
        mutation: std::env::var("LEYDEN_MUTATION")
            .ok()
            .and_then(|name| redis::Mutation::parse(&name)),
        ..options.clone()
    };
    options.clone()
}

/// The point of a run at which `LEYDEN_FAILPOINT` (`name` or `name:count`) ends the process, and at which of its
/// passings.
#[cfg(feature = "failpoints")]
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where the environment is read"
)]
pub(crate) fn failpoint() -> Option<(String, u64)> {
    let chosen = std::env::var("LEYDEN_FAILPOINT").ok()?;
    let (name, count) = chosen.split_once(':').unwrap_or((&chosen, "1"));
    Some((name.to_owned(), count.parse().ok()?))
}

/// Folder of compiled components that belongs to no data folder.
pub(crate) fn user_compiled_folder() -> PathBuf {
    user_cache().join("leyden").join("compiled")
}

/// The folder of the user's caches, as the XDG base directory specification has it; without a home, that
/// of temporary files.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where the environment is read"
)]
fn user_cache() -> PathBuf {
    let absolute = |name: &str| {
        let folder = std::env::var_os(name).map(PathBuf::from);
        folder.filter(|folder| folder.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
}
