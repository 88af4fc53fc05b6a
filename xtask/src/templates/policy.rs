//! Projects of policies. Each begins with the rule that Leyden comes with; so once a host has decided by its own policies, what
//! was built decides all of it alike, and takes over.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{output, run, rust};
use crate::host::Host;
use crate::toolchain::GuestToolchain;
use crate::{paths, process};

/// What policies decide.
const KINDS: [&str; 5] = ["access", "assignment", "peak-limit", "schedule", "shed"];

/// In this story each of them decides something.
const STORY: &str = "scenarios/scenario2.toml";

/// Builds a project of each kind, and promotes each component on a host.
pub(super) fn test(folder: &Path, toolchain: &GuestToolchain) -> Result<()> {
    let built = |kind| Ok((kind, build(folder, kind, toolchain)?));
    let components: Result<Vec<(&str, PathBuf)>> = KINDS.into_iter().map(built).collect();
    let host = Host::start(&folder.join("data"))?;
    let mut story = host.leyden(&["scenario", "run", STORY, "--against", host.url()]);
    run(story.stdout(File::create(folder.join("story.txt"))?))?;
    for (kind, component) in components? {
        take_over(&host, kind, &component).with_context(|| format!("the template for {kind}"))?;
    }
    run(&mut host.leyden(&["policy", "list"]))
}

/// A new project's component, in a place of its own: all projects are built into one folder.
fn build(folder: &Path, kind: &str, toolchain: &GuestToolchain) -> Result<PathBuf> {
    let (name, project) = (format!("my-{kind}"), folder.join(kind));
    let mut leyden = process::command(paths::leyden());
    leyden.args(["policy", "new", &name, "--kind", kind, "--lang", "rust"]);
    run(leyden.arg("--folder").arg(&project))?;
    let built = rust(&project, "policy", toolchain)?;
    let component = folder.join(format!("{kind}.wasm"));
    fs::copy(built, &component)?;
    Ok(component)
}

/// It decides what was decided, and becomes the active version.
fn take_over(host: &Host, kind: &str, component: &Path) -> Result<()> {
    let component = component.display().to_string();
    let diff = [
        "--json",
        "policy",
        "diff",
        kind,
        &component,
        "--max-diff",
        "0",
    ];
    let report = output(&mut host.leyden(&diff))?;
    let report: serde_json::Value = serde_json::from_str(&report)?;
    ensure!(
        report["decisions"].as_u64() > Some(0),
        "nothing was decided: {report}"
    );
    let promote = ["policy", "promote", kind, &component, "--max-diff", "0"];
    // Nobody asks this host for decisions, so its time alone is waited for.
    let at_once = ["--step", "0s", "--min-decisions", "0"];
    run(host.leyden(&promote).args(at_once))
}
