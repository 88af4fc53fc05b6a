//! Names and numbers that mean something: parsed once at the boundary, then passed as types.
//! No I/O here.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// A type for names that keep a rule: made by `parse` alone, shared when it is cloned, and text on the outside.
macro_rules! names {
    ($(#[$about:meta])* $name:ident, $rule:expr, $keeps:expr) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes one.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let keeps: fn(&str) -> bool = $keeps;
                keeps(text)
                    .then(|| Self(text.into()))
                    .ok_or(Invalid($rule))
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

/// Why a name or number from outside is refused: the rule it breaks, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Longest component name in bytes: it appears in every key and log line.
pub const NAME_BYTES_MAX: usize = 64;

names!(
    /// The name a component is deployed under: 1 to 64 of `a-z`, `0-9` and `-`, a letter first.
    ComponentName,
    "must be 1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    |name| name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| is_lower_or_digit(b) || b == b'-')
);

/// Names are looked up as they come in a path; they compare as their text does.
impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Longest name of a variable in bytes: as long as a component's.
pub const VARIABLE_BYTES_MAX: usize = 64;

names!(
    /// The name of a variable of a component's environment, or of a secret: 1 to 64 of `A-Z`, `a-z`, `0-9` and `_`, not a
    /// digit first, such as `API_KEY`.
    VariableName,
    "must be 1 to 64 of A-Z, a-z, 0-9 and '_', not beginning with a digit",
    |name| (1..=VARIABLE_BYTES_MAX).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

/// Longest stream name in bytes.
pub const STREAM_BYTES_MAX: usize = 128;

names!(
    /// A stream's name: 1 to 128 of `a-z`, `0-9`, `.` and `-`, a letter first, such as `house.readings`.
    StreamName,
    "must be 1 to 128 of a-z, 0-9, '.' and '-', beginning with a letter",
    |name| name.len() <= STREAM_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| is_lower_or_digit(b) || b == b'.' || b == b'-')
);

/// Longest partner id in bytes: it is part of every key and account of the partner.
pub const PARTNER_BYTES_MAX: usize = 128;

/// Names that stand where ids do in the host's own paths: a partner of that name could not be reached.
const PARTNERS_RESERVED: [&str; 1] = ["receipt-key"];

names!(
    /// A partner's id: 1 to 128 bytes of text without control characters and `/`, not beginning with `.`, not beginning
    /// or ending with a blank, and none of the host's own names. So it is one segment of a path, and stays one
    /// whoever normalises it.
    PartnerId,
    "must be 1 to 128 bytes of text without control characters and '/', not beginning with '.', not beginning or ending \
     with a blank, and not 'receipt-key'",
    |id| (1..=PARTNER_BYTES_MAX).contains(&id.len())
        && id.trim() == id
        && !id.starts_with('.')
        && !id.chars().any(|c| c.is_control() || c == '/')
        && !PARTNERS_RESERVED.contains(&id)
);

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// A SHA-256: of a component's bytes, which tells its version, or of an entry of the ledger.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid("must be 64 hexadecimal digits");
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| rule)?;
        Ok(Self(bytes))
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits: enough to tell versions apart by eye.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        // Twice as many digits as bytes always fit, and are text.
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl TryFrom<String> for Digest {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Latest instant served: 9999-12-31T23:59:59.999Z, the last that RFC 3339 can write.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Reads RFC 3339 from 1970 to 9999.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid("must be an RFC 3339 date and time between 1970 and 9999");
        let date = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| rule.clone())?;
        let ms = u64::try_from(date.timestamp_millis()).map_err(|_| rule.clone())?;
        if ms > Self::MAX.0 {
            Err(rule)
        } else {
            Ok(Self(ms))
        }
    }
}

/// RFC 3339 with milliseconds and `Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(0);
        let date = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
        f.write_str(&date.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rules_and_say_them() {
        let (long, longer) = ("x".repeat(64), "x".repeat(128));
        for name in ["a", "a-1", "a--", &long] {
            assert!(ComponentName::parse(name).is_ok(), "{name:?}");
        }
        for name in [
            "",
            "A",
            "1a",
            "-a",
            "a_b",
            "a.b",
            "é",
            "a\0",
            &format!("{long}x"),
        ] {
            let refused = ComponentName::parse(name).expect_err(name);
            assert!(refused.0.starts_with("must be 1 to 64 of a-z,"), "{name:?}");
        }
        for name in ["_", "a", "API_KEY", "_1", &long] {
            assert!(VariableName::parse(name).is_ok(), "{name:?}");
        }
        for name in ["", "1A", "A-B", "A.B", "A=B", "É", &format!("{long}x")] {
            let refused = VariableName::parse(name).expect_err(name);
            assert!(refused.0.starts_with("must be 1 to 64 of A-Z,"), "{name:?}");
        }
        for name in ["a", "a.b-c", "a..", &longer] {
            assert!(StreamName::parse(name).is_ok(), "{name:?}");
        }
        for name in ["", ".a", "1", "A", "a/b", "a_b", &format!("{longer}x")] {
            let refused = StreamName::parse(name).expect_err(name);
            assert!(
                refused.0.starts_with("must be 1 to 128 of a-z,"),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_partners_id_is_one_segment_of_a_path() {
        for id in [
            "acme",
            "a.b",
            "a..",
            "Énergie & Co",
            "receipts",
            "receipt-keys",
            "%2e%2e",
            "?#",
        ] {
            assert!(PartnerId::parse(id).is_ok(), "{id:?}");
        }
        let long = "x".repeat(PARTNER_BYTES_MAX + 1);
        for id in [
            "",
            ".",
            "..",
            "...",
            ".acme",
            "../b",
            "a/b",
            " a",
            "a ",
            "\u{a0}a",
            "a\n",
            "a\0",
            "a\u{85}",
            "receipt-key",
            &long,
        ] {
            let refused = PartnerId::parse(id).expect_err(id);
            assert!(refused.0.starts_with("must be 1 to 128 bytes"), "{id:?}");
        }
        assert!(serde_json::from_str::<PartnerId>("\"..\"").is_err());
        assert!(PartnerId::parse(&long[1..]).is_ok());
    }
}
