//! The proofs: what Leyden promises of many hosts on Redis, of partners' plugins and of policies, each tried with faults and
//! attacks, and counted. `cargo xtask prove` runs them. Not benchmarks: a proof holds or it does not; its time is only told.
//!
//! Each proof starts servers and hosts of its own, puts load on them, breaks things, and compares in the
//! end what clients were told with what is in the books. `mutations` runs proofs against hosts that
//! were broken on purpose and holds if every one of them is caught.
#![allow(
    clippy::disallowed_methods,
    reason = "a program that waits and measures time"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a proof that cannot run should stop"
)]
#![allow(missing_docs, unreachable_pub, reason = "a program, not a library")]

mod books;
mod candidates;
mod differencing;
mod failpoints;
mod faults;
mod gates;
mod history;
mod hostile;
mod kills;
mod ledger;
mod load;
mod mutations;
#[allow(dead_code, reason = "proofs and benchmarks use different parts of it")]
#[path = "../partner/mod.rs"]
mod partner;
mod pause;
mod poison;
#[path = "../../tests/support/process.rs"]
mod process;
mod promotion;
mod proof;
mod proxy;
#[path = "../../tests/support/redis.rs"]
mod redis_server;
mod replay;
mod rig;
#[path = "../../tests/support/partners.rs"]
mod scripts;
mod swaps;
mod together;
mod uploads;
#[allow(dead_code, reason = "tests and proofs use different parts of it")]
#[path = "../../tests/support/policies.rs"]
mod versions;
mod watch;

use proof::{Proof, Size};

/// Names of the proofs, in the order they run.
const NAMES: [&str; 15] = [
    "kills",
    "faults",
    "pause",
    "poison",
    "hostile",
    "ledger",
    "uploads",
    "gates",
    "differencing",
    "replay",
    "swaps",
    "candidates",
    "promotion",
    "failpoints",
    "mutations",
];

/// Those that need another build of the host, which `LEYDEN_HOST` names: they run only when asked for.
const OTHER_BUILDS: [&str; 2] = ["failpoints", "mutations"];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let json = args.iter().any(|arg| arg == "--json");
    let size = if args.iter().any(|arg| arg == "--quick") {
        Size::Quick
    } else {
        Size::Full
    };
    let mut names: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(name)) {
        eprintln!(
            "no proof is named {unknown}; there are: {}",
            NAMES.join(", ")
        );
        std::process::exit(2);
    }
    if names.is_empty() {
        names = NAMES.to_vec();
        names.retain(|name| !OTHER_BUILDS.contains(name));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let proofs: Vec<Proof> = names
        .iter()
        .flat_map(|name| runtime.block_on(run(name, size)))
        .collect();
    if json {
        let text = serde_json::to_string_pretty(&proofs).expect("proofs are plain");
        println!("{text}");
    } else {
        proofs.iter().for_each(|proof| println!("{proof}"));
    }
    if proofs.iter().any(|proof| !proof.held) {
        std::process::exit(1);
    }
}

async fn run(name: &str, size: Size) -> Vec<Proof> {
    eprintln!("prove {name} …");
    let proofs = match name {
        "kills" => vec![kills::prove(size).await],
        "faults" => vec![faults::prove(size).await],
        "pause" => vec![pause::prove(size).await],
        "poison" => vec![poison::prove(size).await],
        "hostile" => vec![hostile::prove(size).await],
        "ledger" => ledger::prove(size).await,
        "uploads" => vec![uploads::prove(size).await],
        "gates" => gates::prove(size).await,
        "differencing" => differencing::prove(size).await,
        "replay" => vec![replay::prove(size).await],
        "swaps" => vec![swaps::prove(size).await],
        "candidates" => vec![candidates::prove(size).await],
        "promotion" => promotion::prove(size).await,
        "failpoints" => failpoints::prove(size).await,
        _ => mutations::prove(size).await,
    };
    proofs.iter().for_each(|proof| eprintln!("{proof}"));
    proofs
}
