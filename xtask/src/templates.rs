//! What `leyden new`, `leyden plugin new` and `leyden policy new` write is built as an engineer, a partner or an operator would
//! build it: in a folder of its own, by the commands of its README. JavaScript's tools are some 400 MB, so of those templates
//! only the tests run.

mod function;
mod policy;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::toolchain::{GuestToolchain, TARGET};
use crate::{paths, process, python};

/// Making a component of Python code starts and freezes an interpreter, which takes 10 s.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

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
    let skipped = [python(&new(&folder, "python")?)?, js(&new(&folder, "js")?)?];
    let of_functions = function::test(&folder)?;
    let skipped = skipped.into_iter().chain(of_functions);
    Ok(skipped.flatten().collect())
}

/// A new project, as the host writes it.
fn new(folder: &Path, language: &str) -> Result<PathBuf> {
    let project = folder.join(language);
    let mut leyden = process::command(paths::leyden());
    leyden.args(["plugin", "new", "my-report", "--lang", language, "--folder"]);
    process::run(leyden.arg(&project))?;
    Ok(project)
}

/// A host would take what was built.
fn check(component: &Path) -> Result<()> {
    let mut leyden = process::command(paths::leyden());
    leyden.args(["plugin", "check", "--trust", "1"]);
    process::run(leyden.arg(component))
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
        process::run(&mut command)?;
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
    if !process::succeeds(process::command("node").arg("--version")) {
        return Ok(Some("JavaScript: there is no node".to_owned()));
    }
    let mut test = process::command("node");
    process::run(test.arg("--test").current_dir(project)).context("the tests of the template")?;
    Ok(None)
}
