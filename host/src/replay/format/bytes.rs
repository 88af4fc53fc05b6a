//! Bytes and bits as JSON has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes: a JSON string where they are UTF-8, else `{"base64": "…"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Blob(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { base64: String },
}

impl From<Blob> for Written {
    fn from(Blob(bytes): Blob) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes {
                base64: STANDARD.encode(error.as_bytes()),
            },
        }
    }
}

impl TryFrom<Written> for Blob {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Bytes { base64 } => {
                let decoded = STANDARD.decode(base64);
                decoded.map(Self).map_err(|error| error.to_string())
            }
        }
    }
}

/// 64 bits, as 16 hexadecimal digits: JSON's numbers do not hold them everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bits(pub u64);

impl From<Bits> for String {
    fn from(Bits(bits): Bits) -> Self {
        format!("{bits:016x}")
    }
}

impl TryFrom<String> for Bits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rule = "must be 16 hexadecimal digits";
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits {
            return Err(rule);
        }
        u64::from_str_radix(&text, 16).map(Self).map_err(|_| rule)
    }
}

/// A partner's secret, as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl From<Secret> for String {
    fn from(Secret(bytes): Secret) -> Self {
        hex::encode(bytes)
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        let decoded = hex::decode_to_slice(&text, &mut bytes);
        decoded.map_err(|_| "must be 64 hexadecimal digits")?;
        Ok(Self(bytes))
    }
}
