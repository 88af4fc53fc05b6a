//! API keys: how they look, how they are made and compared. What keeps them is elsewhere: `partners::keys`,
//! `operators`.
//!
//! A key is `<prefix><id>_<secret>_<checksum>`: a prefix that says whose it is, 12 hexadecimal digits that name it,
//! 32 random bytes in base64url, and the CRC-32 of everything before, so that a mistyped key is told from
//! a wrong one, and tools that look for leaked secrets can be sure of one.
//!
//! **Invariants.** A key is shown once, when it is made; only its SHA-256 is kept, and two digests are
//! compared in the same time wherever they differ.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::ids::Invalid;

/// Hexadecimal digits of a key's id.
const ID_CHARS: usize = 12;
/// Characters of its secret: 32 bytes in base64 without padding.
const SECRET_CHARS: usize = 43;
/// Hexadecimal digits of its checksum.
const SUM_CHARS: usize = 8;
/// Characters of a prefix.
const PREFIX_CHARS: usize = 4;
/// Characters of a key before its checksum and the `_` that leads to it.
const HEAD_CHARS: usize = PREFIX_CHARS + ID_CHARS + 1 + SECRET_CHARS;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A partner's: `ley_…`.
    Partner,
    /// An operator's: `leo_…`.
    Operator,
}

impl Of {
    /// What every such key begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Partner => "ley_",
            Self::Operator => "leo_",
        }
    }

    /// Whose key a text is, or is meant to be.
    #[must_use]
    pub fn told_by(text: &[u8]) -> Option<Self> {
        let all = [Self::Partner, Self::Operator];
        let begins = |of: &Self| text.starts_with(of.prefix().as_bytes());
        all.into_iter().find(begins)
    }

    const fn shape(self) -> Invalid {
        Invalid(match self {
            Self::Partner => {
                "must be a partner's key: ley_, 12 hexadecimal digits, _, 43 characters, _, 8 digits"
            }
            Self::Operator => {
                "must be an operator's key: leo_, 12 hexadecimal digits, _, 43 characters, _, 8 digits"
            }
        })
    }
}

/// A whole key. Whoever has it is its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key from the system's randomness.
    #[must_use]
    pub fn generate(of: Of) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(random());
        let mut id = uuid::Uuid::new_v4().simple().to_string();
        id.truncate(ID_CHARS);
        let head = format!("{}{id}_{secret}", of.prefix());
        let sum = crc32fast::hash(head.as_bytes());
        Self(format!("{head}_{sum:08x}"))
    }

    /// Reads a key; no store is asked.
    ///
    /// # Errors
    /// The rule that the text breaks: it was cut or mistyped.
    pub fn parse(of: Of, text: &[u8]) -> Result<Self, Invalid> {
        let text = std::str::from_utf8(text).map_err(|_| of.shape())?;
        let (head, sum) = text.split_at_checked(HEAD_CHARS).ok_or(of.shape())?;
        let id = head
            .strip_prefix(of.prefix())
            .and_then(|rest| rest.get(..ID_CHARS));
        let well_formed = id.is_some_and(is_id) && sum.len() == SUM_CHARS + 1;
        if !well_formed || head.as_bytes().get(HEAD_CHARS - SECRET_CHARS - 1) != Some(&b'_') {
            return Err(of.shape());
        }
        match format!("_{:08x}", crc32fast::hash(head.as_bytes())) == sum {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid("this key's checksum does not fit: it was mistyped")),
        }
    }

    /// What names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0[PREFIX_CHARS..PREFIX_CHARS + ID_CHARS]
    }

    /// The whole key, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// Not the secret.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.id())
    }
}

/// 366 random bits of the system, condensed to 256.
pub(crate) fn random() -> [u8; 32] {
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hash.finalize().into()
}

/// Compares two digests in the same time wherever they differ.
pub(crate) fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == ID_CHARS && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_differ() {
        for of in [Of::Partner, Of::Operator] {
            let key = ApiKey::generate(of);
            assert_eq!(key.reveal().len(), HEAD_CHARS + 1 + SUM_CHARS);
            assert_eq!(ApiKey::parse(of, key.reveal().as_bytes()), Ok(key.clone()));
            assert_eq!(Of::told_by(key.reveal().as_bytes()), Some(of));
            let other = ApiKey::generate(of);
            assert!(key.id() != other.id() && key.sha256() != other.sha256());
            let shown = format!("{key:?}");
            assert!(shown.len() < 24 && shown.contains(key.id()), "{shown}");
        }
    }

    #[test]
    fn one_owners_key_is_not_anothers() {
        let key = ApiKey::generate(Of::Operator);
        assert!(ApiKey::parse(Of::Partner, key.reveal().as_bytes()).is_err());
        assert_eq!(Of::told_by(b"LEY_0"), None);
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let key = ApiKey::generate(Of::Partner);
        let text = key.reveal().as_bytes();
        for at in 0..text.len() {
            let mut other = text.to_vec();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            assert!(ApiKey::parse(Of::Partner, &other).is_err(), "at {at}");
            assert!(
                ApiKey::parse(Of::Partner, &text[..at]).is_err(),
                "cut at {at}"
            );
        }
        let long = [text, b"0"].concat();
        assert!(ApiKey::parse(Of::Partner, &long).is_err());
        for odd in [&b""[..], b"ley_", b"\xff", "ley_é".as_bytes(), &[b'_'; 69]] {
            assert!(ApiKey::parse(Of::Partner, odd).is_err());
        }
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_zlib() {
        let key = |sum| format!("ley_0123456789ab_{}_{sum}", "A".repeat(SECRET_CHARS));
        let read = |sum| ApiKey::parse(Of::Partner, key(sum).as_bytes());
        assert!(read("b3c905be").is_ok());
        assert!(read("B3C905BE").is_err());
    }
}
