//! The folder of compiled components: its key, writing files whole, and making room.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use wasmtime::Engine;

use crate::keys::random;

/// The file that holds the key.
const KEY_FILE: &str = "key";

/// For the host's user alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How much is kept. What has to go is compiled anew when it is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    files: usize,
    bytes: u64,
}

impl Room {
    /// For partners' components: some forty of Python, or hundreds of others. They are needed run by run.
    pub(crate) const PARTNERS: Self = Self {
        files: 512,
        bytes: 2 << 30,
    };

    /// For functions: ten thousand small ones and what they were before. All of them are needed when the host starts.
    pub(crate) const FUNCTIONS: Self = Self {
        files: 16_384,
        bytes: 8 << 30,
    };
}

/// Makes a folder that is the host's user's alone.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)?;
    let present = fs::metadata(folder)?;
    if present.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(())
}

/// The folder's key.
pub(super) fn key(folder: &Path) -> io::Result<[u8; 32]> {
    private_key(&folder.join(KEY_FILE))
}

/// The key in a file: 256 random bits, made once. Whoever comes first wins, be it another host.
pub(crate) fn private_key(path: &Path) -> io::Result<[u8; 32]> {
    if !path.exists() {
        let temporary = temporary(path);
        create(&temporary)?.write_all(&random())?;
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    read_key(path)
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let others = about.permissions().mode() & 0o077 != 0;
    if others || about.uid() != fs::metadata("/proc/self").map_or(about.uid(), |own| own.uid()) {
        let why = format!(
            "{} must be the host's user's alone (mode 0600)",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(key)
}

/// Writes a file whole or not at all, through a temporary name beside it.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary(path);
    let written = create(&temporary)
        .and_then(|mut file| fill(&mut file))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing more can be done about it; what stays is removed when room is made.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path)
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()))
}

/// What compiled code was made for: the compiler's version and settings, and the processor.
pub(super) fn made_for(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Removes the oldest files until there is room; never `keep`, nor the key. What is mapped stays mapped.
pub(super) fn make_room(folder: &Path, room: Room, keep: &Path) {
    let mut files = list(folder, keep);
    files.sort_unstable();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = files.len();
    for (_, size, path) in files {
        if count < room.files && bytes <= room.bytes {
            break;
        }
        // Another host that shares the folder may have been faster.
        let _ = fs::remove_file(path);
        count -= 1;
        bytes -= size;
    }
}

/// Age, size and path of every file but the key and `keep`.
fn list(folder: &Path, keep: &Path) -> Vec<(i64, u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != KEY_FILE && entry.path() != keep)
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((about.mtime(), about.len(), entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("partners");
        make(&folder).expect("made");
        let first = key(&folder).expect("a key");
        assert_eq!(key(&folder).expect("the same"), first);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(KEY_FILE)), 0o600);
        fs::set_permissions(folder.join(KEY_FILE), Permissions::from_mode(0o644)).expect("set");
        assert!(key(&folder).is_err(), "a key that others read is none");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cwasm");
        let failed = write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(list(folder.path(), Path::new("")).len(), 0);
    }

    #[test]
    fn the_oldest_files_make_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room {
            files: 8,
            bytes: 100,
        };
        for number in 0..=room.files {
            let path = folder.path().join(format!("{number}.cwasm"));
            write(&path, |_| Ok(())).expect("written");
        }
        let kept = folder.path().join("0.cwasm");
        make_room(folder.path(), room, &kept);
        assert!(kept.exists());
        assert_eq!(list(folder.path(), &kept).len(), room.files - 1);
        let long = folder.path().join("long.cwasm");
        write(&long, |file| file.write_all(&[0; 101])).expect("written");
        make_room(folder.path(), room, &kept);
        assert!(!long.exists(), "too many bytes");
    }
}
