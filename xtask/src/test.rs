//! `cargo xtask test` and its quick part, `cargo xtask check`.
//!
//! Everything that compiles the host does so in the release profile: wasmtime takes minutes, and
//! what the tests compile is what the demo runs; lints and documentation share theirs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::python::Built;
use crate::stages::Stages;
use crate::{build, guests, paths, process, python, redis, templates, wit};

pub(crate) const TEST_HELP: &str = "\
Usage: cargo xtask test

Everything continuous integration runs, in this order; the first failing stage ends the run:
  format        rustfmt
  wit           wit/ breaks no component that was built against a release of it
  components    build every plugin and test component
  python        build partners' plugins in Python, where componentize-py can be had
  lints         clippy on the whole workspace, warnings are errors
  docs          rustdoc, warnings are errors
  plugin tests  cargo test of the plugins, their SDK and xtask, natively; the same of plugins in Python
  redis         find a redis-server; install Debian's where there is none
  host tests    cargo test of the host; what needs Redis starts servers on free ports and ends them
  host          build the release host
  templates     build and try what `leyden new`, `leyden plugin new` and `leyden policy new` write
  scenario …    each file of scenarios/, run by the release host, and scenario 2 on Redis as well
  licences      cargo-deny: licences, bans, sources; advisories when the database can be reached
The last line counts the stages that passed and failed.

Environment:
  LEYDEN_REDIS_SERVER=PATH   the redis-server to use";

pub(crate) const CHECK_HELP: &str = "\
Usage: cargo xtask check

The quick part of `cargo xtask test`, for use while editing: format, lints, unit tests.";

/// Plenty for any scenario of the repository; one that hangs must not hang the run.
const SCENARIO_LIMIT: Duration = Duration::from_secs(600);

/// The advisory database is a git repository of a few MB.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(60);

/// Runs `cargo xtask test`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    args.finish()?;
    Ok(Stages::run_all(|stages| {
        stages.stage("format", format)?;
        stages.stage("wit", wit::check)?;
        stages.stage("components", guests::build)?;
        python_plugins(stages)?;
        stages.stage("lints", lints)?;
        stages.stage("docs", docs)?;
        stages.stage("plugin tests", || plugin_tests(&[]))?;
        python_tests(stages)?;
        let server = stages.stage("redis", redis::program)?;
        stages.stage("host tests", || host_tests(&[], Some(&server)))?;
        stages.stage("host", build::host)?;
        for skipped in stages.stage("templates", templates::test)? {
            stages.skip("template", &skipped);
        }
        for file in scenarios()? {
            stages.stage(&format!("scenario {}", stem(&file)), || {
                scenario(&file, None)
            })?;
        }
        stages.stage("scenario scenario2 on Redis", || {
            let file = paths::root().join("scenarios/scenario2.toml");
            scenario(&file, Some(&redis::Server::start(&server)?))
        })?;
        licences(stages)
    }))
}

/// Runs `cargo xtask check`.
pub(crate) fn run_check(args: Args) -> Result<ExitCode> {
    args.finish()?;
    Ok(Stages::run_all(|stages| {
        stages.stage("format", format)?;
        stages.stage("lints", lints)?;
        stages.stage("plugin tests", || plugin_tests(&["--lib", "--bins"]))?;
        stages.stage("host tests", || host_tests(&["--lib", "--bins"], None))
    }))
}

/// Partners' plugins in Python need a tool that a machine may not get.
fn python_plugins(stages: &mut Stages) -> Result<()> {
    match stages.stage("python", python::build)? {
        Built::All => {}
        Built::Skipped(reason) => stages.skip("plugins in Python", &reason),
    }
    Ok(())
}

fn python_tests(stages: &mut Stages) -> Result<()> {
    if !process::succeeds(process::command("python3").arg("--version")) {
        stages.skip("plugin tests in Python", "there is no python3");
        return Ok(());
    }
    stages.stage("plugin tests in Python", python::test)
}

fn format() -> Result<()> {
    need_component("fmt", "rustfmt")?;
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` formats the files")
}

fn lints() -> Result<()> {
    need_component("clippy", "clippy")?;
    build::need_c_compiler()?;
    let mut clippy = process::cargo();
    clippy.args([
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        // The fuzz target too, but not the fuzzer, which is C++.
        "--features",
        "leyden-fuzz/target",
        "--",
        "-D",
        "warnings",
    ]);
    process::run(&mut clippy)
}

fn docs() -> Result<()> {
    let mut doc = process::cargo();
    doc.args(["doc", "--release", "--workspace", "--no-deps"]);
    process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The tests of everything but the host and what tries it by chance, which need neither wasmtime nor SQLite.
fn plugin_tests(which: &[&str]) -> Result<()> {
    let mut test = process::cargo();
    test.args(["test", "--release", "--workspace"]);
    test.args(["--exclude", "leyden", "--exclude", "leyden-fuzz"]);
    process::run(test.args(which))
}

/// The host is tested by itself: together with the plugins its dependencies would get other
/// features than in `cargo build --package leyden`, and wasmtime would be compiled twice. `server`
/// is the program that the tests start.
fn host_tests(which: &[&str], server: Option<&Path>) -> Result<()> {
    build::need_c_compiler()?;
    let mut test = process::cargo();
    test.args(["test", "--release", "--package", "leyden"]);
    if let Some(server) = server {
        test.env(redis::VARIABLE, server);
    }
    process::run(test.args(which))
}

/// Makes sure of a cargo subcommand that rustup installs as `component`.
fn need_component(subcommand: &str, component: &str) -> Result<()> {
    if process::succeeds(process::cargo().args([subcommand, "--version"])) {
        return Ok(());
    }
    process::run(process::command("rustup").args(["component", "add", component]))
        .with_context(|| format!("{component} is missing: rustup component add {component}"))
}

/// The scenario files, by name. A repository without any is broken.
fn scenarios() -> Result<Vec<PathBuf>> {
    let folder = paths::root().join("scenarios");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).context("cannot list scenarios/")? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there is no scenario in scenarios/");
    }
    files.sort();
    Ok(files)
}

/// Runs one scenario on a host of its own, embedded or on Redis. Its narration goes to a file, and is
/// shown on failure.
fn scenario(file: &Path, server: Option<&redis::Server>) -> Result<()> {
    let folder = paths::target().join("scenarios");
    fs::create_dir_all(&folder)?;
    let store = server.map_or("", |_| "-redis");
    let narration = folder.join(format!("{}{store}.txt", stem(file)));
    let mut leyden = process::command(paths::leyden());
    leyden.args(["scenario", "run"]).arg(paths::shown(file));
    if let Some(server) = server {
        leyden.args(["--store", &server.url()]);
    }
    leyden.env("LEYDEN_COMPILED", paths::compiled());
    leyden.stdout(File::create(&narration)?);
    let outcome = process::run_within(SCENARIO_LIMIT, &mut leyden);
    if outcome.is_err() {
        eprintln!("{}", fs::read_to_string(&narration)?);
    }
    outcome.with_context(|| format!("the narration is in {}", paths::shown(&narration)))
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn licences(stages: &mut Stages) -> Result<()> {
    if !process::succeeds(process::cargo().args(["deny", "--version"])) {
        stages.skip(
            "licences",
            "cargo-deny is missing: cargo install --locked cargo-deny",
        );
        return Ok(());
    }
    stages.stage("licences", || {
        process::run(process::cargo().args(["deny", "check", "bans", "licenses", "sources"]))
    })?;
    let mut fetch = process::cargo();
    if process::run_within(ADVISORIES_LIMIT, fetch.args(["deny", "fetch", "db"])).is_err() {
        stages.skip("advisories", "the advisory database cannot be reached");
        return Ok(());
    }
    stages.stage("advisories", || {
        process::run(process::cargo().args(["deny", "check", "advisories"]))
    })
}
