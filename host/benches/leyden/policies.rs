//! Policies: what a decision costs, how fast recorded decisions are compared with those of another version, and what
//! requests notice of versions that are swapped, or that run in the shadow.
//!
//! Calls and comparisons run in this process. Requests go to a host in a process of its own; what is compared takes
//! turns on one host, so that both see the same machine.

mod calls;
mod diffs;
mod homes;
mod traffic;
mod typed;

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::host::Host;
use leyden::ids::{ComponentName, Instant};
use leyden::operators::Operator;

use super::figure::Figure;

/// When clocks start.
const START: &str = "2021-11-07T15:58:22.144Z";

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (host, _data) = start().await;
        let mut figures = calls::measure(&host, quick).await;
        figures.extend(diffs::measure(&host, quick).await);
        host.stop().await;
        figures.iter().for_each(|figure| eprintln!("{figure}"));
        figures.extend(traffic::measure(quick).await);
        figures
    })
}

/// A host in this process.
async fn start() -> (Host, tempfile::TempDir) {
    let data = tempfile::tempdir().expect("a folder");
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
    let config = Config {
        data: data.path().into(),
        plugins: Some(format!("{built}/plugins").into()),
        compiled: Some(format!("{built}/compiled").into()),
        clock: Mode::Simulated,
        start: Some(Instant::parse(START).expect("an instant")),
        ..Config::default()
    };
    (Host::start(&config).await.expect("a host"), data)
}

/// What `cargo xtask build` has made.
fn built(file: &str) -> Vec<u8> {
    let file = format!("{}/../target/{file}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&file).unwrap_or_else(|e| panic!("{file}: {e}; cargo xtask build"))
}

async fn deploy(host: &Host, name: &str, bytes: Vec<u8>) {
    let name = ComponentName::parse(name).expect("a name");
    let deployed = host.registry.deploy(&Operator::host(), &name, bytes).await;
    deployed.expect("deployed");
}
