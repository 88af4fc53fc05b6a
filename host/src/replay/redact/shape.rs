//! Texts and ids of the same shape, made with a key that nobody keeps.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::keys;

/// Letters of two, three and four bytes: what replaces others as long.
const LONG_LETTERS: [[char; 4]; 3] = [
    ['é', 'ö', 'ñ', 'à'],
    ['ạ', 'ẽ', 'ị', 'ụ'],
    ['𝐚', '𝐛', '𝐜', '𝐝'],
];

/// Makes replacements.
pub(super) struct Shaper {
    key: [u8; 32],
}

impl Shaper {
    pub(super) fn new() -> Self {
        Self {
            key: keys::random(),
        }
    }

    /// 32 bytes that follow from a text and the key.
    pub(super) fn secret(&self, text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        let mut random = self.random(text);
        bytes.fill_with(&mut random);
        bytes
    }

    /// 32 hexadecimal digits instead of others.
    pub(super) fn id(&self, id: &str) -> String {
        let bytes = self.secret(id);
        hex::encode(&bytes[..16])
    }

    /// A text of the same shape: letters for letters, digits for digits, as many bytes.
    pub(super) fn word(&self, word: &str) -> String {
        let mut random = self.random(word);
        let other = |sign: char| {
            let any = random();
            match sign {
                'a'..='z' => char::from(b'a' + any % 26),
                'A'..='Z' => char::from(b'A' + any % 26),
                '0'..='9' => char::from(b'0' + any % 10),
                _ if sign.is_ascii() => sign,
                _ => LONG_LETTERS[sign.len_utf8() - 2][usize::from(any % 4)],
            }
        };
        word.chars().map(other).collect()
    }

    /// Bytes without end that follow from a text.
    fn random(&self, text: &str) -> impl FnMut() -> u8 {
        let (key, text) = (self.key, text.to_owned());
        let mut bytes = Vec::new();
        let mut count = 0_u64;
        move || {
            if bytes.is_empty() {
                #[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
                mac.update(&count.to_be_bytes());
                mac.update(text.as_bytes());
                bytes = mac.finalize().into_bytes().to_vec();
                count += 1;
            }
            bytes.pop().unwrap_or_default()
        }
    }
}

/// New UUIDs for these, in the same order.
pub(super) fn in_order(ids: BTreeSet<String>) -> BTreeMap<String, String> {
    let mut new = BTreeSet::new();
    while new.len() < ids.len() {
        new.insert(Uuid::new_v4().to_string());
    }
    ids.into_iter().zip(new).collect()
}

/// The UUID that components make of two random numbers (`plugins/sdk/src/uuid.rs`).
pub(super) fn id_of_bits(high: u64, low: u64) -> String {
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Random numbers that a UUID can be made of.
pub(super) fn bits_of_id(id: &str) -> Option<(u64, u64)> {
    Uuid::try_parse(id).ok().map(|id| id.as_u64_pair())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_shape_and_its_bytes() {
        let shaper = Shaper::new();
        for word in ["Jean-Sébastien 3", "sgsc-10017554", "€𝐚é", ""] {
            let new = shaper.word(word);
            assert_eq!(new.len(), word.len(), "{word} -> {new}");
            assert_eq!(shaper.word(word), new, "always the same");
            for (one, other) in word.chars().zip(new.chars()) {
                assert_eq!(one.len_utf8(), other.len_utf8());
                assert_eq!(one.is_ascii_digit(), other.is_ascii_digit());
                assert_eq!(one.is_ascii_uppercase(), other.is_ascii_uppercase());
            }
        }
        assert_ne!(
            shaper.word("sgsc-10017554"),
            Shaper::new().word("sgsc-10017554")
        );
    }

    #[test]
    fn new_ids_are_in_the_order_of_the_old_and_can_be_drawn() {
        let ids: BTreeSet<String> = (0..50).map(|n| id_of_bits(n << 56, !n)).collect();
        let new = in_order(ids.clone());
        assert!(new.values().is_sorted() && new.keys().eq(ids.iter()));
        for id in new.values() {
            let (high, low) = bits_of_id(id).expect("an id");
            assert_eq!(id_of_bits(high, low), *id);
        }
    }
}
