//! The benchmarks: what Leyden promises in figures, each measured and printed with its target.
//! `cargo xtask bench` runs them; figures that compare are measured within one run.
//!
//! Not tests: nothing here fails on a timing.
#![allow(clippy::disallowed_methods, reason = "benchmarks measure time")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should stop"
)]
#![allow(missing_docs, reason = "a program, not a library")]

mod community;
mod echo;
mod figure;
mod functions;
mod load;
mod memory;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "proofs and benchmarks use different parts of it"
)]
#[path = "../partner/mod.rs"]
mod partner;
mod partners;
mod policies;
#[path = "../../tests/support/process.rs"]
mod process;
mod redis;
#[path = "../../tests/support/redis.rs"]
mod redis_server;
mod servers;
mod takeover;

use figure::Figure;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Names of the benchmarks, in the order they run.
const NAMES: [&str; 9] = [
    "echo",
    "functions",
    "readings",
    "aggregates",
    "memory",
    "redis",
    "takeover",
    "partners",
    "policies",
];

/// Those that share two hosts on the embedded store.
const EMBEDDED: [&str; 3] = ["readings", "aggregates", "memory"];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [role, rest @ ..] = args.as_slice()
        && role == "--role"
    {
        return servers::play(rest);
    }
    let json = args.iter().any(|arg| arg == "--json");
    let quick = args.iter().any(|arg| arg == "--quick");
    let mut names: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(name)) {
        eprintln!(
            "no benchmark is named {unknown}; there are: {}",
            NAMES.join(", ")
        );
        std::process::exit(2);
    }
    if names.is_empty() {
        names = NAMES.to_vec();
    }
    let figures = run(&names, quick);
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&figures).expect("figures are plain")
        );
    } else {
        figures.iter().for_each(|figure| println!("{figure}"));
    }
}

fn run(names: &[&str], quick: bool) -> Vec<Figure> {
    let mut figures = Vec::new();
    if names.contains(&"echo") {
        figures.extend(echo::run(quick));
    }
    if names.contains(&"functions") {
        figures.extend(functions::run(quick));
    }
    if names.iter().any(|name| EMBEDDED.contains(name)) {
        figures.extend(community::run(names, quick));
    }
    if names.contains(&"redis") {
        figures.extend(redis::run(quick));
    }
    if names.contains(&"takeover") {
        figures.extend(takeover::run(quick));
    }
    if names.contains(&"partners") {
        figures.extend(partners::run(quick));
    }
    if names.contains(&"policies") {
        figures.extend(policies::run(quick));
    }
    figures
}
