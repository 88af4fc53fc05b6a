//! An echo component over HTTP, reused instance, against the same handler in native axum.
//!
//! Servers and load run in processes of their own: servers pinned to one core, load to the other (where
//! `taskset` exists), in turns, so that both see the same machine.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::gateway;
use leyden::host::Host;
use leyden::ids::ComponentName;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use tokio_util::sync::CancellationToken;

use super::figure::{Figure, median};
use super::load;

/// Connections that ask at once.
const CONNECTIONS: usize = 32;

/// What is asked.
pub(crate) const PATH: &str = "/echo";

/// What both answer.
const BODY: &str = "Hello, world!";

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let (rounds, seconds) = if quick { (3, 1) } else { (7, 2) };
    let native = Server::start("native");
    let leyden = Server::start("leyden");
    let _warm = (native.rate(PATH, 1), leyden.rate(PATH, 1));
    let (mut natives, mut leydens, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (n, l) = (native.rate(PATH, seconds), leyden.rate(PATH, seconds));
        natives.push(n);
        leydens.push(l);
        ratios.push(l / n);
    }
    vec![
        Figure::plain(
            "echo: native axum, one core, 32 connections",
            median(&mut natives),
            "requests/s",
        ),
        Figure::plain(
            "echo: component, reused instance",
            median(&mut leydens),
            "requests/s",
        ),
        Figure::at_least(
            "echo: component over native axum",
            median(&mut ratios),
            "ratio",
            0.7,
        ),
    ]
}

/// A server in a process of its own.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(role: &str) -> Self {
        let mut child = pinned(0)
            .args(["--role", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its address");
        let address = line.trim().parse().expect("an address");
        Self { child, address }
    }

    /// Requests per second, asked by a process on the other core.
    pub(crate) fn rate(&self, path: &str, seconds: u64) -> f64 {
        let output = pinned(1)
            .args([
                "--role",
                "load",
                &self.address.to_string(),
                path,
                &seconds.to_string(),
            ])
            .output()
            .expect("the load runs");
        let text = String::from_utf8(output.stdout).expect("text");
        text.trim().parse().expect("a rate")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program again, on one core where that can be asked for. Backtraces are off: wasmtime captures one
/// per error otherwise.
fn pinned(core: usize) -> Command {
    let program = std::env::current_exe().expect("the benchmark's path");
    let pin = Command::new("taskset")
        .args(["-c", "0", "true"])
        .output()
        .is_ok_and(|o| o.status.success());
    let mut command = if pin {
        Command::new("taskset")
    } else {
        Command::new(&program)
    };
    if pin {
        command.args(["-c", &core.to_string()]).arg(&program);
    }
    command
        .env_remove("RUST_BACKTRACE")
        .env("RUST_LIB_BACKTRACE", "0");
    command
}

/// What a process of its own does: `native`, `leyden`, or `load ADDRESS PATH SECONDS`.
pub(crate) fn play(role: &[String]) {
    match role {
        [role] if role == "native" => block_on(native()),
        [role] if role == "leyden" => block_on(leyden_host()),
        [role, address, path, seconds] if role == "load" => {
            let address = address.parse().expect("an address");
            let duration = Duration::from_secs(seconds.parse().expect("seconds"));
            println!(
                "{}",
                block_on(load::rate(address, path, CONNECTIONS, duration))
            );
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
    let hello = guest("alternatives/hello");
    let reused = attach(&hello, "[reuse]\ncount = 100000\nage-s = 3600\n").expect("a manifest");
    for (name, bytes) in [
        ("echo", guest("echo")),
        ("fresh", hello),
        ("reused", reused),
    ] {
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
fn guest(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guests");
    std::fs::read(format!("{folder}/{name}.wasm")).expect("cargo xtask build")
}

async fn native() {
    let app = axum::Router::new().route(PATH, axum::routing::get(|| async { BODY }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("served");
}
