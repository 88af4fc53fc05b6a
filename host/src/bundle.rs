//! Finds the first-party plugins: `<name>.wasm` in one folder, each with its manifest inside.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::ids::ComponentName;
use crate::registry::{Built, Bundled};

/// Why the first-party plugins could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No folder holds any.
    #[error("no first-party plugins in {}: build them with `cargo xtask build`, or name their folder with --plugins", .0.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing(Vec<PathBuf>),
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not named like a component.
    #[error("{0}: a component's name {1}")]
    Name(PathBuf, crate::ids::Invalid),
}

/// All first-party plugins, from the first folder that has any.
///
/// # Errors
/// There are none, or one cannot be read.
pub fn find(config: &Config) -> Result<Vec<Bundled>, Error> {
    let folders = config.plugin_folders();
    for folder in &folders {
        let files = components_in(folder);
        if !files.is_empty() {
            return files.into_iter().map(read).collect();
        }
    }
    Err(Error::Missing(folders))
}

fn components_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "wasm"))
        .collect();
    files.sort();
    files
}

fn read(file: PathBuf) -> Result<Bundled, Error> {
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let name = ComponentName::parse(stem).map_err(|rule| Error::Name(file.clone(), rule))?;
    let bytes = std::fs::read(&file).and_then(|bytes| Ok((bytes, modified_ms(&file)?)));
    match bytes {
        Ok((bytes, modified_ms)) => Ok(Bundled {
            name,
            bytes,
            built: Built::of_this_version(modified_ms),
        }),
        Err(source) => Err(Error::Unreadable { file, source }),
    }
}

/// When a file was written, ms since 1970; 0 where the file system does not know.
fn modified_ms(file: &Path) -> std::io::Result<u64> {
    let modified = std::fs::metadata(file)?.modified().ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}
