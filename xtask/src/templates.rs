//! What `leyden new`, `leyden plugin new` and `leyden policy new` write is built as an engineer, a partner or an operator would
//! build it: in a folder of its own, by the commands of its README. Where there is no way to the tools that make components of Python and
//! JavaScript, only the tests of those run; where there is none to those of C, nothing of it does.

pub(crate) mod function;
mod policy;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::toolchain::{GuestToolchain, TARGET};
use crate::{javascript, paths, process, python};

/// Making a component of Python code starts and freezes an interpreter, which takes 10 s.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Longest run of any other command, that a host which waits for what never comes may not hang the run. The longest, which
/// compiles the dependencies of projects in Rust once, takes a minute.
const COMMAND_LIMIT: Duration = Duration::from_secs(600);

/// Tries them all; what could not be tried, with its reason.
pub(crate) fn test() -> Result<Vec<String>> {
    let folder = paths::target().join("templates");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let toolchain = GuestToolchain::prepare()?;
    check(&rust(&new(&folder, "rust")?, "plugin", &toolchain)?)?;
    policy::test(&folder, &toolchain)?;
    let plugins = [python(&new(&folder, "python")?)?, js(&new(&folder, "js")?)?];
    let functions = function::test(&folder)?;
    Ok(plugins.into_iter().flatten().chain(functions).collect())
}

fn run(command: &mut Command) -> Result<()> {
    process::run_within(COMMAND_LIMIT, command)
}

fn output(command: &mut Command) -> Result<String> {
    process::output_within(COMMAND_LIMIT, command)
}

/// A new project, as the host writes it.
fn new(folder: &Path, language: &str) -> Result<PathBuf> {
    let project = folder.join(language);
    let mut leyden = process::command(paths::leyden());
    leyden.args(["plugin", "new", "my-report", "--lang", language, "--folder"]);
    run(leyden.arg(&project))?;
    Ok(project)
}

/// A host would take what was built.
fn check(component: &Path) -> Result<()> {
    let mut leyden = process::command(paths::leyden());
    leyden.args(["plugin", "check", "--trust", "1"]);
    run(leyden.arg(component))
}

/// Tests a project in Rust and builds its component, `artifact`. Nothing is downloaded: the versions are the workspace's own.
fn rust(project: &Path, artifact: &str, toolchain: &GuestToolchain) -> Result<PathBuf> {
    fs::copy(paths::root().join("Cargo.lock"), project.join("Cargo.lock"))?;
    // A folder that lasts, so that dependencies are compiled once.
    let target = paths::target().join("template-rust");
    let mut build = toolchain.cargo_build();
    build.arg("--release");
    let mut test = process::cargo();
    test.arg("test");
    for mut command in [test, build] {
        command
            .current_dir(project)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_NET_OFFLINE", "true");
        run(&mut command)?;
    }
    Ok(target.join(TARGET).join(format!("release/{artifact}.wasm")))
}

fn python(project: &Path) -> Result<Option<String>> {
    let tool = match python::tool(&project.join("requirements.txt")) {
        Ok(tool) => tool,
        Err(reason) => return Ok(Some(format!("Python: {reason:#}"))),
    };
    let mut make = process::command(tool);
    make.args([
        "--quiet",
        "-d",
        "wit",
        "-w",
        "plugin",
        "componentize",
        "--stub-wasi",
        "app",
    ]);
    make.args(["-o", "plugin.wasm"]).current_dir(project);
    process::run_within(BUILD_LIMIT, &mut make)?;
    check(&project.join("plugin.wasm"))?;
    Ok(None)
}

fn js(project: &Path) -> Result<Option<String>> {
    if let Some(reason) = js_tools(project)? {
        return Ok(Some(format!("JavaScript: {reason}")));
    }
    let mut make = process::command("npm");
    make.args(["run", "--silent", "build"]);
    process::run_within(BUILD_LIMIT, make.current_dir(project))?;
    check(&project.join("plugin.wasm"))?;
    Ok(None)
}

/// Runs the tests of a project in JavaScript, natively, and gives it its tools; why it cannot.
fn js_tools(project: &Path) -> Result<Option<String>> {
    if !process::succeeds(process::command("node").arg("--version")) {
        return Ok(Some("there is no node".to_owned()));
    }
    let mut test = process::command("node");
    run(test.arg("--test").current_dir(project)).context("the tests of the template")?;
    match javascript::modules(&project.join("package.json")) {
        Ok(modules) => symlink(modules, project.join("node_modules"))?,
        Err(reason) => return Ok(Some(format!("{reason:#}"))),
    }
    Ok(None)
}
