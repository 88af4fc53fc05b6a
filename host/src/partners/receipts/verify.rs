//! Whether a receipt is as a host signed it, and whether receipts follow each other without a gap. Needs the public key,
//! and neither a host nor a store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, VerifyingKey};

use super::{NO_RECEIPT, Receipt, VERSION, written};
use crate::ids::{Digest, PartnerId};

/// Hexadecimal digits of a key's name: enough to tell keys apart, which is all it is for.
const KEY_NAME_CHARS: usize = 16;

/// What verifies receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) VerifyingKey);

impl PublicKey {
    /// Reads a key as RFC 8410 has it, in PEM.
    ///
    /// # Errors
    /// It is not the PEM of an Ed25519 public key.
    pub fn from_pem(pem: &str) -> Result<Self, Unsound> {
        let key = VerifyingKey::from_public_key_pem(pem.trim_ascii());
        key.map(Self).map_err(|_| Unsound::KeyFile)
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.unwrap_or_default()
    }

    /// What receipts call it.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = Digest::of(self.0.as_bytes()).to_string();
        name.truncate(KEY_NAME_CHARS);
        name
    }
}

/// Why a receipt, or a chain of them, is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// The key that it is to be verified with cannot be read.
    #[error("the key must be an Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    KeyFile,
    /// It is not a receipt at all; what does not fit.
    #[error("this is not a receipt: {0}")]
    NotAReceipt(String),
    /// It says what a receipt says, in other bytes than a host writes.
    #[error("the receipt is not written as a host writes it: it was changed")]
    Rewritten,
    /// It was signed with another key.
    #[error("the receipt names the key {named}, and the key that was given is {given}")]
    OtherKey {
        /// The key that the receipt names.
        named: String,
        /// The key it is verified with.
        given: String,
    },
    /// The signature is not that of these words.
    #[error("the signature does not fit: the receipt was changed")]
    Signature,
    /// It contradicts itself.
    #[error("the receipt contradicts itself: {0}")]
    Contradiction(&'static str),
    /// A receipt of a chain does not follow the one before it.
    #[error("receipt {sequence} does not follow the one before it: {rule}")]
    Link {
        /// Its place.
        sequence: u64,
        /// What does not fit.
        rule: &'static str,
    },
}

/// Verifies one receipt, given as its exact bytes; one line end behind them, as editors leave it, is allowed.
///
/// # Errors
/// See [`Unsound`].
pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Receipt, Unsound> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let receipt: Receipt =
        serde_json::from_slice(bytes).map_err(|e| Unsound::NotAReceipt(e.to_string()))?;
    if written(&receipt) != bytes {
        return Err(Unsound::Rewritten);
    }
    if receipt.key != key.name() {
        return Err(Unsound::OtherKey {
            named: receipt.key,
            given: key.name(),
        });
    }
    check_signature(&receipt, key)?;
    check_sense(&receipt)?;
    Ok(receipt)
}

fn check_signature(receipt: &Receipt, key: &PublicKey) -> Result<(), Unsound> {
    let signature = BASE64.decode(&receipt.signature).ok();
    let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
    let mut unsigned = receipt.clone();
    unsigned.signature.clear();
    let signature = signature.ok_or(Unsound::Signature)?;
    let verified = key.0.verify_strict(&written(&unsigned), &signature);
    verified.map_err(|_| Unsound::Signature)
}

/// What no host writes, signed or not.
fn check_sense(receipt: &Receipt) -> Result<(), Unsound> {
    let reads = receipt.reads.iter().map(|read| u128::from(read.datapoints));
    let sum = reads.sum::<u128>() + u128::from(receipt.compute);
    if receipt.version != VERSION {
        return Err(Unsound::Contradiction("its version is not known"));
    }
    if receipt.plugin.is_some() == receipt.component.is_some() {
        return Err(Unsound::Contradiction(
            "it must name a plugin or a component, and one only",
        ));
    }
    if sum != u128::from(receipt.total) {
        return Err(Unsound::Contradiction(
            "its total is not the sum of its reads and of compute",
        ));
    }
    if receipt.total > 0 && !receipt.outcome.is_charged() {
        return Err(Unsound::Contradiction("a fault of the host is charged"));
    }
    Ok(())
}

/// Verifies receipts one after the other, in the order of their places. They may begin anywhere in a
/// partner's chain; from there on none may be missing.
#[derive(Debug)]
pub struct Chain<'k> {
    key: &'k PublicKey,
    last: Option<(PartnerId, u64, String)>,
}

impl<'k> Chain<'k> {
    /// A chain of which nothing is known.
    #[must_use]
    pub fn new(key: &'k PublicKey) -> Self {
        Self { key, last: None }
    }

    /// Verifies the next receipt.
    ///
    /// # Errors
    /// See [`Unsound`].
    pub fn next(&mut self, bytes: &[u8]) -> Result<Receipt, Unsound> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let receipt = verify(bytes, self.key)?;
        self.check_link(&receipt).map_err(|rule| Unsound::Link {
            sequence: receipt.sequence,
            rule,
        })?;
        let hash = Digest::of(bytes).to_string();
        self.last = Some((receipt.partner.clone(), receipt.sequence, hash));
        Ok(receipt)
    }

    fn check_link(&self, receipt: &Receipt) -> Result<(), &'static str> {
        let is_first = receipt.sequence == 1;
        let Some((partner, sequence, hash)) = &self.last else {
            let fits = is_first == (receipt.previous == NO_RECEIPT);
            return fits
                .then_some(())
                .ok_or("only the first has none before it");
        };
        if receipt.partner != *partner {
            return Err("it is another partner's");
        }
        if receipt.sequence != sequence + 1 {
            return Err("one is missing, or they are not in order");
        }
        let fits = receipt.previous == *hash;
        fits.then_some(()).ok_or("it names another one before it")
    }
}
