//! Compiled functions and components of partners on disk: one file each, the compiled code followed by a tag (HMAC-SHA-256)
//! under a key that lies in the same folder, which is the host's user's alone.
//!
//! **Invariants.** Code is mapped only after its tag was found right: whoever can neither read the key
//! nor take part as the host's user cannot have anything executed. The tag covers what the code was
//! compiled from and for, so none can be put in another's place. A file appears whole or not at all.

mod folder;

pub(super) use folder::Room;
pub(crate) use folder::private_key;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compile::Artifact;
use crate::ids::Digest;

/// Bytes of a tag.
const TAG_BYTES: usize = 32;

/// Bytes that are read and hashed at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The compiled components of one folder.
pub(super) struct Artifacts {
    folder: PathBuf,
    room: Room,
    key: [u8; 32],
}

/// Where code comes from.
enum Code<'a> {
    Memory(&'a [u8]),
    File(&'a Path),
}

impl Artifact {
    /// Makes it a component, in memory only.
    pub(super) fn into_component(self, engine: &Engine) -> wasmtime::Result<Component> {
        component(engine, &Code::Memory(self.bytes()))
    }
}

impl Artifacts {
    /// Opens a folder, making it and its key where they are missing.
    ///
    /// # Errors
    /// It cannot be made, or belongs to others.
    pub(super) fn open(folder: &Path, room: Room) -> io::Result<Self> {
        folder::make(folder)?;
        Ok(Self {
            key: folder::key(folder)?,
            folder: folder.to_owned(),
            room,
        })
    }

    /// How long what is kept under this digest is, bytes; none where there is nothing.
    pub(super) fn bytes(&self, engine: &Engine, digest: &Digest) -> Option<u64> {
        let about = self.path(engine, digest).metadata();
        about.ok().map(|about| about.len())
    }

    /// The component of this digest, if it is kept and its tag is right.
    pub(super) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(engine, digest);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled component cannot be read");
                return None;
            }
        };
        if !self.is_ours(&mut file, &path).unwrap_or(false) {
            tracing::warn!(path = %path.display(), "a compiled component's tag is wrong: compiling it anew");
            return None;
        }
        component(engine, &Code::File(&path))
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "a compiled component does not load: compiling it anew");
            })
            .ok()
    }

    /// Keeps an artifact and maps it; none where that does not work. The oldest make room.
    pub(super) fn keep(
        &self,
        engine: &Engine,
        digest: &Digest,
        artifact: &Artifact,
    ) -> Option<Component> {
        let path = self.path(engine, digest);
        let written = folder::write(&path, |file| {
            let mut tag = self.tag(&path);
            tag.update(artifact.bytes());
            file.write_all(artifact.bytes())?;
            file.write_all(&tag.finalize().into_bytes())
        });
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "a compiled component is not kept on disk");
            return None;
        }
        folder::make_room(&self.folder, self.room, &path);
        component(engine, &Code::File(&path)).ok()
    }

    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let made_for = folder::made_for(engine);
        self.folder.join(format!("{digest}-{made_for}.cwasm"))
    }

    /// A tag that has taken in which component it is for.
    fn tag(&self, path: &Path) -> Hmac<Sha256> {
        let mut tag = keyed(&self.key);
        let name = path.file_name().unwrap_or_default();
        tag.update(name.as_encoded_bytes());
        tag.update(b"\0");
        tag
    }

    /// Whether a file ends with the tag of what precedes it.
    fn is_ours(&self, file: &mut File, path: &Path) -> io::Result<bool> {
        let bytes = file.metadata()?.len();
        let Some(code_bytes) = bytes.checked_sub(TAG_BYTES as u64) else {
            return Ok(false);
        };
        let mut tag = self.tag(path);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut code = io::Read::by_ref(file).take(code_bytes);
        loop {
            let read = code.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            tag.update(&chunk[..read]);
        }
        let mut kept = [0; TAG_BYTES];
        file.read_exact(&mut kept)?;
        Ok(tag.verify_slice(&kept).is_ok())
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(keyed) => keyed,
        Err(_) => unreachable!("HMAC takes keys of any length (RFC 2104)"),
    }
}

/// Makes compiled code a component.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot tell compiled code that it made from other code: whoever loads it answers for it"
)]
fn component(engine: &Engine, code: &Code<'_>) -> wasmtime::Result<Component> {
    // SAFETY: the code was compiled by this host's own child process: it comes straight from it, or
    // from a file in a folder that only this user can write to, after its tag was checked. Whoever could
    // change the file between check and mapping is this user already. wasmtime itself checks that the
    // code was made by its own version for this configuration and processor.
    unsafe {
        match code {
            Code::Memory(bytes) => Component::deserialize(engine, bytes),
            Code::File(path) => Component::deserialize_file(engine, path),
        }
    }
}
