//! Where the packages lie: `wit/` with its dependencies, and the copies of what was released.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use super::shape::Package;
use crate::paths::{root, shown};

/// The packages as they are.
pub(super) fn current() -> Result<Vec<Package>> {
    read(&current_folders()?)
}

/// The packages as they were released last.
pub(super) fn released() -> Result<Vec<Package>> {
    read(&folders_in(&released_folder())?)
}

/// Copies each package to where releases lie, and says which ones are new or were added to.
pub(super) fn release() -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for folder in current_folders()? {
        let group = UnresolvedPackageGroup::parse_dir(&folder)?;
        let name = group.main.name.to_string();
        let Some((_, own)) = name.split_once(':') else {
            bail!("{}: {name} has no namespace", shown(&folder));
        };
        if copy(&folder, &released_folder().join(own))? {
            kept.push(format!("{name} is released"));
        }
    }
    Ok(kept)
}

/// Copies the WIT files of a folder; says whether anything is different now.
fn copy(from: &Path, to: &Path) -> Result<bool> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", shown(to)))?;
    let mut changed = false;
    for file in wit_files(from)? {
        let text = fs::read(&file)?;
        let copy = to.join(file.file_name().unwrap_or_default());
        if fs::read(&copy).ok().as_ref() != Some(&text) {
            fs::write(&copy, text).with_context(|| format!("cannot write {}", shown(&copy)))?;
            changed = true;
        }
    }
    Ok(changed)
}

fn wit_folder() -> PathBuf {
    root().join("wit")
}

fn released_folder() -> PathBuf {
    wit_folder().join("released")
}

fn current_folders() -> Result<Vec<PathBuf>> {
    let mut folders = folders_in(&wit_folder().join("deps"))?;
    folders.push(wit_folder());
    Ok(folders)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", shown(folder)))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

fn wit_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", shown(folder)))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut files = paths.collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    Ok(files)
}

fn read(folders: &[PathBuf]) -> Result<Vec<Package>> {
    let groups = folders.iter().map(|folder| {
        let group = UnresolvedPackageGroup::parse_dir(folder)?;
        let files = wit_files(folder)?;
        let file = match files.as_slice() {
            [only] => only,
            _ => folder,
        };
        Ok((group, shown(file)))
    });
    resolve(groups.collect::<Result<_>>()?)
}

/// Packages with the names of their files, each after those that it uses.
pub(super) fn resolve(mut groups: Vec<(UnresolvedPackageGroup, String)>) -> Result<Vec<Package>> {
    let mut resolve = Resolve::default();
    let mut ids = Vec::with_capacity(groups.len());
    while !groups.is_empty() {
        let is_ready = |(group, _): &(UnresolvedPackageGroup, String)| {
            let mut uses = group.main.foreign_deps.keys();
            uses.all(|used| resolve.package_names.contains_key(used))
        };
        // Where none is ready, the first says what it lacks.
        let next = groups.iter().position(is_ready).unwrap_or(0);
        let (group, file) = groups.remove(next);
        let id = resolve.push_group(group).with_context(|| file.clone())?;
        ids.push((id, file));
    }
    let packages = ids.iter();
    let packages = packages.map(|(id, file)| Package::of(&resolve, &resolve.packages[*id], file));
    Ok(packages.collect())
}
