//! `leyden plugin sign FILE`, and signing for `push`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

use super::client::{read_component, read_file};
use super::route::{Identity, plugin_name};
use super::{Context, Error};
use crate::ids::{ComponentName, Digest, PartnerId};
use crate::partners::signature::{self, PluginVersion};

/// Longest file of a private key, bytes: PEM of an Ed25519 key has 119.
const KEY_BYTES_MAX: u64 = 4_096;

/// Prints the signature of an upload, for a machine that has the key but does not upload.
///
/// It fits one upload only: these bytes, of this partner, under this name and version.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin sign plugin.wasm --key signing.pem --partner acme --name my-report --version 1
  openssl gives the same: the text to sign is five lines, each ended by a line feed:
    leyden-upload-v1, the file's SHA-256 in hexadecimal digits, the partner, the name, the version")]
pub(super) struct Sign {
    /// The component.
    file: PathBuf,
    /// Your private key: Ed25519 in PEM (PKCS #8), as `leyden plugin keygen` or openssl writes it.
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    label: Label,
}

/// Under what a component is uploaded.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Label {
    /// The plugin's name.
    #[arg(long)]
    name: String,
    /// What you call this version, 1 to 64 visible ASCII characters; the first digits of its SHA-256 where it is not
    /// given.
    #[arg(long)]
    version: Option<String>,
}

/// What an upload is signed for.
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) partner: PartnerId,
    pub(super) name: ComponentName,
    pub(super) version: PluginVersion,
}

impl Upload {
    /// Reads the file and checks the rest.
    pub(super) fn read(file: &Path, identity: &Identity, label: &Label) -> Result<Self, Error> {
        let (partner, name) = (identity.id()?, plugin_name(&label.name)?);
        let bytes = read_component(file)?;
        let digest = Digest::of(&bytes);
        let version = label.version.clone().unwrap_or_else(|| digest.short());
        let version = PluginVersion::parse(&version);
        let version = version.map_err(|rule| Error::Usage(format!("--version: {rule}")))?;
        Ok(Self {
            bytes,
            digest,
            partner,
            name,
            version,
        })
    }

    /// The signature in base64.
    pub(super) fn signature(&self, key: &SigningKey) -> String {
        let text = signature::signed_text(&self.digest, &self.partner, &self.name, &self.version);
        STANDARD.encode(key.sign(text.as_bytes()).to_bytes())
    }
}

impl Sign {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let upload = Upload::read(&self.file, &self.identity, &self.label)?;
        let signature = upload.signature(&read_key(&self.key)?);
        if !context.global.json {
            return Ok(context.screen.line(&signature)?);
        }
        context.show(&json!({
            "digest": upload.digest.to_string(),
            "partner": upload.partner,
            "name": upload.name.as_str(),
            "version": upload.version,
            "signature": signature,
        }))
    }
}

/// Reads a private key. What is wrong with it is told without repeating it.
pub(super) fn read_key(path: &Path) -> Result<SigningKey, Error> {
    let text = read_file(path, KEY_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&text);
    let key = SigningKey::from_pkcs8_pem(text.trim());
    key.map_err(|_| {
        Error::Usage(format!(
            "{}: must be an Ed25519 private key in PEM (`-----BEGIN PRIVATE KEY-----`), not encrypted, as `leyden plugin \
             keygen` writes it",
            path.display()
        ))
    })
}
