//! The public key that a partner's uploads are signed with, in the forms that people have it in. Pure.
//!
//! **Invariants.** What is taken is a point of the curve that no signature fits by chance (none of small
//! order, RFC 8032 and "Taming the many EdDSAs"). A private key is never taken, and never repeated in an answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;

use crate::ids::Invalid;

/// Longest text of a key (bytes): PEM of an Ed25519 key has 113, a line of ssh some 80 and a comment.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// What every private Ed25519 key in PKCS #8 has inside (RFC 8410, 7: the algorithm, then the key), for those who
/// leave the lines around it out.
const PRIVATE_DER: [u8; 9] = [0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// How a key in the form of ssh begins, decoded (RFC 8709, 4, and RFC 4253, 6.6).
const SSH_HEAD: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

const RULE: &str = "must be an Ed25519 public key: PEM as `openssl pkey -pubout` writes it, a line \
    `ssh-ed25519 …`, or its 32 bytes in hexadecimal digits or base64";
const PRIVATE: &str = "this is a private key, which must stay with its owner: make a new pair, since this \
    one has been sent, and register what `openssl pkey -in KEY -pubout` writes";
const WEAK: &str = "must not be a key of small order: signatures of anybody would fit it";

/// Reads a public key.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse(text: &str) -> Result<[u8; 32], Invalid> {
    let text = text.trim();
    if text.contains("PRIVATE KEY") || is_private_der(text) {
        return Err(Invalid(PRIVATE));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(Invalid(RULE));
    }
    let key = match text {
        pem if pem.starts_with("-----") => VerifyingKey::from_public_key_pem(pem).ok(),
        other => raw(other).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()),
    };
    let key = key.ok_or(Invalid(RULE))?;
    match key.is_weak() {
        true => Err(Invalid(WEAK)),
        false => Ok(key.to_bytes()),
    }
}

fn raw(text: &str) -> Option<[u8; 32]> {
    let mut words = text.split_ascii_whitespace();
    match (words.next()?, words.next()) {
        ("ssh-ed25519", Some(key)) => {
            let bytes = STANDARD.decode(key).ok()?;
            bytes.strip_prefix(SSH_HEAD)?.try_into().ok()
        }
        (digits, None) if digits.len() == 64 => {
            let digest = crate::ids::Digest::parse(digits).ok()?;
            Some(*digest.bytes())
        }
        (encoded, None) => base64(encoded)?.try_into().ok(),
        _ => None,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let decoded = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text));
    decoded.ok()
}

fn is_private_der(text: &str) -> bool {
    base64(text).is_some_and(|bytes| {
        let mut windows = bytes.windows(PRIVATE_DER.len());
        windows.any(|window| window == PRIVATE_DER)
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};

    use super::*;

    /// The example of RFC 8410, 10.1, as `openssl pkey -pubout` writes it.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    fn public() -> [u8; 32] {
        parse(PEM).unwrap()
    }

    #[test]
    fn every_form_gives_the_same_key() {
        let key = public();
        assert_eq!(key[..4], [0x19, 0xbf, 0x44, 0x09]);
        let hex = hex::encode(key);
        let ssh = STANDARD.encode([SSH_HEAD, &key[..]].concat());
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            STANDARD.encode(key),
            STANDARD_NO_PAD.encode(key),
            format!("ssh-ed25519 {ssh} me@here\n"),
            format!("ssh-ed25519 {ssh}"),
            PEM.replace('\n', "\r\n"),
        ] {
            assert_eq!(parse(&text), Ok(key), "{text}");
        }
    }

    #[test]
    fn private_keys_are_told_apart_and_not_repeated() {
        let pair = SigningKey::from_bytes(&[7; 32]);
        let pem = pair.to_pkcs8_pem(LineEnding::LF).unwrap();
        let der = STANDARD.encode(pair.to_pkcs8_der().unwrap().as_bytes());
        let without_public = [
            &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05],
            &PRIVATE_DER[..],
            &[7; 32],
        ];
        let openssl = STANDARD.encode(without_public.concat());
        for text in [
            pem.as_str(),
            &der,
            &openssl,
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            &format!("{PEM}{}", pem.as_str()),
        ] {
            assert_eq!(parse(text), Err(Invalid(PRIVATE)), "{text}");
        }
        let public = pair
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        assert_eq!(parse(&public), Ok(pair.verifying_key().to_bytes()));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        // The identity, the point of order 2, and two of order 8 and 4.
        let order = |first: u8, last: u8| {
            let mut bytes = [0; 32];
            (bytes[0], bytes[31]) = (first, last);
            bytes
        };
        let eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let two = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        for text in [
            &STANDARD.encode(order(1, 0)),
            &STANDARD.encode(order(0, 0)),
            eight,
            two,
        ] {
            assert_eq!(parse(text), Err(Invalid(WEAK)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK7ttYaE/1ldsb0OJQDQhhDWqwuFWIyt\n\
            xgYIJH1HYA4UpA/Nm24fERIA1xi2Pomep6VTnQ/ThFP5hn2NyITwfIsCAwEAAQ==\n-----END PUBLIC KEY-----";
        let x25519 = PEM.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu");
        for text in [
            "",
            "x",
            rsa,
            &x25519,
            "ssh-rsa AAAA",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            &"0".repeat(63),
            &"é".repeat(32),
            &"A".repeat(TEXT_BYTES_MAX + 1),
            // Not a point of the curve.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(parse(text), Err(Invalid(RULE)), "{text}");
        }
    }
}
