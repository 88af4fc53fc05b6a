//! Scenarios played with components of former releases of the WIT packages, which are frozen in `corpus/`:
//! what is printed is what today's components print.

use super::{compare, normalised, play, root};

/// Components that call policies.
const CALLERS: [&str; 3] = [
    "client-database",
    "consumption-peak",
    "consumption-scheduler",
];

const POLICIES: [&str; 5] = ["access", "assignment", "peak-limit", "schedule", "shed"];

/// Plays a scenario with plugins from a folder.
fn check(scenario: &str, plugins: &std::path::Path) {
    let plugins = plugins.to_str().expect("text");
    let printed = play(scenario, &["--lang", "en", "--plugins", plugins]);
    compare(scenario, "en", &normalised(&printed));
}

/// Today's plugins, but for some of a release.
fn mixed(release: &str, older: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let today = root().join("target/plugins");
    for entry in std::fs::read_dir(&today).expect("plugins are built") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, folder.path().join(name)).expect("copied");
        }
    }
    for name in older {
        let file = format!("{name}.wasm");
        let from = root().join("host/tests/corpus").join(release).join(&file);
        std::fs::copy(from, folder.path().join(&file)).expect("copied");
    }
    folder
}

#[test]
fn everything_of_the_first_release() {
    let plugins = root().join("host/tests/corpus/0.1.0");
    check("scenario2", &plugins);
    check("load-aware", &plugins);
}

#[test]
fn policies_of_the_first_release_under_callers_of_today() {
    check("scenario2", mixed("0.1.0", &POLICIES).path());
}

#[test]
fn callers_of_the_first_release_over_policies_of_today() {
    check("scenario2", mixed("0.1.0", &CALLERS).path());
}

#[test]
fn policies_and_callers_of_the_second_release() {
    let older = [CALLERS.as_slice(), &POLICIES].concat();
    check("scenario2", mixed("0.2.0", &older).path());
}
