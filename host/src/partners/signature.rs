//! What a partner signs when it uploads a plugin. Pure.
//!
//! The text names the bytes, whose plugin it is, its name and its version, so that a signature fits one
//! upload only: it cannot be used again for another name, another version or another partner's account.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::ids::{ComponentName, Digest, Invalid, PartnerId};

/// Longest version (bytes): any scheme of versions fits.
const VERSION_BYTES_MAX: usize = 64;

/// What a partner calls a version of its plugin: 1 to 64 visible ASCII characters. It is for people; what
/// identifies a version is its digest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginVersion(String);

impl PluginVersion {
    /// Checks and takes a version.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        match visible && (1..=VERSION_BYTES_MAX).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid("must be 1 to 64 visible ASCII characters")),
        }
    }

    /// The version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PluginVersion {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<PluginVersion> for String {
    fn from(version: PluginVersion) -> Self {
        version.0
    }
}

/// The text that is signed for an upload. No part can hold a line feed, so it has one reading.
#[must_use]
pub fn signed_text(
    digest: &Digest,
    partner: &PartnerId,
    name: &ComponentName,
    version: &PluginVersion,
) -> String {
    format!("leyden-upload-v1\n{digest}\n{partner}\n{name}\n{version}\n")
}

/// A detached signature, from its 64 bytes in base64.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse(text: &str) -> Result<Signature, Invalid> {
    let rule = Invalid("must be the 64 bytes of an Ed25519 signature in base64");
    let bytes = STANDARD.decode(text).map_err(|_| rule.clone())?;
    Signature::from_slice(&bytes).map_err(|_| rule)
}

/// Whether a signature of this text by this key is sound, by the strict rules of RFC 8032: one text has
/// one signature that is taken.
#[must_use]
pub fn fits(key: &[u8; 32], text: &str, signature: &Signature) -> bool {
    let key = VerifyingKey::from_bytes(key);
    key.is_ok_and(|key| key.verify_strict(text.as_bytes(), signature).is_ok())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    fn text(bytes: &[u8], partner: &str, name: &str, version: &str) -> String {
        signed_text(
            &Digest::of(bytes),
            &PartnerId::parse(partner).unwrap(),
            &ComponentName::parse(name).unwrap(),
            &PluginVersion::parse(version).unwrap(),
        )
    }

    #[test]
    fn a_signature_fits_one_upload_only() {
        let pair = SigningKey::from_bytes(&[1; 32]);
        let key = pair.verifying_key().to_bytes();
        let signed = text(b"x", "acme", "peaks", "1.0");
        let signature = pair.sign(signed.as_bytes());
        assert!(fits(&key, &signed, &signature));
        for other in [
            text(b"y", "acme", "peaks", "1.0"),
            text(b"x", "Acme", "peaks", "1.0"),
            text(b"x", "acme", "peak", "1.0"),
            text(b"x", "acme", "peaks", "1.1"),
        ] {
            assert!(!fits(&key, &other, &signature), "{other}");
        }
        let other = SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes();
        assert!(!fits(&other, &signed, &signature));
    }

    #[test]
    fn the_text_is_the_documented_one() {
        let expected = "leyden-upload-v1\n\
            2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\nacme\npeaks\n1.0\n";
        assert_eq!(text(b"x", "acme", "peaks", "1.0"), expected);
    }

    #[test]
    fn a_signature_with_another_encoding_of_its_number_is_refused() {
        let pair = SigningKey::from_bytes(&[1; 32]);
        let mut bytes = pair.sign(b"text").to_bytes();
        // S plus the order of the group proves the same to a lax verifier (RFC 8032, 8.4).
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0_u16;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        let key = pair.verifying_key().to_bytes();
        let refused = match Signature::from_slice(&bytes) {
            Ok(signature) => !fits(&key, "text", &signature),
            Err(_) => true,
        };
        assert!(refused);
    }

    #[test]
    fn signatures_and_versions_have_their_form() {
        for wrong in [
            "",
            "x",
            "AAAA",
            &STANDARD.encode([0; 63]),
            &STANDARD.encode([0; 65]),
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&STANDARD.encode([0; 64])).is_ok());
        for wrong in ["", "1 0", "1\n", "é", &"1".repeat(65)] {
            assert!(PluginVersion::parse(wrong).is_err(), "{wrong}");
        }
        assert!(PluginVersion::parse("1.0.0-rc.1+x/y").is_ok());
    }
}
