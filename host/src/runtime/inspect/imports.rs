//! What each import of a partner's component needs, or why it is not served.

use super::pass::Imported;
use super::wasi;
use super::{Need, REPORTS, Reason};
use crate::metering::Dataset;

/// What everybody gets: the types of datasets, what is left to spend, time and log.
const FREE: [&str; 4] = [
    "leyden:data/types@0.1.0",
    "leyden:data/budget@0.1.0",
    "leyden:clock/clock@0.1.0",
    "leyden:log/log@0.1.0",
];

/// What the name of an interface ends with that a dataset is read in columns by.
const COLUMNS: &str = "-columns";

/// What is served, in words.
const SERVED: &str = "served are leyden:data/global-consumption, production, detailed-consumption, \
                      production-columns, detailed-consumption-columns and budget, leyden:clock/clock and leyden:log/log at 0.1.0, as `leyden plugin new` \
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
    match wasi::functions(name) {
        Some(functions) => only(import, functions).map(|()| Need::EmptyWasi),
        None => Err(not_served(import)),
    }
}

fn dataset(name: &str) -> Option<Dataset> {
    read_by(name.strip_suffix("@0.1.0")?)
}

/// The dataset that is read by an interface, given without its version.
fn read_by(interface: &str) -> Option<Dataset> {
    let named = interface.strip_prefix("leyden:data/")?;
    let reads = |dataset: &Dataset| match named.strip_suffix(COLUMNS) {
        Some(named) => dataset.has_columns() && dataset.name() == named,
        None => dataset.name() == named,
    };
    Dataset::ALL.into_iter().find(reads)
}

/// That it imports no other functions of an interface of WASI than there are. Known ones without an answer trap when
/// they are called, and programs import them without calling them; one that nobody knows is a mistake, or a try.
fn only(import: &Imported, known: &[&str]) -> Result<(), Reason> {
    let is_unknown = |function: &&String| !known.contains(&function.as_str());
    let Some(function) = import.functions.iter().find(is_unknown) else {
        return Ok(());
    };
    let name = &import.name;
    let problem =
        format!("imports the function {function} of {name}, which WASI 0.2 does not have");
    Err(refuse(import, problem, WITHOUT_WASI))
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
    FREE.into_iter().any(served) || read_by(interface).is_some()
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
        "build it for the world `analytics` of leyden:worlds, as `leyden plugin new` does",
    )
}
