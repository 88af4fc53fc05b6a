//! Notices changes of a project's files by looking: names, times and sizes, a few times a second. It needs nothing of the
//! system that differs between systems and file systems, and a look at the files of a project takes about a millisecond.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::leyden_toml::{FILE, ProjectFile};
use crate::clock;

/// Time between two looks: a change is noticed before its author has let go of the keys.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Most files that are looked at: what has more names what it watches.
const FILES_MAX: usize = 10_000;

/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 16;

/// Folders and files that tools write, which change whenever something is built.
const OF_TOOLS: [&str; 6] = [
    "target",
    "node_modules",
    "__pycache__",
    "dist",
    "build",
    "Cargo.lock",
];

/// A project's files.
pub(super) struct Watch {
    folder: PathBuf,
    /// What is watched, in the folder; empty: all.
    paths: Vec<PathBuf>,
    /// What the build makes, which is no reason to build again.
    component: PathBuf,
    seen: u64,
}

impl Watch {
    /// Watches a project's files from their present state on.
    pub(super) fn new(project: &ProjectFile) -> Self {
        let mut watch = Self {
            folder: project.folder().to_owned(),
            paths: Vec::new(),
            component: PathBuf::new(),
            seen: 0,
        };
        watch.follow(project);
        watch.seen = watch.look();
        watch
    }

    /// Watches what leyden.toml says now.
    pub(super) fn follow(&mut self, project: &ProjectFile) {
        let build = project.project.build.as_ref();
        let watched = build.map_or(&[][..], |build| &build.watch);
        self.paths = watched.iter().map(|path| self.folder.join(path)).collect();
        if !self.paths.is_empty() {
            self.paths.push(self.folder.join(FILE));
        }
        let component = project.project.component.as_deref().unwrap_or_default();
        self.component = self.folder.join(component);
    }

    /// Waits until something is not as it was seen last, and then until it is written: two looks see the same.
    pub(super) async fn changed(&mut self) {
        loop {
            clock::sleep(LOOK_EVERY).await;
            let mut now = self.look();
            if now == self.seen {
                continue;
            }
            loop {
                clock::sleep(LOOK_EVERY / 2).await;
                let later = self.look();
                if later == now {
                    break;
                }
                now = later;
            }
            self.seen = now;
            return;
        }
    }

    /// What there is, condensed.
    fn look(&self) -> u64 {
        let mut look = Look {
            hasher: DefaultHasher::new(),
            left: FILES_MAX,
            component: &self.component,
        };
        match self.paths.is_empty() {
            true => look.path(&self.folder, 0),
            false => self.paths.iter().for_each(|path| look.path(path, 0)),
        }
        look.hasher.finish()
    }
}

struct Look<'a> {
    hasher: DefaultHasher,
    left: usize,
    component: &'a Path,
}

impl Look<'_> {
    fn path(&mut self, path: &Path, depth: usize) {
        // What is gone meanwhile is not there.
        let Ok(about) = fs::symlink_metadata(path) else {
            return;
        };
        if self.left == 0 || path == self.component {
            return;
        }
        self.left -= 1;
        path.hash(&mut self.hasher);
        match about.is_dir() {
            true if depth < DEPTH_MAX => self.folder(path, depth),
            true => {}
            false => self.file(&about),
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let text = name.to_string_lossy();
            if !text.starts_with('.') && !OF_TOOLS.contains(&&*text) {
                self.path(&path.join(&name), depth + 1);
            }
        }
    }

    fn file(&mut self, about: &Metadata) {
        (about.mtime(), about.mtime_nsec(), about.len(), about.ino()).hash(&mut self.hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(watch: &str) -> (tempfile::TempDir, Watch) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "name = \"a\"\ncomponent = \"out.wasm\"\n[build]\ncommand = \"true\"\n{watch}\n"
        );
        fs::write(folder.path().join(FILE), text).expect("written");
        fs::create_dir_all(folder.path().join("src/deep")).expect("made");
        fs::write(folder.path().join("src/deep/a.rs"), "1").expect("written");
        let watch = Watch::new(&ProjectFile::of(folder.path()).expect("sound"));
        (folder, watch)
    }

    fn is_seen(watch: &Watch, folder: &Path, file: &str, text: &str) -> bool {
        let before = watch.look();
        fs::create_dir_all(folder.join(file).parent().expect("a folder")).expect("made");
        fs::write(folder.join(file), text).expect("written");
        watch.look() != before
    }

    #[test]
    fn what_is_written_by_hand_is_seen_and_what_tools_write_is_not() {
        let (folder, watch) = project("");
        let folder = folder.path();
        assert!(is_seen(&watch, folder, "src/deep/a.rs", "22"));
        assert!(is_seen(&watch, folder, "src/new.rs", "x"));
        assert!(is_seen(&watch, folder, FILE, "name = \"b\""));
        for file in [
            "out.wasm",
            "target/x",
            "node_modules/x",
            ".git/x",
            "src/__pycache__/x",
            ".leyden/x",
        ] {
            assert!(!is_seen(&watch, folder, file, "x"), "{file}");
        }
        let before = watch.look();
        fs::remove_file(folder.join("src/new.rs")).expect("removed");
        assert_ne!(watch.look(), before);
    }

    #[test]
    fn only_what_is_named_is_watched_and_the_projects_file() {
        let (folder, watch) = project("watch = [\"src\"]");
        let folder = folder.path();
        assert!(!is_seen(&watch, folder, "notes.txt", "x"));
        assert!(is_seen(&watch, folder, "src/deep/a.rs", "22"));
        assert!(is_seen(&watch, folder, FILE, "name = \"b\""));
    }

    #[tokio::test]
    async fn a_change_is_noticed_once_it_is_written() {
        let (folder, mut watch) = project("");
        let file = folder.path().join("src/deep/a.rs");
        let writing = async {
            for length in 1..5 {
                fs::write(&file, "x".repeat(length)).expect("written");
                clock::sleep(LOOK_EVERY / 4).await;
            }
        };
        tokio::join!(watch.changed(), writing);
        assert_eq!(watch.seen, watch.look());
        let quiet = tokio::time::timeout(LOOK_EVERY * 3, watch.changed()).await;
        assert!(quiet.is_err(), "nothing has changed since");
    }
}
