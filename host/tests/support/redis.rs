//! Real Redis servers for tests and proofs: one, a primary with a replica, or a cluster of three; each on
//! a free port of the loopback interface, with a folder that goes away with it. They end when they are
//! dropped, by their process and nobody else's. Nothing here knows what Leyden keeps in them.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait and read their own settings"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for a server to answer or a cluster to agree: far more than a busy machine needs.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two looks at whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longest wait for one reply.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Ports that the system gives to nobody by itself, so that a server finds its own again when restarted.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// What a server keeps when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it lives in memory.
    Nothing,
    /// Everything that it has answered (`appendfsync always`).
    Always,
    /// What was written by the process; synced every second.
    EverySecond,
    /// What was written by the process; the system syncs when it likes.
    Eventually,
}

impl Kept {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &["--appendonly", "no"],
            Self::Always => &["--appendonly", "yes", "--appendfsync", "always"],
            Self::EverySecond => &["--appendonly", "yes", "--appendfsync", "everysec"],
            Self::Eventually => &["--appendonly", "yes", "--appendfsync", "no"],
        }
    }
}

/// A running `redis-server`; killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server.
    pub fn start(kept: Kept) -> Self {
        Self::start_with(kept, &[])
    }

    /// Starts a server with more options, as on its command line: `["--maxmemory", "10mb"]`.
    pub fn start_with(kept: Kept, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let given = kept.arguments().iter().chain(more);
        let arguments: Vec<_> = given.map(|argument| (*argument).to_owned()).collect();
        // Somebody else may take a free port before the server does.
        for _ in 0..20 {
            let port = free_port();
            let mut child = spawn(port, folder.path(), &arguments);
            if wait_until_up(&mut child, port) {
                return Self {
                    child,
                    port,
                    arguments,
                    folder,
                };
            }
        }
        panic!("redis-server does not start: {}", log(folder.path()));
    }

    /// Starts a replica and waits until it has what its primary has.
    pub fn replica_of(primary: &Self, kept: Kept) -> Self {
        let port = primary.port.to_string();
        let replica = Self::start_with(kept, &["--replicaof", "127.0.0.1", &port]);
        wait_for("a replica", || {
            let state = replica.ask(&["INFO", "replication"])?;
            Ok(state.contains("master_link_status:up"))
        });
        replica
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The list of its append-only files; there is none where it keeps nothing.
    fn manifest(&self) -> PathBuf {
        let files = self.folder.path().join("appendonlydir");
        files.join("appendonly.aof.manifest")
    }

    /// The append-only file that it writes to.
    pub fn log_file(&self) -> PathBuf {
        self.manifest().with_file_name("appendonly.aof.1.incr.aof")
    }

    /// Ends it at once, as `kill -9` does. Its port and data wait for [`Self::restart`].
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("gone");
    }

    /// Starts it again on its port and data, killing it first where it still runs; as the README says, once its file is
    /// repaired.
    pub fn restart(&mut self) {
        self.kill();
        repair(&self.manifest());
        self.child = spawn(self.port, self.folder.path(), &self.arguments);
        let up = wait_until_up(&mut self.child, self.port);
        assert!(
            up,
            "redis-server does not start again: {}",
            log(self.folder.path())
        );
    }

    /// Stops it without ending it (`true`), or lets it go on.
    pub fn pause(&self, paused: bool) {
        let signal = if paused { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill")
            .args([signal, &self.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
    }

    /// Sends a command and returns the reply as text, a line per element.
    ///
    /// # Errors
    /// The server cannot be reached or refuses the command.
    pub fn ask(&self, command: &[&str]) -> io::Result<String> {
        ask(self.port, command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cluster of three primaries without replicas.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Starts a cluster and waits until every node can serve.
    pub fn start(kept: Kept) -> Self {
        let buses: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let node = |bus: &u16| {
            let bus = bus.to_string();
            let options = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "5000",
            ];
            Server::start_with(kept, &options)
        };
        let cluster = Self {
            nodes: buses.iter().map(node).collect(),
        };
        cluster.share_slots();
        cluster.meet(&buses);
        for node in &cluster.nodes {
            wait_for("a cluster", || {
                let state = node.ask(&["CLUSTER", "INFO"])?;
                Ok(state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3"))
            });
        }
        cluster
    }

    pub fn url(&self) -> String {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    fn share_slots(&self) {
        let bounds = [0, 5461, 10_923, SLOTS];
        for ((number, node), slots) in self.nodes.iter().enumerate().zip(bounds.windows(2)) {
            let (first, last) = (slots[0].to_string(), (slots[1] - 1).to_string());
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .expect("slots");
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])
                .expect("an epoch");
        }
    }

    fn meet(&self, buses: &[u16]) {
        for (node, bus) in self.nodes.iter().zip(buses).skip(1) {
            let (port, bus) = (node.port.to_string(), bus.to_string());
            self.nodes[0]
                .ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .expect("met");
        }
    }
}

fn program() -> Command {
    let named = std::env::var_os("LEYDEN_REDIS_SERVER");
    Command::new(named.unwrap_or_else(|| "redis-server".into()))
}

/// Cuts append-only files before a transaction that is not there to its end. A server does so by itself only where the
/// file ends between two of its commands. By this name, the server's program is the one that repairs.
fn repair(manifest: &Path) {
    if !manifest.is_file() {
        return;
    }
    let mut command = program();
    command.arg0("redis-check-aof").arg("--fix").arg(manifest);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut repairing = command.spawn().expect("redis-check-aof starts");
    let mut consent = repairing.stdin.take().expect("its input");
    // It asks only where there is something to cut.
    let _ = consent.write_all(b"y\n");
    drop(consent);
    let repaired = repairing.wait_with_output().expect("redis-check-aof ends");
    assert!(repaired.status.success(), "{repaired:?}");
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    let mut command = program();
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--daemonize", "no", "--logfile", "redis.log"])
        .args(["--repl-diskless-sync-delay", "0"])
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "redis-server is needed: apt-get install redis-server, or set LEYDEN_REDIS_SERVER ({error})"
        )
    })
}

/// Whether it answers; not, where it ended instead.
fn wait_until_up(child: &mut Child, port: u16) -> bool {
    let own = format!("process_id:{}\r", child.id());
    let mut ended = false;
    wait_for("redis-server", || {
        ended = child.try_wait()?.is_some();
        Ok(ended || is_up(port, &own)?)
    });
    !ended
}

/// Whether the server on a port is this one and has loaded its data. One with a password is not asked
/// further.
fn is_up(port: u16, own: &str) -> io::Result<bool> {
    match ask(port, &["INFO", "server"]) {
        Err(refused) => Ok(refused.to_string().starts_with("NOAUTH")),
        Ok(server) => Ok(server.contains(own) && ask(port, &["PING"])? == "PONG"),
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("redis.log")).unwrap_or_default()
}

/// Waits until something is so; errors mean not yet.
fn wait_for(what: &str, mut is_so: impl FnMut() -> io::Result<bool>) {
    let started = Instant::now();
    loop {
        match is_so() {
            Ok(true) => return,
            outcome if started.elapsed() > WAIT_MAX => panic!("{what} is not ready: {outcome:?}"),
            _ => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// A port that nothing listens on. Processes that ask at the same time begin at different places.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(97) as u16;
    for _ in PORTS {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + step % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

pub fn ask(port: u16, command: &[&str]) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(REPLY_WAIT_MAX))?;
    let mut request = format!("*{}\r\n", command.len());
    for part in command {
        request += &format!("${}\r\n{part}\r\n", part.len());
    }
    stream.write_all(request.as_bytes())?;
    reply(&mut BufReader::new(stream))
}

fn reply(from: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    match kind {
        "-" => Err(io::Error::other(rest)),
        "$" => bulk(from, rest.parse().unwrap_or(-1)),
        "*" => {
            let parts = (0..rest.parse().unwrap_or(0_i64)).map(|_| reply(from));
            Ok(parts.collect::<io::Result<Vec<_>>>()?.join("\n"))
        }
        _ => Ok(rest.to_owned()),
    }
}

fn bulk(from: &mut BufReader<TcpStream>, length: i64) -> io::Result<String> {
    let Ok(length) = usize::try_from(length) else {
        return Ok(String::new());
    };
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
