//! Files that hold keys: made for their owner alone, and never in place of another.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Context, Error};

/// Readable and writable for the owner, nothing for others.
const OWNER_ONLY: u32 = 0o600;

/// A new, empty file for a secret. It is made before the secret is, so that no secret is made that cannot
/// be kept; dropped without [`NewFile::keep`], it is removed again.
pub(super) struct NewFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl NewFile {
    /// Makes the file.
    ///
    /// # Errors
    /// It is there already or cannot be made.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(OWNER_ONLY);
        let file = file
            .open(path)
            .map_err(|source| Error::unwritable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            kept: false,
        })
    }

    /// Writes the secret.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep(mut self, secret: &str) -> Result<(), Error> {
        let written = self.file.write_all(secret.as_bytes());
        let written = written.and_then(|()| self.file.sync_all());
        written.map_err(|source| Error::unwritable(&self.path, source))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // It is empty; should removing it fail, nothing is lost.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Tells a new API key the only time that it can be told: on the screen, or in a file.
pub(super) fn tell_key(
    context: &Context,
    mut answer: Value,
    key: &Value,
    file: Option<NewFile>,
) -> Result<(), Error> {
    let secret = key["key"].as_str().unwrap_or_default().to_owned();
    let told = match file {
        None => secret,
        Some(file) => {
            file.keep(&format!("{secret}\n"))?;
            "(in the file)".to_owned()
        }
    };
    if context.global.json {
        answer["key"] = json!({ "id": key["id"], "key": told });
        return context.show(&answer);
    }
    answer["keyId"] = key["id"].clone();
    answer["key"] = json!(told);
    context.show(&answer)?;
    let hint = "The API key is told this once; the host keeps only its SHA-256. Hand it over on a safe way.";
    context.screen.error_line(&context.screen.dim(hint));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        NewFile::create(&path).unwrap().keep("secret\n").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
        assert!(NewFile::create(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "secret\n");
    }

    #[test]
    fn a_file_without_its_secret_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(NewFile::create(&path).unwrap());
        assert!(!path.exists());
    }
}
