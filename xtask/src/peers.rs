//! Other servers that the benchmark of functions compares with: found, or installed below the target folder.
//!
//! None of them is needed: one that cannot be had is told with its reason and left out.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::templates::function;
use crate::{paths, process};

/// The wasmtime that the host is built with: another would compare compilers.
const WASMTIME_VERSION: &str = "48.0.8";

/// What `wasmtime serve` needs of it.
const WASMTIME_FEATURES: &str = "serve,cranelift,pooling-allocator,parallel-compilation,component-model,component-model-async,run,compile";

/// The package of workerd, in the version that it is compared in.
const WORKERD: &str = "workerd@1.20261117.1";

/// Compiling wasmtime takes 20 minutes on two cores; this is enough on one that is busy.
const COMPILE_LIMIT: Duration = Duration::from_secs(3_600);

/// workerd is 40 MB on the way: this is long enough at 2 Mbit/s.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

/// A server: the variable that names its program, the program's name, and how it is installed.
struct Peer {
    variable: &'static str,
    program: &'static str,
    install: fn() -> Result<PathBuf>,
}

const PEERS: [Peer; 3] = [
    Peer {
        variable: "LEYDEN_WASMTIME",
        program: "wasmtime",
        install: wasmtime,
    },
    Peer {
        variable: "LEYDEN_NODE",
        program: "node",
        install: node,
    },
    Peer {
        variable: "LEYDEN_WORKERD",
        program: "workerd",
        install: workerd,
    },
];

/// Variables that tell the benchmark where the servers are that can be had.
pub(crate) fn found() -> Vec<(&'static str, PathBuf)> {
    PEERS.iter().filter_map(Peer::found).collect()
}

/// Variables that tell where the hello functions in interpreted languages are, for which components are made once. They are
/// what `leyden new` writes; after a change of that, remove the folder.
pub(crate) fn interpreted() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut found = Vec::new();
    for (variable, language) in [("LEYDEN_HELLO_JS", "js"), ("LEYDEN_HELLO_PYTHON", "python")] {
        match function::hello(&folder(), language)? {
            Ok(component) => found.push((variable, component)),
            Err(reason) => eprintln!("    no function in {language}: {reason}"),
        }
    }
    Ok(found)
}

impl Peer {
    fn found(&self) -> Option<(&'static str, PathBuf)> {
        let Self {
            variable, program, ..
        } = self;
        match self.path() {
            Ok(Some(path)) => Some((variable, path)),
            Ok(None) => {
                eprintln!("    not compared with {program}: {variable} is empty");
                None
            }
            Err(reason) => {
                eprintln!("    not compared with {program}: {reason:#}");
                None
            }
        }
    }

    /// Where its program is; nothing where it is not wanted.
    fn path(&self) -> Result<Option<PathBuf>> {
        if let Some(named) = env::var_os(self.variable) {
            if named.is_empty() {
                return Ok(None);
            }
            let named = PathBuf::from(named);
            ensure!(
                named.is_file(),
                "{} names no file: {}",
                self.variable,
                named.display()
            );
            return Ok(Some(named));
        }
        on_path(self.program)
            .map_or_else(self.install, Ok)
            .map(Some)
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let mut files = env::split_paths(&folders).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

fn folder() -> PathBuf {
    paths::target().join("peers")
}

fn wasmtime() -> Result<PathBuf> {
    let root = folder().join(format!("wasmtime-{WASMTIME_VERSION}"));
    let program = root.join("bin/wasmtime");
    if !program.is_file() {
        eprintln!("    compiling wasmtime to compare with; this takes 20 minutes, once");
        let mut install = process::cargo();
        install.args(["install", "wasmtime-cli", "--version", WASMTIME_VERSION]);
        install.args(["--locked", "--no-default-features", "--features"]);
        install.arg(WASMTIME_FEATURES).arg("--root").arg(&root);
        process::run_within(COMPILE_LIMIT, &mut install)?;
    }
    Ok(program)
}

fn node() -> Result<PathBuf> {
    bail!("it is not on the path: apt-get install -y nodejs")
}

fn workerd() -> Result<PathBuf> {
    let folder = folder().join(WORKERD.replace('@', "-"));
    if installed_workerd(&folder).is_none() {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        let mut install = process::command("npm");
        install.args(["install", "--silent", "--no-audit", "--no-fund", WORKERD]);
        process::run_within(INSTALL_LIMIT, install.current_dir(&folder))?;
    }
    match installed_workerd(&folder) {
        Some(program) => Ok(program),
        None => bail!("npm installed no workerd for this machine"),
    }
}

/// The program itself, in the package of this machine's kind: what npm puts on its path is a script around it.
fn installed_workerd(folder: &std::path::Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules/@cloudflare")).ok()?;
    let mut programs = packages
        .flatten()
        .map(|package| package.path().join("bin/workerd"));
    programs.find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasmtime_is_compared_in_the_version_of_the_host() {
        let lock = fs::read_to_string(paths::root().join("Cargo.lock")).expect("a lock file");
        let locked = format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n");
        assert!(lock.contains(&locked), "WASMTIME_VERSION is another");
    }
}
