//! Where things lie: the workspace, the target folder, and what is built into it.

use std::path::{Path, PathBuf};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Cargo's target folder. This program was built into its `debug` folder, so the answer holds
/// however the target folder was configured.
pub(crate) fn target() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.to_owned()))
        .unwrap_or_else(|| root().join("target"))
}

/// Where hosts that xtask and the tests start keep compiled components, so that each component is
/// compiled once.
pub(crate) fn compiled() -> PathBuf {
    target().join("compiled")
}

/// What partners' example plugins are built into; the host does not look here.
pub(crate) fn partner_plugins() -> PathBuf {
    target().join("plugins-partners")
}

/// The release host.
pub(crate) fn leyden() -> PathBuf {
    target().join("release").join("leyden")
}

/// `path` as a person in the workspace would write it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
