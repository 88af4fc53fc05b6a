//! Functions and services that answer 13 bytes, with a fresh instance for each request and with reuse, against native axum
//! and against other servers; what latency, bodies and many functions cost.
//!
//! What is compared takes turns on one machine; targets are ratios to native axum in the same run.

mod bodies;
mod density;
mod languages;
mod latency;
mod peers;
mod rates;
mod shared;

use std::path::Path;

use super::figure::Figure;
use super::servers::{Cores, PATH, Server, guest_file};
use peers::{Mode, Peer};
use rates::Contestant;
use shared::Again;

/// Our functions and services: what is measured, where it answers, and its target as a ratio to native axum.
const OURS: [(&str, &str, f64); 5] = [
    ("own world, reused instance", PATH, 0.75),
    (
        "own world, fresh instance, SDK's allocator",
        "/greeting",
        0.4,
    ),
    ("own world, fresh instance, any guest", "/echo-fresh", 0.2),
    ("wasi:http, reused instance", "/fn/reused/", 0.5),
    ("wasi:http, fresh instance", "/fn/fresh/", 0.12),
];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    seconds: f64,
    functions: usize,
}

impl Effort {
    const fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                rounds: 3,
                seconds: 0.5,
                functions: 500,
            },
            false => Self {
                rounds: 7,
                seconds: 2.0,
                functions: 10_000,
            },
        }
    }
}

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let effort = Effort::new(quick);
    let mut figures = told(compared(effort));
    figures.extend(told(density::measure(effort.functions)));
    figures
}

/// Shows at once what a long benchmark has found so far.
fn told(figures: Vec<Figure>) -> Vec<Figure> {
    figures.iter().for_each(|figure| eprintln!("{figure}"));
    figures
}

/// What is compared with native axum or others.
fn compared(effort: Effort) -> Vec<Figure> {
    let Effort {
        rounds, seconds, ..
    } = effort;
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
    let mut all: Vec<_> = ours.chain(theirs).collect();
    let (native_rate, mut figures) = rates::measure(&native, &mut all, rounds, seconds);
    figures.extend(latency::alone(&native, &all, rounds, seconds / 2.0));
    figures.extend(latency::at_half(
        &native,
        native_rate,
        &all,
        rounds,
        seconds,
    ));
    figures.extend(shared(&all, rounds, seconds));
    figures.extend(bodies::echo(&native, &leyden, rounds, seconds));
    figures.extend(languages::measure(&leyden, rounds, seconds));
    // One that has never held a larger body.
    figures.extend(bodies::upload(&Server::start("leyden")));
    figures
}

/// Fresh instances on all cores, ours and those of `wasmtime serve`.
fn shared<'a>(all: &'a [Contestant<'a>], rounds: usize, seconds: f64) -> Vec<Figure> {
    let leyden = Server::start_on(Cores::Shared, "leyden");
    let wasmtime = Peer::Wasmtime.program().map(|program| {
        let hello = guest_file("alternatives/hello");
        peers::wasmtime(&program, Cores::Shared, Mode::Fresh, Path::new(&hello))
    });
    let again = |pinned: &'a Contestant<'a>| {
        let Contestant { name, least, .. } = pinned;
        let server = match (name.contains("fresh instance"), least) {
            (false, _) => None,
            (true, Some(_)) => Some(&leyden),
            (true, None) => wasmtime.as_ref(),
        };
        server.map(|server| Again { pinned, server })
    };
    let again: Vec<_> = all.iter().filter_map(again).collect();
    shared::measure(&again, rounds, seconds)
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
