//! What a partner sees instead of house ids: pseudonyms, and cursors that cannot be read. Both are
//! made with the partner's own secret by HMAC-SHA256, so they stay the same for one partner and have
//! nothing in common between two. Neither hides what the data themselves give away. Pure.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the tag in front of a sealed cursor: 128 bits, as other authenticated ciphers have.
const TAG_BYTES: usize = 16;

/// Longest cursor that is looked at, characters: several times the length of any made here.
const CURSOR_CHARS_MAX: usize = 4_000;

/// HMAC under a partner's secret.
type Keyed = Hmac<Sha256>;

/// What is made with one partner's secret. Each use has a label of its own, so that nothing made for one
/// can be taken for another.
#[derive(Clone)]
pub struct Secrets {
    household: Keyed,
    member: Keyed,
    tag: Keyed,
    stream: Keyed,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Of a partner's secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let labelled = |label: &[u8]| {
            // A key shorter than a block of SHA-256 is padded with zeros (RFC 2104, 2).
            let mut block = hmac::digest::Key::<Keyed>::default();
            block[..secret.len()].copy_from_slice(secret);
            let mut mac = Keyed::new(&block);
            feed(&mut mac, label);
            mac
        };
        Self {
            household: labelled(b"household"),
            member: labelled(b"member of a cohort"),
            tag: labelled(b"cursor tag"),
            stream: labelled(b"cursor stream"),
        }
    }

    /// The name under which the partner knows a household: a UUID of version 8 (RFC 9562, custom).
    #[must_use]
    pub fn pseudonym(&self, house: &str) -> String {
        let digest = hmac(&self.household, &[house.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id[6] = (id[6] & 0x0f) | 0x80;
        id[8] = (id[8] & 0x3f) | 0x80;
        uuid::Uuid::from_bytes(id).to_string()
    }

    /// What a household is called in the partner's cohorts. Two of 100,000 households are called the
    /// same with a probability of 3 in 10^10.
    #[must_use]
    pub fn member(&self, house: &str) -> u64 {
        let digest = hmac(&self.member, &[house.as_bytes()]);
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(id)
    }

    /// A cursor that only [`Secrets::open`] of the same partner and context reads. The tag is computed
    /// from the text and seeds the key stream (a synthetic nonce), so no nonce is ever used for two texts.
    pub(super) fn seal(&self, context: &str, text: &[u8]) -> String {
        let tag = self.tag(context, text);
        let mut text = text.to_vec();
        self.apply_key_stream(&tag, &mut text);
        hex::encode(tag) + &hex::encode(&text)
    }

    /// The text inside a sealed cursor; none where it was not sealed for this partner and context.
    pub(super) fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = (sealed.len() <= CURSOR_CHARS_MAX).then(|| hex::decode(sealed).ok())??;
        let (given, text) = bytes.split_first_chunk::<TAG_BYTES>()?;
        let mut text = text.to_vec();
        self.apply_key_stream(given, &mut text);
        (self.tag(context, &text) == *given).then_some(text)
    }

    fn tag(&self, context: &str, text: &[u8]) -> [u8; TAG_BYTES] {
        let digest = hmac(&self.tag, &[context.as_bytes(), text]);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest[..TAG_BYTES]);
        tag
    }

    fn apply_key_stream(&self, tag: &[u8; TAG_BYTES], text: &mut [u8]) {
        for (number, block) in (0_u64..).zip(text.chunks_mut(32)) {
            let stream = hmac(&self.stream, &[tag, &number.to_be_bytes()]);
            block
                .iter_mut()
                .zip(stream)
                .for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

/// HMAC over `parts` after what it was fed already.
fn hmac(keyed: &Keyed, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed.clone();
    parts.iter().for_each(|part| feed(&mut mac, part));
    mac.finalize().into_bytes().into()
}

/// A part, preceded by its length so that parts cannot run into each other.
fn feed(mac: &mut Keyed, part: &[u8]) {
    mac.update(&(part.len() as u64).to_be_bytes());
    mac.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: &str = "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94";
    const OTHER: &str = "19201e04-4d24-4093-b684-f8c82644e3e9";

    fn one() -> Secrets {
        Secrets::new(&[1; 32])
    }

    fn two() -> Secrets {
        Secrets::new(&[2; 32])
    }

    #[test]
    fn a_pseudonym_is_the_partners_own_and_stable() {
        assert_eq!(one().pseudonym(HOUSE), one().pseudonym(HOUSE));
        assert_ne!(one().pseudonym(HOUSE), two().pseudonym(HOUSE));
        assert_ne!(one().pseudonym(HOUSE), one().pseudonym(OTHER));
        assert_ne!(one().member(HOUSE), two().member(HOUSE));
        assert_ne!(one().member(HOUSE), one().member(OTHER));
    }

    #[test]
    fn a_pseudonym_is_a_uuid_of_version_eight() {
        let id = one().pseudonym(HOUSE);
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "8");
        assert!("89ab".contains(&id[19..20]));
    }

    #[test]
    fn what_is_made_is_an_hmac_as_anybody_computes_it() {
        // Test case 2 of RFC 4231: key "Jefe".
        let mut mac = Keyed::new_from_slice(b"Jefe").expect("any length");
        mac.update(b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac.finalize().into_bytes()), expected);
        let mut mac = Keyed::new_from_slice(&[1; 32]).expect("any length");
        feed(&mut mac, b"member of a cohort");
        feed(&mut mac, HOUSE.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let member = format!("{:016x}", one().member(HOUSE));
        assert_eq!(member, hex::encode(&bytes[..8]));
    }

    #[test]
    fn a_cursor_opens_with_its_secret_and_context_only() {
        let text = HOUSE.repeat(3).into_bytes();
        let sealed = one().seal("production", &text);
        assert_eq!(one().open("production", &sealed), Some(text));
        assert_eq!(two().open("production", &sealed), None);
        assert_eq!(one().open("detailed-consumption", &sealed), None);
    }

    #[test]
    fn a_cursor_shows_nothing_of_the_house() {
        let sealed = one().seal("p", HOUSE.as_bytes());
        assert!(!sealed.contains(&hex::encode(&HOUSE.as_bytes()[..4])));
        assert_ne!(sealed, two().seal("p", HOUSE.as_bytes()));
    }

    #[test]
    fn a_cursor_that_was_tampered_with_is_none() {
        let sealed = one().seal("production", HOUSE.as_bytes());
        let mut flipped = sealed.clone().into_bytes();
        let last = flipped.len() - 1;
        flipped[last] = if flipped[last] == b'0' { b'1' } else { b'0' };
        let flipped = String::from_utf8(flipped).expect("hex");
        let broken = [
            flipped.as_str(),
            &sealed[..30],
            &sealed[1..],
            "",
            "zz",
            "é1",
            "0",
        ];
        for broken in broken {
            assert_eq!(one().open("production", broken), None, "{broken}");
        }
        assert_eq!(one().open("production", &"00".repeat(100_000)), None);
    }
}
