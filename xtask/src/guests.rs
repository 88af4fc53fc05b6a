//! Plugins and test components: finding them, compiling them, and packing each with its manifest. Partners' plugins
//! in Rust are compiled along with them; they have no manifest, and nothing of the workspace but its lints.
//!
//! Whether something must be compiled is cargo's decision; a packed file is only written when its
//! bytes change, and files that no folder stands for any more are removed, because the host takes
//! every file it finds for a plugin.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::component;
use crate::paths::{self, shown};
use crate::process;
use crate::toolchain::{self, GuestToolchain};

/// Plugins that are deployed from the start.
const PLUGIN_ARTIFACTS: &str = "plugins";

/// Plugins whose manifest says `bundled = false`: policies to swap in.
const ALTERNATIVE_ARTIFACTS: &str = "plugins/alternatives";

/// Components that only tests and benchmarks deploy.
const TEST_ARTIFACTS: &str = "guests";

/// Those whose manifest says `bundled = false`: hosts of tests do not start with them.
const TEST_ALTERNATIVE_ARTIFACTS: &str = "guests/alternatives";

/// Partners' components that only tests and benchmarks upload: apart, since hosts of tests start with the others.
const TEST_PARTNER_ARTIFACTS: &str = "guests/partners";

/// One component to build: a folder with a crate and, but for partners' plugins, `plugin.toml`.
struct Guest {
    package: String,
    library: String,
    manifest: Option<String>,
    artifact: PathBuf,
}

/// Builds every plugin and test component into the target folder.
pub(crate) fn build() -> Result<()> {
    let mut guests = find("plugins", |bundled| {
        if bundled {
            PLUGIN_ARTIFACTS
        } else {
            ALTERNATIVE_ARTIFACTS
        }
    })?;
    guests.extend(find("host/tests/guests", |bundled| {
        if bundled {
            TEST_ARTIFACTS
        } else {
            TEST_ALTERNATIVE_ARTIFACTS
        }
    })?);
    let tests = paths::target().join(TEST_PARTNER_ARTIFACTS);
    guests.extend(partners("host/tests/guests", &tests)?);
    guests.extend(partners("plugins/partners", &paths::partner_plugins())?);

    let compiled = compile(&guests)?;
    let mut written = 0;
    for guest in &guests {
        written += usize::from(pack(guest, &compiled)?);
    }
    for folder in [
        PLUGIN_ARTIFACTS,
        ALTERNATIVE_ARTIFACTS,
        TEST_ARTIFACTS,
        TEST_ALTERNATIVE_ARTIFACTS,
    ] {
        remove_strangers(&paths::target().join(folder), &guests)?;
    }
    eprintln!(
        "    {} components up to date, {written} of them changed",
        guests.len()
    );
    Ok(())
}

/// The guests in the folders of `parent`; `artifacts` names the target's subfolder for each,
/// given whether it is bundled. Folders without a `plugin.toml` (the SDK) are no guests.
fn find(parent: &str, artifacts: fn(bool) -> &'static str) -> Result<Vec<Guest>> {
    let parent = paths::root().join(parent);
    let mut guests = Vec::new();
    let entries =
        fs::read_dir(&parent).with_context(|| format!("cannot list {}", shown(&parent)))?;
    for entry in entries {
        let folder = entry?.path();
        if folder.join("plugin.toml").is_file() {
            guests.push(read(&folder, artifacts)?);
        }
    }
    guests.sort_by(|one, other| one.artifact.cmp(&other.artifact));
    Ok(guests)
}

fn read(folder: &Path, artifacts: fn(bool) -> &'static str) -> Result<Guest> {
    let path = folder.join("plugin.toml");
    let manifest = read_text(&path)?;
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy();
    let head = Head::parse(&manifest, &folder_name).with_context(|| shown(&path))?;
    let (package, library) = crate_names(&folder.join("Cargo.toml"))?;
    let artifact = paths::target()
        .join(artifacts(head.bundled))
        .join(format!("{folder_name}.wasm"));
    Ok(Guest {
        package,
        library,
        manifest: Some(manifest),
        artifact,
    })
}

/// Partners' components in Rust: the folders of `parent` that are crates without a `plugin.toml`.
fn partners(parent: &str, artifacts: &Path) -> Result<Vec<Guest>> {
    let parent = paths::root().join(parent);
    let mut guests = Vec::new();
    for entry in fs::read_dir(&parent).with_context(|| format!("cannot list {}", shown(&parent)))? {
        let folder = entry?.path();
        let cargo_toml = folder.join("Cargo.toml");
        if !cargo_toml.is_file() || folder.join("plugin.toml").is_file() {
            continue;
        }
        let (package, library) = crate_names(&cargo_toml)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        guests.push(Guest {
            package,
            library,
            manifest: None,
            artifact: artifacts.join(format!("{name}.wasm")),
        });
    }
    Ok(guests)
}

/// What decides where a plugin's file goes. The host checks the rest of the manifest.
#[derive(Debug, PartialEq)]
struct Head {
    bundled: bool,
}

impl Head {
    /// Reads `manifest`; its name must be `folder`, so that a plugin is found where it is named.
    fn parse(manifest: &str, folder: &str) -> Result<Self> {
        let manifest: toml::Table = manifest.parse()?;
        match manifest.get("name").and_then(toml::Value::as_str) {
            Some(name) if name == folder => {}
            Some(name) => bail!("name is `{name}`; it must be the folder's name, `{folder}`"),
            None => bail!("name is missing; it must be the folder's name, `{folder}`"),
        }
        match manifest.get("bundled") {
            None => Ok(Self { bundled: true }),
            Some(toml::Value::Boolean(bundled)) => Ok(Self { bundled: *bundled }),
            Some(_) => bail!("bundled must be true or false"),
        }
    }
}

/// The names of a crate's package and library.
fn crate_names(path: &Path) -> Result<(String, String)> {
    let cargo_toml: toml::Table = read_text(path)?.parse().with_context(|| shown(path))?;
    let name_in = |table: &str| {
        cargo_toml
            .get(table)?
            .get("name")?
            .as_str()
            .map(str::to_owned)
    };
    let Some(package) = name_in("package") else {
        bail!("{}: package.name is missing", shown(path));
    };
    let library = name_in("lib").unwrap_or_else(|| package.replace('-', "_"));
    Ok((package, library))
}

/// Compiles all guests with one cargo command; returns the folder of its output.
fn compile(guests: &[Guest]) -> Result<PathBuf> {
    let toolchain = GuestToolchain::prepare()?;
    let target = paths::target().join(toolchain.target_folder());
    let mut cargo = toolchain.cargo_build();
    cargo.arg("--target-dir").arg(&target);
    cargo.args(["--profile", "plugin", "--lib"]);
    // Their bytes are versions, and one's own setting must not make others of them.
    cargo.env("CARGO_INCREMENTAL", "0");
    for guest in guests {
        cargo.args(["--package", &guest.package]);
    }
    eprintln!("    compiling {} components ({toolchain})", guests.len());
    process::run_unannounced(&mut cargo)?;
    Ok(target.join(toolchain::TARGET).join("plugin"))
}

/// Packs one guest with its manifest, if it has one; says whether the file changed.
fn pack(guest: &Guest, compiled: &Path) -> Result<bool> {
    let path = compiled.join(format!("{}.wasm", guest.library));
    let bytes = fs::read(&path).with_context(|| {
        format!(
            "cannot read {}: has the crate `crate-type = [\"cdylib\"]`?",
            shown(&path)
        )
    })?;
    let manifest = guest.manifest.as_ref();
    let packed = manifest.map(|manifest| component::with_manifest(&bytes, manifest.as_bytes()));
    let packed = packed.unwrap_or(Ok(bytes)).with_context(|| shown(&path))?;
    write_if_changed(&guest.artifact, &packed)
}

/// Writes through a temporary name, one per process, so that a host that starts now never reads
/// half a file and two builds at once do not take each other's.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let cannot = || format!("cannot write {}", shown(path));
    fs::create_dir_all(path.parent().unwrap_or(path)).with_context(cannot)?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&temporary, bytes).with_context(cannot)?;
    fs::rename(&temporary, path).with_context(cannot)?;
    Ok(true)
}

/// Removes the `.wasm` files of `folder` that belong to none of `guests`.
fn remove_strangers(folder: &Path, guests: &[Guest]) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot list {}", shown(folder)))?,
    };
    for entry in entries {
        let path = entry?.path();
        let is_component = path
            .extension()
            .is_some_and(|extension| extension == "wasm");
        if is_component && !guests.iter().any(|guest| guest.artifact == path) {
            eprintln!("    removing {}, which no folder stands for", shown(&path));
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_must_bear_its_folders_name() {
        let parse = |text| Head::parse(text, "shed");
        assert_eq!(parse("name = \"shed\"").unwrap(), Head { bundled: true });
        assert_eq!(
            parse("name = \"shed\"\nbundled = false").unwrap(),
            Head { bundled: false }
        );
        for wrong in [
            "",
            "name = \"other\"",
            "name = 1",
            "name = \"shed\"\nbundled = 1",
            "name",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
