//! Functions and services that answer 13 bytes, with a fresh instance for each request and with reuse, against native axum
//! and against other servers; what latency, bodies and many functions cost.
//!
//! What is compared takes turns on one machine; targets are ratios to native axum in the same run.

mod peers;
mod rates;

use std::path::Path;

use super::figure::Figure;
use super::servers::{Cores, PATH, Server, guest_file};
use peers::{Mode, Peer};
use rates::Contestant;

/// Our functions and services: what is measured, where it answers, and its target as a ratio to native axum.
const OURS: [(&str, &str, f64); 3] = [
    ("own world, reused instance", PATH, 0.75),
    ("wasi:http, reused instance", "/fn/reused/", 0.5),
    ("wasi:http, fresh instance", "/fn/fresh/", 0.12),
];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    seconds: f64,
}

impl Effort {
    const fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                rounds: 3,
                seconds: 0.5,
            },
            false => Self {
                rounds: 7,
                seconds: 2.0,
            },
        }
    }
}

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let effort = Effort::new(quick);
    let folder = tempfile::tempdir().expect("a folder");
    let native = Server::start("native");
    let leyden = Server::start("leyden");
    let others = others(folder.path());
    let ours = OURS.iter().map(|(name, path, least)| {
        let name = format!("Leyden, {name}");
        Contestant::new(&name, &leyden, path, Some(*least))
    });
    let theirs = others
        .iter()
        .map(|(name, server)| Contestant::new(name, server, "/", None));
    let mut contestants: Vec<_> = ours.chain(theirs).collect();
    let (_, figures) = rates::measure(&native, &mut contestants, effort.rounds, effort.seconds);
    figures
}

/// The peers that are there, with what they are called.
fn others(folder: &Path) -> Vec<(&'static str, Server)> {
    let hello = guest_file("alternatives/hello");
    let mut others = Vec::new();
    if let Some(wasmtime) = Peer::Wasmtime.program() {
        let start = |mode| peers::wasmtime(&wasmtime, Cores::Apart, mode, Path::new(&hello));
        others.push(("wasmtime serve, reused instance", start(Mode::Reuse)));
        others.push(("wasmtime serve, fresh instance", start(Mode::Fresh)));
    }
    if let Some(node) = Peer::Node.program() {
        others.push(("Node.js http", peers::node(&node, Cores::Apart)));
    }
    if let Some(workerd) = Peer::Workerd.program() {
        let server = peers::workerd(&workerd, Cores::Apart, folder);
        others.push(("workerd", server));
    }
    others
}
