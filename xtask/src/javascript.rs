//! The tool that makes components of JavaScript: componentize-js, from npm, in a folder of its own below the target folder.
//!
//! As with Python's tool, its absence is told with its reason and is no error.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::paths::{self, shown};
use crate::process;

/// The tool is 400 MB, a third of that on the way: this is long enough at 5 Mbit/s.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// The tool's package.
const PACKAGE: &str = "@bytecodealliance/componentize-js";

/// The `node_modules` with the tool in the version that this `package.json` pins, installed where it is not there yet.
pub(crate) fn modules(package: &Path) -> Result<PathBuf> {
    let Some(version) = version_in(package, |it| &it["devDependencies"][PACKAGE])? else {
        bail!("{} pins no version of {PACKAGE}", shown(package));
    };
    let folder = paths::target().join(format!("componentize-js-{version}"));
    let modules = folder.join("node_modules");
    let installed = modules.join(PACKAGE).join("package.json");
    let is_there = || -> Result<bool> {
        let there = installed.is_file() && modules.join(".package-lock.json").is_file();
        Ok(there && version_in(&installed, |it| &it["version"])?.as_ref() == Some(&version))
    };
    if is_there()? {
        return Ok(modules);
    }
    fs::create_dir_all(&folder)?;
    fs::copy(package, folder.join("package.json"))?;
    let mut install = process::command("npm");
    install.args(["install", "--silent", "--no-audit", "--no-fund"]);
    process::run_within(INSTALL_LIMIT, install.current_dir(&folder))?;
    ensure!(is_there()?, "npm installed no {PACKAGE} {version}");
    Ok(modules)
}

fn version_in(
    package: &Path,
    member: impl Fn(&serde_json::Value) -> &serde_json::Value,
) -> Result<Option<String>> {
    let text = fs::read_to_string(package).with_context(|| shown(package))?;
    let package: serde_json::Value = serde_json::from_str(&text).with_context(|| shown(package))?;
    Ok(member(&package).as_str().map(str::to_owned))
}
