//! How WebAssembly is compiled on this machine. Two ways, the first that works:
//!
//! - rustup: the toolchain in use, with the standard library of the target that rustup installs;
//! - Debian: where rustup cannot download, the distribution's compiler and the source of its
//!   standard library, compiled by cargo, with the linker of the rustup toolchain.
//!
//! Each has its own target folder, so that switching between them recompiles nothing.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::paths;
use crate::process;

/// The target of every component: no operating system, so no WASI imports.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that forces one of the two ways.
const FORCE_VARIABLE: &str = "LEYDEN_GUEST_TOOLCHAIN";

/// The linker, part of the Rust toolchain, that turns the compiler's output into a component.
const LINKER: &str = "wasm-component-ld";

/// Debian's compiler. Its path is fixed: another `rustc` usually comes first on the path.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// The target's standard library is about 20 MB: this is long enough at 1 Mbit/s.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// The way chosen for this run.
pub(crate) enum GuestToolchain {
    /// The toolchain in use has the target.
    Rustup,
    /// Debian's compiler, and the folder of the linker in the rustup toolchain.
    Debian { linker_folder: PathBuf },
}

impl GuestToolchain {
    /// Chooses, and installs what is missing; the error names the commands that would install it.
    pub(crate) fn prepare() -> Result<Self> {
        match env::var(FORCE_VARIABLE).as_deref() {
            Ok("rustup") => Self::rustup(),
            Ok("debian") => Self::debian(),
            Ok("") | Err(env::VarError::NotPresent) => Self::first_that_works(),
            _ => bail!("{FORCE_VARIABLE} must be `rustup` or `debian`"),
        }
    }

    fn first_that_works() -> Result<Self> {
        if target_is_installed() {
            return Ok(Self::Rustup);
        }
        // A machine on which rustup was refused once is not asked again at every build.
        if refusal_note().exists() && debian_is_installed() {
            return Self::debian();
        }
        let Err(refused) = Self::rustup() else {
            return Ok(Self::Rustup);
        };
        eprintln!("    {refused:#}\n    trying the distribution's compiler instead");
        let debian = Self::debian().map_err(|error| nothing_works(&refused, &error))?;
        fs::create_dir_all(paths::target())?;
        fs::write(refusal_note(), format!("{refused:#}\n"))?;
        Ok(debian)
    }

    fn rustup() -> Result<Self> {
        if !target_is_installed() {
            eprintln!("    the target {TARGET} is missing: asking rustup for it");
            process::run_within(
                RUSTUP_LIMIT,
                process::command("rustup").args(["target", "add", TARGET]),
            )
            .with_context(|| format!("the target {TARGET} cannot be installed"))?;
        }
        if !target_is_installed() {
            bail!("rustup installed {TARGET}, but not for the rustc in use");
        }
        Ok(Self::Rustup)
    }

    fn debian() -> Result<Self> {
        let linker_folder = linker_folder()?;
        if !debian_is_installed() {
            debian::install(&DEBIAN_PACKAGES)?;
        }
        if !debian_is_installed() {
            bail!(
                "{DEBIAN_RUSTC} with the source of its standard library is missing or older than \
                 Rust {}",
                env!("CARGO_PKG_RUST_VERSION")
            );
        }
        Ok(Self::Debian { linker_folder })
    }

    /// The subfolder of the target folder for this way's output.
    pub(crate) fn target_folder(&self) -> &'static str {
        match self {
            Self::Rustup => "guest",
            Self::Debian { .. } => "guest-debian",
        }
    }

    /// `cargo build` for the target.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut cargo = process::cargo();
        cargo.args(["build", "--target", TARGET]);
        if let Self::Debian { linker_folder } = self {
            // `-Z` on a stable compiler needs RUSTC_BOOTSTRAP; the target needs no more of it.
            cargo.arg("-Zbuild-std=std,panic_abort");
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo.env("PATH", path_with(linker_folder));
            cargo.env(linker_variable(), linker_folder.join(LINKER));
        }
        cargo
    }
}

impl fmt::Display for GuestToolchain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rustup => "toolchain: rustup",
            Self::Debian { .. } => "toolchain: debian, with its own standard library",
        })
    }
}

/// Where it is noted that rustup was refused; `cargo clean` forgets it.
fn refusal_note() -> PathBuf {
    paths::target().join("guest-toolchain-refused")
}

fn nothing_works(rustup: &anyhow::Error, debian: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "WebAssembly cannot be compiled on this machine. Either of these would do:\n  \
         rustup target add {TARGET}\n      ({rustup:#})\n  \
         {}\n      ({debian:#})",
        debian::manual(&DEBIAN_PACKAGES)
    )
}

fn target_is_installed() -> bool {
    let printed = process::output(process::command("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]));
    printed.is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// Whether Debian's compiler is there, recent enough, with the source of its standard library.
fn debian_is_installed() -> bool {
    let print = |what: &[&str]| process::output(process::command(DEBIAN_RUSTC).args(what));
    if !Path::new(DEBIAN_RUSTC).exists() {
        return false;
    }
    let (Ok(version), Ok(sysroot)) = (print(&["--version"]), print(&["--print", "sysroot"])) else {
        return false;
    };
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std");
    is_recent_enough(&version) && source.is_dir()
}

/// Whether `rustc 1.96.0 (…)` is not older than the workspace's `rust-version`.
fn is_recent_enough(printed: &str) -> bool {
    let version = printed.split_whitespace().nth(1).and_then(minor_version);
    version >= minor_version(env!("CARGO_PKG_RUST_VERSION"))
}

fn minor_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// The folder of the linker inside the toolchain in use.
fn linker_folder() -> Result<PathBuf> {
    let sysroot = process::output(process::command("rustc").args(["--print", "sysroot"]))?;
    let about = process::output(process::command("rustc").arg("-vV"))?;
    let Some(host) = about.lines().find_map(|line| line.strip_prefix("host: ")) else {
        bail!("`rustc -vV` names no host");
    };
    let folder = Path::new(&sysroot)
        .join("lib/rustlib")
        .join(host)
        .join("bin");
    if !folder.join(LINKER).is_file() {
        bail!(
            "{LINKER} is missing in {}: install Rust by rustup (https://rustup.rs)",
            folder.display()
        );
    }
    Ok(folder)
}

/// The path with the linker's folder and that of the `wasm-ld` it calls in front.
fn path_with(linker_folder: &Path) -> OsString {
    let mut folders = vec![linker_folder.to_owned(), linker_folder.join("gcc-ld")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(folders).unwrap_or_else(|_| linker_folder.into())
}

/// Cargo's variable for the target's linker.
fn linker_variable() -> String {
    format!(
        "CARGO_TARGET_{}_LINKER",
        TARGET.to_uppercase().replace('-', "_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_compiler_is_not_recent_enough() {
        assert!(is_recent_enough(
            "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a tarball)"
        ));
        assert!(is_recent_enough("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert!(!is_recent_enough("rustc 1.85.0 (4d91de4e4 2025-02-17)"));
        assert!(!is_recent_enough("rustc"));
    }

    #[test]
    fn the_linker_is_given_by_cargos_variable() {
        assert_eq!(
            linker_variable(),
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"
        );
    }
}
