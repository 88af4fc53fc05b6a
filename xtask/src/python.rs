//! Partners' plugins in Python, and the tool that makes components of them: componentize-py, from PyPI, in an
//! environment of its own below the target folder.
//!
//! The tool is the one thing that may be missing without anything being broken, so its absence is told with its
//! reason and is no error; a plugin that does not build with it is one.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::paths::{self, shown};
use crate::{debian, process};

/// The tool is 18 MB: this is long enough at 1 Mbit/s.
const INSTALL_LIMIT: Duration = Duration::from_secs(240);

/// Making a component starts and freezes an interpreter, which takes 10 s.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// What makes environments, where Debian's Python comes without it.
const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Where partners' plugins are.
const FOLDER: &str = "plugins/partners";

/// Folders below it with code in Python that has tests.
const TESTED: [&str; 2] = ["solar-report", "templates/python"];

/// What became of the plugins.
pub(crate) enum Built {
    /// All are up to date.
    All,
    /// They cannot be built here; why.
    Skipped(String),
}

/// Builds every plugin in Python into the target folder.
pub(crate) fn build() -> Result<Built> {
    let plugins = find()?;
    let mut changed = Vec::new();
    for plugin in plugins {
        let state = plugin.state()?;
        if fs::read_to_string(plugin.stamp()).ok().as_ref() != Some(&state)
            || !plugin.artifact().is_file()
        {
            changed.push((plugin, state));
        }
    }
    for (plugin, state) in changed {
        // A component of other sources must not be taken for this one.
        let _ = fs::remove_file(plugin.artifact());
        match tool(&plugin.requirements()) {
            Ok(tool) => plugin.build(&tool, &state)?,
            Err(reason) => {
                let reason = format!("componentize-py is not to be had: {reason:#}");
                eprintln!("    skipping the plugins in Python: {reason}");
                return Ok(Built::Skipped(reason));
            }
        }
    }
    Ok(Built::All)
}

/// Runs the tests of code in Python, natively.
pub(crate) fn test() -> Result<()> {
    for folder in TESTED {
        let mut test = process::command("python3");
        // Without writing bytecode into the sources.
        test.args(["-B", "-m", "unittest", "discover", "--quiet"]);
        process::run(test.current_dir(paths::root().join(FOLDER).join(folder)))
            .with_context(|| format!("{FOLDER}/{folder}"))?;
    }
    Ok(())
}

/// A plugin: a folder with `app.py`, what it needs, and the world that it is made for.
struct Plugin {
    name: String,
    folder: PathBuf,
}

fn find() -> Result<Vec<Plugin>> {
    let mut plugins = Vec::new();
    for entry in fs::read_dir(paths::root().join(FOLDER)).context(FOLDER)? {
        let folder = entry?.path();
        if folder.join("app.py").is_file() && folder.join("requirements.txt").is_file() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            plugins.push(Plugin {
                name: name.into_owned(),
                folder: folder.clone(),
            });
        }
    }
    plugins.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(plugins)
}

impl Plugin {
    fn artifact(&self) -> PathBuf {
        paths::partner_plugins().join(format!("{}.wasm", self.name))
    }

    fn stamp(&self) -> PathBuf {
        paths::partner_plugins().join(format!("{}.state", self.name))
    }

    fn requirements(&self) -> PathBuf {
        self.folder.join("requirements.txt")
    }

    /// What the component is made of, condensed: the plugin's files and the interfaces.
    fn state(&self) -> Result<String> {
        let mut files = files_below(&self.folder)?;
        files.extend(files_below(&paths::root().join("wit"))?);
        files.sort();
        let mut hasher = DefaultHasher::new();
        for file in files {
            shown(&file).hash(&mut hasher);
            fs::read(&file)
                .with_context(|| shown(&file))?
                .hash(&mut hasher);
        }
        Ok(format!("{:016x}\n", hasher.finish()))
    }

    fn build(&self, tool: &Path, state: &str) -> Result<()> {
        eprintln!("    making a component of {}", shown(&self.folder));
        fs::create_dir_all(paths::partner_plugins())?;
        let fresh = self.artifact().with_extension("new");
        let mut make = process::command(tool);
        make.args(["--quiet", "-d", "wit", "-d"])
            .arg(self.folder.join("wit"));
        make.args(["-w", &format!("partner:{0}/{0}", self.name)]);
        make.args(["componentize", "--stub-wasi", "app", "-p"])
            .arg(&self.folder);
        make.arg("-o")
            .arg(&fresh)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        process::run_within(BUILD_LIMIT, &mut make)?;
        fs::rename(&fresh, self.artifact())?;
        Ok(fs::write(self.stamp(), state)?)
    }
}

/// Files in a folder and those below it, without what Python caches.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| shown(folder))? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        } else if !path.ends_with("__pycache__") {
            files.extend(files_below(&path)?);
        }
    }
    Ok(files)
}

/// The tool in the version that these requirements pin, installed where it is not there yet.
pub(crate) fn tool(requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements).with_context(|| shown(requirements))?;
    let Some(version) = pinned(&wanted) else {
        bail!("{} pins no version of componentize-py", shown(requirements));
    };
    let folder = paths::target().join(format!("componentize-py-{version}"));
    let tool = folder.join("bin/componentize-py");
    if process::succeeds(process::command(&tool).arg("--version")) {
        return Ok(tool);
    }
    environment(&folder)?;
    let mut install = process::command(folder.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    process::run_within(INSTALL_LIMIT, install.arg(requirements))?;
    Ok(tool)
}

fn pinned(requirements: &str) -> Option<&str> {
    let mut lines = requirements.lines().map(str::trim);
    lines.find_map(|line| line.strip_prefix("componentize-py=="))
}

fn environment(folder: &Path) -> Result<()> {
    let make = || -> Command {
        let mut make = process::command("python3");
        make.args(["-m", "venv", "--clear"]).arg(folder);
        make
    };
    if process::run_within(INSTALL_LIMIT, &mut make()).is_ok() {
        return Ok(());
    }
    debian::install(&DEBIAN_PACKAGES)?;
    process::run_within(INSTALL_LIMIT, &mut make())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_pinned_one() {
        assert_eq!(pinned("# tools\ncomponentize-py==0.25.1\n"), Some("0.25.1"));
        assert_eq!(pinned("componentize-py>=0.25\n"), None);
    }

    #[test]
    fn every_plugin_in_python_is_found_and_changes_with_its_files() {
        let plugins = find().unwrap();
        let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["solar-report"]);
        let state = plugins[0].state().unwrap();
        assert_eq!(state, plugins[0].state().unwrap());
        let other = Plugin {
            name: "solar-report".into(),
            folder: paths::root().join("plugins/partners/templates/python"),
        };
        assert_ne!(state, other.state().unwrap());
    }
}
