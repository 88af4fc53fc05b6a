//! `leyden plugin keygen FILE`.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use serde_json::json;

use super::key_file::NewFile;
use super::{Context, Error};
use crate::keys::random;

/// Makes the pair of keys that your uploads are signed with: Ed25519, in PEM.
///
/// FILE gets the private key (PKCS #8, readable for you only), FILE.pub the public one, which the operator
/// registers. openssl makes the same: `openssl genpkey -algorithm ed25519 -out FILE`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin keygen signing.pem")]
pub(super) struct Keygen {
    /// A new file for the private key.
    file: PathBuf,
}

impl Keygen {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let mut public_file = self.file.clone().into_os_string();
        public_file.push(".pub");
        let public_file = PathBuf::from(public_file);
        let file = NewFile::create(&self.file)?;
        let (private, public) = pair()?;
        std::fs::write(&public_file, &public)
            .map_err(|source| Error::unwritable(&public_file, source))?;
        file.keep(&private)?;
        if context.global.json {
            return context.show(&json!({ "privateKey": self.file, "publicKey": public_file }));
        }
        context.screen.line(&format!(
            "{} is the private key: it never leaves you.\n{} is the public key: the operator registers it with\n  \
             leyden partner key ID {}",
            self.file.display(),
            public_file.display(),
            public_file.display()
        ))?;
        Ok(())
    }
}

/// A new pair in PEM: private, public.
fn pair() -> Result<(String, String), Error> {
    let failed = |error: String| Error::Host(format!("no key could be made: {error}"));
    let key = SigningKey::from_bytes(&random());
    let private = key.to_pkcs8_pem(LineEnding::LF);
    let private = private.map_err(|error| failed(error.to_string()))?;
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
    let public = public.map_err(|error| failed(error.to_string()))?;
    Ok((private.to_string(), public))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;

    #[test]
    fn the_two_keys_belong_together_and_are_new() {
        let (private, public) = pair().expect("a pair");
        let key = SigningKey::from_pkcs8_pem(&private).expect("PKCS #8");
        let registered = crate::partners::upload_key::parse(&public);
        assert_eq!(registered, Ok(key.verifying_key().to_bytes()));
        assert_ne!(pair().expect("another").0, private);
    }
}
