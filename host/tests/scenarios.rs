//! Every scenario file is played on a host of its own and prints what its expected output says, in
//! every language; and every route of every plugin is called by some scenario.
//!
//! `UPDATE_EXPECTED=1 cargo test --test scenarios` writes the expected output anew. The plugins have
//! to be built before (`cargo xtask build`).
#![allow(
    clippy::disallowed_methods,
    reason = "tests read UPDATE_EXPECTED themselves"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use redis_server::{Kept, Server};
use serde_json::Value;

#[path = "scenarios/corpus.rs"]
mod corpus;
#[path = "support/redis.rs"]
mod redis_server;

/// Languages of the narration.
const LANGUAGES: [&str; 2] = ["fr", "en"];

/// Scenario files; each has a test below.
const SCENARIOS: [&str; 7] = [
    "dynamic-prices",
    "fair-shedding",
    "load-aware",
    "real-july",
    "routes",
    "scenario2",
    "time-of-use",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn dynamic_prices() {
    check("dynamic-prices");
}

#[test]
fn fair_shedding() {
    check("fair-shedding");
}

#[test]
fn load_aware() {
    check("load-aware");
}

#[test]
fn real_july() {
    check("real-july");
}

#[test]
fn routes() {
    check("routes");
}

#[test]
fn scenario2() {
    check("scenario2");
}

#[test]
fn time_of_use() {
    check("time-of-use");
}

/// Plays a scenario in every language and compares what it prints.
fn check(name: &str) {
    for language in LANGUAGES {
        let printed = normalised(&play(name, &["--lang", language]));
        let path = expected(name, language);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &printed).expect("the expected output can be written");
        }
        compare(name, language, &printed);
    }
}

#[test]
fn scenario2_on_redis() {
    check_on_redis("scenario2");
}

/// Policies are swapped and rolled back in the middle of these.
#[test]
fn swaps_of_policies_on_redis() {
    for name in [
        "dynamic-prices",
        "fair-shedding",
        "load-aware",
        "time-of-use",
    ] {
        check_on_redis(name);
    }
}

/// On Redis a scenario prints the same.
fn check_on_redis(name: &str) {
    for language in LANGUAGES {
        let server = Server::start(Kept::Nothing);
        let options = ["--lang", language, "--store", &server.url()];
        let printed = normalised(&play(name, &options));
        compare(name, language, &printed);
    }
}

fn compare(name: &str, language: &str, printed: &str) {
    if let Some(difference) = difference(&read(&expected(name, language)), printed) {
        panic!("{name} in {language}: {difference}");
    }
}

fn expected(name: &str, language: &str) -> PathBuf {
    root().join(format!("scenarios/{name}.{language}.expected.txt"))
}

fn play(name: &str, options: &[&str]) -> String {
    let file = root().join(format!("scenarios/{name}.toml"));
    let mut leyden = Command::new(env!("CARGO_BIN_EXE_leyden"));
    leyden.env("LEYDEN_COMPILED", root().join("target/compiled"));
    let output = leyden
        .args(["scenario", "run"])
        .args(options)
        .arg(file)
        .output();
    let output = output.expect("the binary starts");
    let printed = String::from_utf8(output.stdout).expect("text");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name} {options:?}:\n{printed}\n{complaint}"
    );
    printed
}

/// The first line that differs.
fn difference(expected: &str, printed: &str) -> Option<String> {
    let mut pairs = (1..).zip(expected.lines().zip(printed.lines()));
    let told = |(number, (expected, printed))| {
        format!("line {number}\n  expected {expected}\n  printed  {printed}")
    };
    let differs = pairs
        .find(|(_, (expected, printed))| expected != printed)
        .map(told);
    let lengths = (expected.lines().count(), printed.lines().count());
    differs.or_else(|| (lengths.0 != lengths.1).then(|| format!("{lengths:?} lines")))
}

/// Replaces what is different in every run, UUIDs, by their number in order of appearance.
fn normalised(text: &str) -> String {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    while start < text.len() {
        let candidate = text.get(start..start + 36);
        if let Some(uuid) = candidate.filter(|text| uuid::Uuid::try_parse(text).is_ok()) {
            let next = known.len() + 1;
            out.push_str(&format!("<uuid-{}>", known.entry(uuid).or_insert(next)));
            start += uuid.len();
        } else {
            let sign = text[start..].chars().next().expect("not at the end");
            out.push(sign);
            start += sign.len_utf8();
        }
    }
    out
}

#[test]
fn every_scenario_file_is_tested() {
    let files = std::fs::read_dir(root().join("scenarios")).expect("the folder is there");
    let paths = files.map(|file| file.expect("readable").path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    let names: BTreeSet<String> = scenarios
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, SCENARIOS.map(str::to_owned).into());
}

/// The figures that `real-july` expects are those of a computation that shares no code with the
/// host. It needs Python 3.11; a machine without it has the other tests.
#[test]
fn the_figures_of_real_july_are_computed_independently() {
    let script = [
        "scenarios/data/figures.py",
        "--check",
        "scenarios/real-july.toml",
    ];
    let able = Command::new("python3")
        .args(["-c", "import tomllib"])
        .output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("not compared: there is no Python 3.11 here");
        return;
    }
    let output = Command::new("python3")
        .args(script)
        .current_dir(root())
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A manifest, as far as this test needs it.
#[derive(serde::Deserialize)]
struct Manifest {
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(serde::Deserialize)]
struct Route {
    path: String,
}

#[test]
fn every_route_of_every_plugin_is_called_by_a_scenario() {
    let mut called: BTreeSet<String> = SCENARIOS.iter().flat_map(|name| called(name)).collect();
    called.extend(sent("routes"));
    let manifests = std::fs::read_dir(root().join("plugins")).expect("the folder is there");
    let manifests = manifests.map(|folder| folder.expect("readable").path().join("plugin.toml"));
    let routes = manifests.filter(|path| path.is_file()).flat_map(|path| {
        let manifest: Manifest = toml::from_str(&read(&path)).expect("a manifest");
        manifest.routes
    });
    let idle: Vec<String> = routes
        .map(|route| route.path)
        .filter(|template| !called.iter().any(|path| matches(template, path)))
        .collect();
    assert!(idle.is_empty(), "no scenario calls {idle:#?}");
}

/// The paths that a scenario calls, from its expected output, which the other tests hold true. A
/// bare parameter there may or may not have been a segment of the path, so it does not count.
fn called(name: &str) -> Vec<String> {
    let text = read(&expected(name, LANGUAGES[0]));
    let path = |line: &str| {
        let (service, rest) = line.strip_prefix("[service]:")?.split_once("; [route]:")?;
        let (route, _) = rest.split_once("; [params]:")?;
        Some(format!("/{service}/{route}"))
    };
    text.lines().filter_map(path).collect()
}

/// The paths that a scenario calls, as they were sent.
fn sent(name: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&play(name, &["--json"])).expect("a report");
    let steps = report["steps"].as_array().expect("steps").iter();
    let entries = steps.flat_map(|step| step["entries"].as_array().expect("entries"));
    let paths = entries.filter_map(|entry| entry["path"].as_str());
    paths.map(str::to_owned).collect()
}

/// Whether a path fits a template such as `/a/{id}/b`.
fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fits = |(wanted, segment): (&&str, &&str)| wanted.starts_with('{') || wanted == segment;
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

#[test]
fn uuids_are_numbered_in_order_of_appearance() {
    let (one, two) = (
        "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94",
        "19201e04-4d24-4093-b684-f8c82644e3e9",
    );
    let text = format!("é {one}/{two}, {one}");
    assert_eq!(normalised(&text), "é <uuid-1>/<uuid-2>, <uuid-1>");
}
