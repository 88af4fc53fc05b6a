//! What each import of a partner's component needs, or why it is not served.

use super::pass::Imported;
use super::{Need, REPORTS, Reason};
use crate::metering::Dataset;

/// What everybody gets: the types of datasets, what is left to spend, time and log.
const FREE: [&str; 4] = [
    "leyden:data/types@0.1.0",
    "leyden:data/budget@0.1.0",
    "leyden:clock/clock@0.1.0",
    "leyden:log/log@0.1.0",
];

/// The interfaces of WASI 0.2 that standard libraries pull in, whether a program uses them or not.
const EMPTY_WASI: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:filesystem/types",
];

/// The one that gives out folders: an empty list of them.
const PREOPENS: &str = "wasi:filesystem/preopens";

/// What is served, in words.
const SERVED: &str = "served are leyden:data/global-consumption, production, detailed-consumption and \
                      budget, leyden:clock/clock and leyden:log/log at 0.1.0, as `leyden plugin new` \
                      writes them";

/// How to build without WASI.
const WITHOUT_WASI: &str = "build without it, as the projects of `leyden plugin new` do: componentize-py with \
                            --stub-wasi, componentize-js with disableFeatures, Rust for \
                            wasm32-unknown-unknown; or leave out what opens connections";

/// What an import needs.
///
/// # Errors
/// Why it is not served, naming it.
pub(super) fn need(import: &Imported) -> Result<Need, Reason> {
    if !import.is_interface {
        let problem = format!(
            "imports {} {}, which is no interface",
            import.kind, import.name
        );
        return Err(refuse(import, problem, SERVED));
    }
    let name = import.name.as_str();
    if FREE.contains(&name) {
        return Ok(Need::Nothing);
    }
    if let Some(dataset) = dataset(name) {
        return Ok(Need::Dataset(dataset));
    }
    if is_empty_wasi(name) {
        return Ok(Need::EmptyWasi);
    }
    Err(not_served(import))
}

fn dataset(name: &str) -> Option<Dataset> {
    let named = name.strip_prefix("leyden:data/")?.strip_suffix("@0.1.0")?;
    Dataset::ALL
        .into_iter()
        .find(|dataset| dataset.name() == named)
}

fn is_empty_wasi(name: &str) -> bool {
    let Some((interface, version)) = name.split_once('@') else {
        return false;
    };
    let known = EMPTY_WASI.contains(&interface) || interface == PREOPENS;
    let patch = version.strip_prefix("0.2.").unwrap_or_default();
    known && !patch.is_empty() && patch.bytes().all(|digit| digit.is_ascii_digit())
}

fn not_served(import: &Imported) -> Reason {
    let name = import.name.as_str();
    let interface = name.split('@').next().unwrap_or(name);
    if interface.starts_with("wasi:") {
        let problem = format!("imports {name}: nothing outside is served to partners' code");
        return refuse(import, problem, WITHOUT_WASI);
    }
    if is_of_another_version(interface) {
        let problem = format!("imports {name}, a version that is not served");
        return refuse(import, problem, SERVED);
    }
    if interface.starts_with("leyden:") {
        let problem = format!("imports {name}, which is not served to partners' code");
        return refuse(import, problem, SERVED);
    }
    let problem = format!("imports {name}, which is not served");
    refuse(import, problem, SERVED)
}

fn is_of_another_version(interface: &str) -> bool {
    let served = |name: &str| name.split('@').next() == Some(interface);
    let dataset = |dataset: Dataset| interface.strip_prefix("leyden:data/") == Some(dataset.name());
    FREE.into_iter().any(served) || Dataset::ALL.into_iter().any(dataset)
}

fn refuse(import: &Imported, problem: String, remedy: &str) -> Reason {
    Reason {
        import: Some(import.name.clone()),
        problem,
        remedy: remedy.to_owned(),
    }
}

/// It exports something else, or nothing.
pub(super) fn no_reports(exports: &[String]) -> Reason {
    let exported = match exports {
        [] => "nothing".to_owned(),
        [..] => exports.join(", "),
    };
    Reason::new(
        format!("exports {exported}, but not {REPORTS}"),
        "build it for the world `analytics` of leyden:worlds@0.1.0, as `leyden plugin new` does",
    )
}
