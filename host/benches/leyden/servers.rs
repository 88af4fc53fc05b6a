//! Servers and load in processes of their own: the servers on one core and the load on the other (where `taskset`
//! exists), so that whatever is compared sees the same machine.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::gateway;
use leyden::host::Host;
use leyden::ids::ComponentName;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use tokio_util::sync::CancellationToken;

use super::load::{Answered, Load};

/// Connections that ask at once.
pub(crate) const CONNECTIONS: usize = 32;

/// What natively answers with a greeting, and with the body that it was sent.
pub(crate) const PATH: &str = "/echo";

/// What is answered.
const BODY: &str = "Hello, world!";

/// What functions in interpreted languages may have: an interpreter needs more memory than most functions, and more time.
const INTERPRETED: &str = "[limits]\nmemory-mib = 256\ndeadline-ms = 10000\n";

/// A language that functions are interpreted in, and the functions in it that our host has.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    /// Names the component.
    pub(crate) variable: &'static str,
    /// The function with a fresh instance for each request.
    pub(crate) fresh: &'static str,
    /// The one that reuses instances.
    pub(crate) again: &'static str,
}

/// Those that `cargo xtask bench` makes components of.
pub(crate) const LANGUAGES: [Language; 2] = [
    Language {
        name: "JavaScript",
        variable: "LEYDEN_HELLO_JS",
        fresh: "js-fresh",
        again: "js-reused",
    },
    Language {
        name: "Python",
        variable: "LEYDEN_HELLO_PYTHON",
        fresh: "python-fresh",
        again: "python-reused",
    },
];

/// Where processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Servers on the first core, load on the second.
    Apart,
    /// Everything on all of them.
    Shared,
}

/// A server in a process of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    cores: Cores,
}

impl Server {
    /// This program in a role, on a core of its own.
    pub(crate) fn start(role: &str) -> Self {
        Self::start_on(Cores::Apart, role)
    }

    /// This program in a role.
    pub(crate) fn start_on(cores: Cores, role: &str) -> Self {
        let mut command = this_program(cores, 0);
        command.args(["--role", role]).stdin(Stdio::piped());
        Self::telling(cores, command)
    }

    /// A program that prints where it listens.
    pub(crate) fn telling(cores: Cores, mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its address");
        let address = line.trim().parse().expect("an address");
        Self {
            child,
            address,
            cores,
        }
    }

    /// A program that was told where to listen.
    pub(crate) fn told(cores: Cores, child: Child, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            cores,
        }
    }

    /// Process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it runs.
    pub(crate) fn cores(&self) -> Cores {
        self.cores
    }

    /// Requests per second, asked by a process on the other core.
    pub(crate) fn rate(&self, path: &str, seconds: u64) -> f64 {
        self.load(path, seconds as f64).answered().rate
    }

    /// A load of [`CONNECTIONS`], as fast as it is answered, unless it is changed.
    pub(crate) fn load(&self, path: &str, seconds: f64) -> Planned {
        Planned {
            load: Load {
                address: self.address,
                path: path.to_owned(),
                connections: CONNECTIONS,
                seconds,
                due: None,
                body_bytes: None,
            },
            cores: self.cores,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load that a process of its own carries out.
pub(crate) struct Planned {
    pub(crate) load: Load,
    cores: Cores,
}

impl Planned {
    /// With so many connections.
    pub(crate) fn connections(mut self, connections: usize) -> Self {
        self.load.connections = connections;
        self
    }

    /// With so many requests due in a second.
    pub(crate) fn due(mut self, rate: f64) -> Self {
        self.load.due = Some(rate);
        self
    }

    /// With bodies.
    pub(crate) fn body(mut self, bytes: usize) -> Self {
        self.load.body_bytes = Some(bytes);
        self
    }

    /// What came of it.
    pub(crate) fn answered(&self) -> Answered {
        let answered = self.tried();
        answered.unwrap_or_else(|| panic!("the load {:?} failed", self.load))
    }

    /// The same; none where something else was answered than was asked for.
    pub(crate) fn tried(&self) -> Option<Answered> {
        let load = serde_json::to_string(&self.load).expect("plain");
        let mut command = this_program(self.cores, 1);
        command.args(["--role", "load", &load]);
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.expect("the load runs");
        let whole = output.status.success();
        whole.then(|| serde_json::from_slice(&output.stdout).expect("what came of it"))
    }
}

fn this_program(cores: Cores, core: usize) -> Command {
    placed(
        cores,
        core,
        &std::env::current_exe().expect("the benchmark's path"),
    )
}

/// A program on one core where that is wanted and can be had. Backtraces are off: wasmtime captures one
/// per error otherwise.
pub(crate) fn placed(cores: Cores, core: usize, program: &std::path::Path) -> Command {
    let pins = cores == Cores::Apart
        && Command::new("taskset")
            .args(["-c", "0", "true"])
            .output()
            .is_ok_and(|output| output.status.success());
    let mut command = Command::new(if pins { "taskset".as_ref() } else { program });
    if pins {
        command.args(["-c", &core.to_string()]).arg(program);
    }
    command
        .env_remove("RUST_BACKTRACE")
        .env("RUST_LIB_BACKTRACE", "0");
    command
}

/// What a process of its own does: `native`, `leyden`, or `load LOAD`.
pub(crate) fn play(role: &[String]) {
    match role {
        [role] if role == "native" => block_on(native()),
        [role] if role == "leyden" => block_on(leyden_host()),
        [role, load] if role == "load" => {
            let load: Load = serde_json::from_str(load).expect("a load");
            let answered = serde_json::to_string(&load.run()).expect("plain");
            println!("{answered}");
        }
        _ => eprintln!("unknown role"),
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

/// What our host serves: a name, the component, and its manifest beside what it brings.
fn deployed() -> Vec<(&'static str, Vec<u8>)> {
    let reused = "[reuse]\ncount = 100000\nage-s = 3600\n";
    let hello = guest("alternatives/hello");
    let once = "[reuse]\ncount = 1\n[[routes]]\npath = \"/echo-fresh\"\n";
    let mut all = vec![
        ("greeting", guest("alternatives/greeting")),
        (
            "echo-fresh",
            attach(&guest("echo"), once).expect("a manifest"),
        ),
        ("echo", guest("echo")),
        ("reused", attach(&hello, reused).expect("a manifest")),
        ("fresh", hello),
        ("web", guest("alternatives/web")),
    ];
    for Language {
        variable,
        fresh,
        again,
        ..
    } in LANGUAGES
    {
        if let Some(file) = std::env::var_os(variable) {
            let bytes = std::fs::read(file).expect("a component");
            let manifest = |reuse| attach(&bytes, &format!("{INTERPRETED}{reuse}"));
            all.push((fresh, manifest("").expect("a manifest")));
            all.push((again, manifest(reused).expect("a manifest")));
        }
    }
    all
}

async fn leyden_host() {
    let data = tempfile::tempdir().expect("a folder");
    let config = Config {
        data: data.path().into(),
        compiled: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/compiled").into()),
        clock: Mode::Simulated,
        compiler: Some(env!("CARGO_BIN_EXE_leyden").into()),
        ..Config::default()
    };
    let host = Host::start(&config).await.expect("a host");
    for (name, bytes) in deployed() {
        let name = ComponentName::parse(name).expect("a name");
        let deployed = host.registry.deploy(&Operator::host(), &name, bytes).await;
        deployed.expect("deployed");
    }
    let options = gateway::Options::new(([127, 0, 0, 1], 0).into());
    let server = gateway::serve(host, options, CancellationToken::new())
        .await
        .expect("served");
    println!("{}", server.address());
    server.stopped().await;
}

/// A test component: `cargo xtask build` makes it.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    std::fs::read(guest_file(name)).expect("cargo xtask build")
}

/// Where it is.
pub(crate) fn guest_file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guests");
    format!("{folder}/{name}.wasm")
}

async fn native() {
    let echo = |body: axum::body::Body| async { axum::response::Response::new(body) };
    let greet = || async { BODY };
    let app = axum::Router::new().route(PATH, axum::routing::get(greet).post(echo));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("served");
}
