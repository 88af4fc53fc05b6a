//! Projects of functions: `leyden build` makes them as they were written, a host takes them, and they answer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{js_tools, output, run};
use crate::host::Host;
use crate::{debian, paths, process, python};

/// What every function exports.
const EXPORTED: &str = "wasi:http/incoming-handler@0.2.";

/// What the README of a project in C installs.
const C_PACKAGES: [&str; 4] = ["make", "clang", "wasi-libc", "libclang-rt-dev-wasm32"];

/// Builds a project of each language, puts it in service, and asks it; what could not be tried, with its reason.
pub(super) fn test(folder: &Path) -> Result<Vec<String>> {
    let host = Host::bare(&folder.join("functions"))?;
    let mut skipped = Vec::new();
    for (language, prepare) in [
        ("rust", rust as fn(&Path) -> Result<Option<String>>),
        ("python", python),
        ("js", js_tools),
        ("c", c),
    ] {
        let name = format!("hello-{language}");
        let project = new(folder, &name, language)?;
        let tried = match prepare(&project)? {
            Some(reason) => {
                skipped.push(format!("functions in {language}: {reason}"));
                continue;
            }
            None => build(&project).and_then(|_| serve(&host, &project, &name)),
        };
        tried.with_context(|| format!("the template for {language}"))?;
    }
    Ok(skipped)
}

/// Builds the project of an interpreted language where that was not done before: the component, or why there is none.
pub(crate) fn hello(folder: &Path, language: &str) -> Result<Result<PathBuf, String>> {
    let name = format!("hello-{language}");
    let component = folder.join(&name).with_extension("wasm");
    if component.is_file() {
        return Ok(Ok(component));
    }
    let left_over = folder.join(&name);
    if left_over.exists() {
        fs::remove_dir_all(&left_over)?;
    }
    fs::create_dir_all(folder)?;
    let project = new(folder, &name, language)?;
    let prepare = if language == "js" { js_tools } else { python };
    if let Some(reason) = prepare(&project)? {
        return Ok(Err(reason));
    }
    fs::copy(build(&project)?, &component)?;
    Ok(Ok(component))
}

fn new(folder: &Path, name: &str, language: &str) -> Result<PathBuf> {
    let project = folder.join(name);
    let mut leyden = process::command(paths::leyden());
    leyden.args(["new", name, "--lang", language, "--folder"]);
    run(leyden.arg(&project))?;
    Ok(project)
}

/// Runs its tests. Nothing is downloaded: the versions are the workspace's own.
fn rust(project: &Path) -> Result<Option<String>> {
    fs::copy(paths::root().join("Cargo.lock"), project.join("Cargo.lock"))?;
    // A folder that lasts, so that dependencies are compiled once.
    let target = paths::target().join("template-rust");
    fs::create_dir_all(&target)?;
    symlink(&target, project.join("target"))?;
    let mut test = process::cargo();
    test.arg("test").current_dir(project);
    run(test.env("CARGO_NET_OFFLINE", "true"))?;
    Ok(None)
}

/// Runs its tests, and gives it its tools; why it cannot.
fn python(project: &Path) -> Result<Option<String>> {
    if !process::succeeds(process::command("python3").arg("--version")) {
        return Ok(Some("there is no python3".to_owned()));
    }
    let mut test = process::command("python3");
    test.args(["-B", "-m", "unittest", "--quiet"]);
    run(test.current_dir(project))?;
    let tool = match python::tool(&project.join("requirements.txt")) {
        Ok(tool) => tool,
        Err(reason) => return Ok(Some(format!("{reason:#}"))),
    };
    // The project's environment is the one that has the tool.
    let environment = tool
        .parent()
        .and_then(Path::parent)
        .context("an environment")?;
    symlink(environment, project.join(".venv"))?;
    Ok(None)
}

/// Has its tools installed where they are missing, and runs its tests; why it cannot.
fn c(project: &Path) -> Result<Option<String>> {
    let tools = || {
        let mut make = process::command("make");
        make.args(["--silent", "tools"]).current_dir(project);
        make
    };
    if !process::succeeds(&mut tools()) {
        let installed = debian::install(&C_PACKAGES).and_then(|()| run(&mut tools()));
        if let Err(reason) = installed {
            return Ok(Some(format!("{reason:#}")));
        }
    }
    let mut test = process::command("make");
    run(test.args(["--silent", "test"]).current_dir(project))?;
    Ok(None)
}

/// Builds it as its README says, and looks at what came of it.
fn build(project: &Path) -> Result<PathBuf> {
    let mut leyden = process::command(paths::leyden());
    leyden.args(["--json", "build", "--folder"]).arg(project);
    let told = output(leyden.env("CARGO_NET_OFFLINE", "true"))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    ensure!(told["kind"] == "function", "no function: {told}");
    let exports = told["exports"].as_array().into_iter().flatten();
    let mut exports = exports.filter_map(serde_json::Value::as_str);
    ensure!(
        exports.any(|name| name.starts_with(EXPORTED)),
        "it answers no HTTP: {told}"
    );
    let component = told["component"].as_str();
    let component = component.with_context(|| format!("no component: {told}"))?;
    Ok(project.join(component))
}

/// Deploys it, asks it in both places where it is reached, and looks for what it wrote.
fn serve(host: &Host, project: &Path, name: &str) -> Result<()> {
    let mut deploy = host.leyden(&["deploy", "--folder"]);
    run(deploy.arg(project))?;
    for (target, data, expected) in [
        (format!("/{name}"), "Ada", "Hello, Ada!"),
        (name.to_owned(), " ", "Hello, world!"),
    ] {
        let told = output(&mut host.leyden(&["invoke", &target, "--data", data]))?;
        ensure!(
            told == expected,
            "{target} answers {told:?}, not {expected:?}"
        );
    }
    let log = output(&mut host.leyden(&["logs", name]))?;
    ensure!(
        log.lines().filter(|line| line.contains("answers")).count() == 2,
        "its log is {log:?}"
    );
    Ok(())
}
