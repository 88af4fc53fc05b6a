//! Other servers that answer with the same 13 bytes: `wasmtime serve`, Node.js and workerd. `cargo xtask bench` finds or
//! installs them and names them in the environment; one that is not there is said and left out.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::servers::{Cores, Server, placed};

/// Longest start: `wasmtime serve` compiles what it is given, an interpreter of 13 MB for 20 s.
const START_MAX: Duration = Duration::from_secs(90);

/// Between two looks at whether it listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A peer: what it is called, and the variable that names its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Wasmtime,
    Node,
    Workerd,
}

/// How `wasmtime serve` gets its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Fresh,
    Reuse,
}

impl Peer {
    const fn variable(self) -> &'static str {
        match self {
            Self::Wasmtime => "LEYDEN_WASMTIME",
            Self::Node => "LEYDEN_NODE",
            Self::Workerd => "LEYDEN_WORKERD",
        }
    }

    /// Its program; none where it is not to be had, which is said.
    pub(super) fn program(self) -> Option<PathBuf> {
        let variable = self.variable();
        let named = std::env::var_os(variable).filter(|path| !path.is_empty());
        if named.is_none() {
            eprintln!("functions: {variable} names no program: it is left out");
        }
        named.map(PathBuf::from)
    }
}

/// `wasmtime serve` with a component.
pub(super) fn wasmtime(program: &Path, cores: Cores, mode: Mode, component: &Path) -> Server {
    let address = free_address();
    let mut command = placed(cores, 0, program);
    command.args(["serve", "-S", "cli", "--addr", &address.to_string()]);
    // A fresh instance for each request is its default for components of WASI 0.2.
    if mode == Mode::Reuse {
        command.args(["--max-instance-reuse-count", "1000000000"]);
    }
    command.arg(component);
    until_it_listens(cores, command, address)
}

/// Node.js with its `http` module.
pub(super) fn node(program: &Path, cores: Cores) -> Server {
    let script = r#"
        const answer = { "content-type": "text/plain; charset=utf-8", "content-length": 13 };
        const server = require("node:http").createServer((_, response) => {
            response.writeHead(200, answer);
            response.end("Hello, world!");
        });
        server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
    "#;
    let mut command = placed(cores, 0, program);
    command.args(["-e", script]);
    Server::telling(cores, command)
}

/// workerd with a worker, its files in a folder.
pub(super) fn workerd(program: &Path, cores: Cores, folder: &Path) -> Server {
    let worker = r#"export default { async fetch() { return new Response("Hello, world!"); } };"#;
    let config = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .hello)],
  sockets = [(name = "http", http = (), service = "main")]
);
const hello :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2024-09-23",
);
"#;
    std::fs::write(folder.join("worker.js"), worker).expect("written");
    std::fs::write(folder.join("config.capnp"), config).expect("written");
    let address = free_address();
    let mut command = placed(cores, 0, program);
    command.arg("serve").arg(folder.join("config.capnp"));
    command.args(["--socket-addr", &format!("http={address}")]);
    until_it_listens(cores, command, address)
}

/// A port that was free a moment ago, for programs that do not tell which one they took.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn until_it_listens(cores: Cores, mut command: Command, address: SocketAddr) -> Server {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.spawn().expect("the peer starts");
    let server = Server::told(cores, child, address);
    let until = Instant::now() + START_MAX;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{command:?} does not listen");
        std::thread::sleep(LOOK_EVERY);
    }
    server
}
