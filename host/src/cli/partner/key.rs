//! `leyden partner key ID FILE`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::super::client::read_file;
use super::{Context, Error, path};
use crate::partners::upload_key;

/// Longest file of a public key, bytes: PEM of an Ed25519 key has 113.
const KEY_BYTES_MAX: u64 = 4_096;

/// Registers the public key that a partner's uploads are signed with, in place of the former one.
///
/// What was uploaded before stays. A private key is refused before it leaves this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden partner key acme signing.pem.pub      as `leyden plugin keygen` or `openssl pkey -pubout` wrote it
  leyden partner key acme ~/id_ed25519.pub     a key of ssh")]
pub(super) struct Key {
    /// The partner.
    id: String,
    /// A file with the public key: Ed25519, in PEM, as ssh has it, or 32 bytes in hexadecimal digits or base64.
    file: PathBuf,
}

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let text = read_file(&self.file, KEY_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let wrong = |rule| Error::Usage(format!("{}: {rule}", self.file.display()));
        upload_key::parse(&text).map_err(wrong)?;
        let (client, path) = (context.client()?, path(&self.id, &["upload-key"])?);
        let answer = client
            .write(Method::POST, &path, &json!({ "pem": text }))
            .await?;
        context.show(&answer)
    }
}
