//! What a partner sees instead of house ids: pseudonyms, and cursors that cannot be read. Both are
//! made with the partner's own key by HMAC-SHA256, so they stay the same for one partner and have
//! nothing in common between two. Neither hides what the data themselves give away.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the tag in front of a sealed cursor: 128 bits, as other authenticated ciphers have.
const TAG_BYTES: usize = 16;

/// Longest cursor that is looked at, characters: several times the length of any made here.
const CURSOR_CHARS_MAX: usize = 4_000;

/// HMAC-SHA256 over `parts`, each preceded by its length so that parts cannot run into each other.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The name under which a partner knows a household: a UUID of version 8 (RFC 9562, custom).
pub(crate) fn pseudonym(key: &[u8; 32], house: &str) -> String {
    let digest = hmac(key, &[b"household", house.as_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex = to_hex(&id);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A cursor that only [`open`] with the same key and context reads. The tag is computed from the
/// text and seeds the key stream (a synthetic nonce), so no nonce is ever used for two texts.
pub(crate) fn seal(key: &[u8; 32], context: &str, cursor: &str) -> String {
    let tag = tag(key, context, cursor.as_bytes());
    let mut text = cursor.as_bytes().to_vec();
    apply_key_stream(key, &tag, &mut text);
    to_hex(&tag) + &to_hex(&text)
}

/// The cursor inside a sealed one; none where it was not sealed with this key and context.
pub(crate) fn open(key: &[u8; 32], context: &str, sealed: &str) -> Option<String> {
    let bytes = (sealed.len() <= CURSOR_CHARS_MAX).then(|| from_hex(sealed))??;
    let (tag_given, text) = bytes.split_first_chunk::<TAG_BYTES>()?;
    let mut text = text.to_vec();
    apply_key_stream(key, tag_given, &mut text);
    let is_ours = tag(key, context, &text) == *tag_given;
    is_ours.then(|| String::from_utf8(text).ok())?
}

fn tag(key: &[u8; 32], context: &str, text: &[u8]) -> [u8; TAG_BYTES] {
    let digest = hmac(key, &[b"cursor tag", context.as_bytes(), text]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&digest[..TAG_BYTES]);
    tag
}

fn apply_key_stream(key: &[u8; 32], tag: &[u8; TAG_BYTES], text: &mut [u8]) {
    for (number, block) in (0_u64..).zip(text.chunks_mut(32)) {
        let stream = hmac(key, &[b"cursor stream", tag, &number.to_be_bytes()]);
        block
            .iter_mut()
            .zip(stream)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];
    const HOUSE: &str = "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94";

    #[test]
    fn a_pseudonym_is_stable_for_a_partner() {
        assert_eq!(pseudonym(&ONE, HOUSE), pseudonym(&ONE, HOUSE));
    }

    #[test]
    fn pseudonyms_differ_between_partners_and_households() {
        assert_ne!(pseudonym(&ONE, HOUSE), pseudonym(&TWO, HOUSE));
        assert_ne!(
            pseudonym(&ONE, HOUSE),
            pseudonym(&ONE, "19201e04-4d24-4093-b684-f8c82644e3e9")
        );
        assert_ne!(pseudonym(&ONE, HOUSE), HOUSE);
    }

    #[test]
    fn a_pseudonym_is_a_uuid_of_version_eight() {
        let id = pseudonym(&ONE, HOUSE);
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "8");
        assert!("89ab".contains(&id[19..20]));
    }

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        // Test case 1: key of twenty 0x0b, data "Hi There".
        let mut mac = Hmac::<Sha256>::new_from_slice(&[0x0b; 20]).expect("any length");
        mac.update(b"Hi There");
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(to_hex(&mac.finalize().into_bytes()), expected);
    }

    #[test]
    fn a_cursor_opens_with_its_key_and_context_only() {
        let cursor = format!("722f{HOUSE}").repeat(3);
        let sealed = seal(&ONE, "production", &cursor);
        assert_eq!(open(&ONE, "production", &sealed), Some(cursor));
        assert_eq!(open(&TWO, "production", &sealed), None);
        assert_eq!(open(&ONE, "detailed consumption", &sealed), None);
    }

    #[test]
    fn a_cursor_shows_nothing_of_the_house() {
        let sealed = seal(&ONE, "production", HOUSE);
        assert!(!sealed.contains(&to_hex(&HOUSE.as_bytes()[..4])));
        let (one, two) = (seal(&ONE, "p", HOUSE), seal(&TWO, "p", HOUSE));
        assert_ne!(one, two);
    }

    #[test]
    fn a_cursor_that_was_tampered_with_is_none() {
        let sealed = seal(&ONE, "production", HOUSE);
        let mut flipped = sealed.clone().into_bytes();
        let last = flipped.len() - 1;
        flipped[last] = if flipped[last] == b'0' { b'1' } else { b'0' };
        let flipped = String::from_utf8(flipped).expect("hex");
        for broken in [
            flipped.as_str(),
            &sealed[..30],
            &sealed[1..],
            "",
            "zz",
            "é1",
            "0",
        ] {
            assert_eq!(open(&ONE, "production", broken), None, "{broken}");
        }
        assert_eq!(open(&ONE, "production", &"00".repeat(100_000)), None);
    }
}
