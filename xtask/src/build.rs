//! `cargo xtask build`: the plugins, and with `--host` the host. The other verbs start with it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::args::Args;
use crate::{guests, paths, process, python};

pub(crate) const HELP: &str = "\
Usage: cargo xtask build [--host]

Compiles every plugin (plugins/) and test component (host/tests/guests/) to a WebAssembly
component and packs it with its manifest:
  target/plugins/NAME.wasm               plugins that are active from the start
  target/plugins/alternatives/NAME.wasm  policies to swap in (bundled = false)
  target/guests/NAME.wasm                components for tests and benchmarks; in guests/partners/ those of partners
Partners' example plugins (plugins/partners/) become target/plugins-partners/NAME.wasm. Those in Python
need componentize-py, which is installed from PyPI into the target folder; where it cannot be had they
are left out, which is said.
What is up to date is not built again.

Options:
  --host   build the release host (target/release/leyden) as well

Environment:
  LEYDEN_GUEST_TOOLCHAIN=rustup   use rustup's target; install it when it is missing
  LEYDEN_GUEST_TOOLCHAIN=debian   use Debian's rustc-web; install it when it is missing
  Unset, the first way that works is used, rustup first.";

/// Runs the verb.
pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let with_host = args.flag("--host");
    args.finish()?;
    guests::build()?;
    python::build()?;
    if with_host {
        host()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the release host.
pub(crate) fn host() -> Result<()> {
    need_c_compiler()?;
    eprintln!("    compiling the host; the first time takes minutes");
    process::run_unannounced(process::cargo().args(["build", "--release", "--package", "leyden"]))
}

/// Builds a release host that breaks where it is told to, and says where it lies. It lies apart from the sound one,
/// which is put back in its place.
pub(crate) fn breakable_host() -> Result<PathBuf> {
    eprintln!("    compiling a host that breaks on request");
    let mut cargo = process::cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        "leyden",
        "--bin",
        "leyden",
    ]);
    cargo.args(["--features", "failpoints,mutations"]);
    process::run_unannounced(&mut cargo)?;
    let breakable = paths::target().join("leyden-breakable");
    std::fs::copy(paths::leyden(), &breakable)
        .with_context(|| format!("cannot copy the host to {}", breakable.display()))?;
    host()?;
    Ok(breakable)
}

/// Builds the program that makes modules by chance, and says where it lies.
pub(crate) fn smith() -> Result<PathBuf> {
    eprintln!("    compiling what makes modules by chance");
    let mut cargo = process::cargo();
    cargo.args(["build", "--release", "--package", "leyden-smith"]);
    process::run_unannounced(&mut cargo)?;
    Ok(paths::target().join("release").join("smith"))
}

/// The embedded store compiles SQLite, which is written in C.
pub(crate) fn need_c_compiler() -> Result<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    if !process::succeeds(process::command(compiler).arg("--version")) {
        bail!("a C compiler is missing (SQLite needs it): apt-get install -y gcc libc6-dev");
    }
    Ok(())
}
