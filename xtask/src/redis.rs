//! `redis-server`: found or installed, and started for the demo and the scenarios that want one.
//!
//! Invariants: servers listen on a free port of the loopback interface, keep nothing, and are ended by
//! their process and nobody else's; a service that runs on this machine is left alone.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{debian, paths, process};

/// The variable that names the server's program; tests and benchmarks read it too.
pub(crate) const VARIABLE: &str = "LEYDEN_REDIS_SERVER";

/// The program, where the variable is not set.
const PROGRAM: &str = "redis-server";

/// Debian's package, and the name of its service.
const PACKAGE: &str = "redis-server";

/// The oldest version that Leyden works with, and so its tests.
const VERSION_MIN: (u32, u32) = (7, 0);

/// Longest start, far more than an empty server needs on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Between two looks at whether it answers.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts on another port after somebody else took the one that was free.
const STARTS_MAX: usize = 5;

/// The path of a `redis-server` that is new enough; installs Debian's where there is none.
pub(crate) fn program() -> Result<PathBuf> {
    let program = named().or_else(on_path).map_or_else(installed, Ok)?;
    let version = version(&program)?;
    if parsed(&version).is_none_or(|version| version < VERSION_MIN) {
        let (major, minor) = VERSION_MIN;
        bail!(
            "{} is version {version}, and {major}.{minor} or newer is needed: set {VARIABLE} to the \
             path of one",
            program.display()
        );
    }
    Ok(program)
}

/// The version that a server's program tells of itself, such as `7.0.15`.
pub(crate) fn version(program: &Path) -> Result<String> {
    let told = process::output(process::command(program).arg("--version"))?;
    let version = told
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    let version =
        version.with_context(|| format!("{} tells no version: {told}", program.display()));
    Ok(version?.to_owned())
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn named() -> Option<PathBuf> {
    let named = env::var_os(VARIABLE)?;
    (!named.is_empty()).then(|| named.into())
}

fn on_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(PROGRAM))
        .find(|file| file.is_file())
}

fn installed() -> Result<PathBuf> {
    debian::install(&[PACKAGE]).with_context(|| {
        format!(
            "{PROGRAM} is missing; one of these installs it:\n  {}\n  dnf install -y redis\n  \
             brew install redis\nor set {VARIABLE} to its path",
            debian::manual(&[PACKAGE])
        )
    })?;
    end_service();
    on_path().with_context(|| format!("{PROGRAM} was installed, but is not on the path"))
}

/// Ends the service that comes with the package, which nobody asked for. Not being able to is no reason
/// to stop: it would only use some memory.
fn end_service() {
    let commands: &[&[&str]] = if Path::new("/run/systemd/system").is_dir() {
        &[&["systemctl", "disable", "--now", PACKAGE]]
    } else {
        &[
            &["service", PACKAGE, "stop"],
            &["update-rc.d", PACKAGE, "disable"],
        ]
    };
    for command in commands {
        let _not_there = process::succeeds(debian::as_root(command[0]).args(&command[1..]));
    }
}

/// A running server that keeps everything in memory; ended when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Server {
    /// Starts one and waits until it answers.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut outcome = Self::start_once(program);
        for _ in 1..STARTS_MAX {
            if outcome.is_ok() {
                break;
            }
            outcome = Self::start_once(program);
        }
        outcome
    }

    fn start_once(program: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let folder = paths::target().join("redis").join(port.to_string());
        fs::create_dir_all(&folder)?;
        let mut command = process::command(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&folder);
        command
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("log"))?);
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        // From here on dropping it ends the child.
        let mut server = Self {
            child,
            port,
            folder,
        };
        server.wait_until_up()?;
        Ok(server)
    }

    /// Where it is, as `leyden up --store` takes it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.answers() {
            if self.child.try_wait()?.is_some() || started.elapsed() > START_LIMIT {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("{PROGRAM} does not start:\n{log}");
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Whether this server answers on the port, and not somebody else's.
    fn answers(&self) -> bool {
        let own = format!("process_id:{}\r", self.child.id());
        info(self.port).is_ok_and(|info| info.contains(&own))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both can only fail when there is nothing left to end or to remove.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// What the server on a port tells of itself: everything up to the end of the connection.
fn info(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    stream.write_all(b"INFO server\r\nQUIT\r\n")?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    Ok(String::from_utf8_lossy(&told).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parsed("7.0.15"), Some((7, 0)));
        assert!(parsed("10.0.0") > Some(VERSION_MIN));
        assert!(parsed("6.2.14") < Some(VERSION_MIN));
        assert_eq!(parsed("unstable"), None);
    }

    /// A machine without a server has the other tests.
    #[test]
    fn a_server_answers_and_ends_with_its_owner() {
        let Some(program) = named().or_else(on_path) else {
            eprintln!("not tried: there is no {PROGRAM} here");
            return;
        };
        let server = Server::start(&program).expect("it starts");
        let (port, folder) = (server.port, server.folder.clone());
        assert!(info(port).expect("an answer").contains("redis_version"));
        drop(server);
        assert!(info(port).is_err());
        assert!(!folder.exists());
    }
}
