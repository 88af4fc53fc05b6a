//! Projects of functions: `leyden build` makes them as they were written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{paths, process, python};

/// What every function exports.
const EXPORTED: &str = "wasi:http/incoming-handler@0.2.";

/// Builds a project of each language; what could not be tried, with its reason.
pub(super) fn test(folder: &Path) -> Result<[Option<String>; 2]> {
    rust(&new(folder, "rust")?)?;
    let python = python(&new(folder, "python")?)?;
    let js = super::js(&new(folder, "js")?)?;
    Ok([python, js])
}

fn new(folder: &Path, language: &str) -> Result<PathBuf> {
    let project = folder.join(format!("function-{language}"));
    let mut leyden = process::command(paths::leyden());
    leyden.args(["new", "my-hello", "--lang", language, "--folder"]);
    process::run(leyden.arg(&project))?;
    Ok(project)
}

/// Nothing is downloaded: the versions are the workspace's own.
fn rust(project: &Path) -> Result<()> {
    fs::copy(paths::root().join("Cargo.lock"), project.join("Cargo.lock"))?;
    // A folder that lasts, so that dependencies are compiled once.
    let target = paths::target().join("template-rust");
    fs::create_dir_all(&target)?;
    symlink(&target, project.join("target"))?;
    let mut test = process::cargo();
    test.arg("test").current_dir(project);
    process::run(test.env("CARGO_NET_OFFLINE", "true"))?;
    build(project)
}

fn python(project: &Path) -> Result<Option<String>> {
    let tool = match python::tool(&project.join("requirements.txt")) {
        Ok(tool) => tool,
        Err(reason) => return Ok(Some(format!("functions in Python: {reason:#}"))),
    };
    let mut test = process::command("python3");
    test.args(["-B", "-m", "unittest", "--quiet"]);
    process::run(test.current_dir(project))?;
    // The project's environment is the one that has the tool.
    let environment = tool
        .parent()
        .and_then(Path::parent)
        .context("an environment")?;
    symlink(environment, project.join(".venv"))?;
    build(project)?;
    Ok(None)
}

/// Builds it as its README says, and looks at what came of it.
fn build(project: &Path) -> Result<()> {
    let mut leyden = process::command(paths::leyden());
    leyden.args(["--json", "build", "--folder"]).arg(project);
    let told = process::output(leyden.env("CARGO_NET_OFFLINE", "true"))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    ensure!(told["kind"] == "function", "no function: {told}");
    let exports = told["exports"].as_array().into_iter().flatten();
    let mut exports = exports.filter_map(serde_json::Value::as_str);
    ensure!(
        exports.any(|name| name.starts_with(EXPORTED)),
        "it answers no HTTP: {told}"
    );
    Ok(())
}
