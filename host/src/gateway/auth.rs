//! What a request shows of who sends it: the host's token, which every path but the open ones asks for
//! where one is set, or the key of an operator or a partner.
//!
//! **Invariant.** The token itself is never kept, compared byte by byte or logged: only its SHA-256 is
//! here, and comparing two digests takes the same time wherever they differ.

use std::net::SocketAddr;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::ids::Invalid;
use crate::keys::{Of, same};

/// Shortest token (characters): shorter ones can be guessed.
const TOKEN_CHARS_MIN: usize = 16;
/// Longest token (characters): it has to fit a header with room to spare.
const TOKEN_CHARS_MAX: usize = 512;

/// What `Authorization: Bearer …` has to hold.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// Reads a token, as a file holds it: blanks and line ends around it do not count.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let length = TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX;
        if !length.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid(
                "the token must be 16 to 512 visible ASCII characters",
            ));
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Whether a request carries the token.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer(headers) else {
            return false;
        };
        let given: [u8; 32] = Sha256::digest(token).into();
        same(&given, &self.0)
    }
}

/// What `Authorization: Bearer …` holds, if the header comes once and is of that scheme (RFC 6750, 2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    credentials(value)
}

fn credentials(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, credentials) = value.as_bytes().split_at_checked(7)?;
    let known = scheme.eq_ignore_ascii_case(b"bearer ");
    known.then(|| credentials.trim_ascii())
}

/// Whose key a request shows, or tries to show.
pub(super) fn has_key(headers: &HeaderMap) -> Option<Of> {
    let values = headers.get_all(AUTHORIZATION).iter();
    values.filter_map(credentials).find_map(Of::told_by)
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whether this address may be listened on: one that others can reach needs a token.
pub(super) fn may_listen(address: SocketAddr, token: Option<&Token>) -> bool {
    token.is_some() || address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn only_the_token_admits() {
        let token = Token::parse("0123456789abcdef\n").unwrap();
        assert!(token.admits(&headers(&["Bearer 0123456789abcdef"])));
        assert!(token.admits(&headers(&["bearer  0123456789abcdef"])));
        for wrong in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer 0123456789abcdeg"],
            &["Bearer 0123456789abcdef0"],
            &["Basic  0123456789abcdef"],
            &["0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
        ] {
            assert!(!token.admits(&headers(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn keys_are_told_from_tokens_by_their_prefix() {
        for partners in [
            &["Bearer ley_x"][..],
            &["bearer  ley_"],
            &["Basic x", "Bearer ley_x"],
        ] {
            assert_eq!(
                has_key(&headers(partners)),
                Some(Of::Partner),
                "{partners:?}"
            );
        }
        assert_eq!(has_key(&headers(&["Bearer leo_x"])), Some(Of::Operator));
        for other in [
            &[][..],
            &["Bearer x"],
            &["Basic ley_x"],
            &["ley_x"],
            &["Bearer LEY_x"],
        ] {
            assert_eq!(has_key(&headers(other)), None, "{other:?}");
        }
    }

    #[test]
    fn weak_tokens_are_refused() {
        for weak in [
            "",
            "short",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcdeé",
            &"x".repeat(513),
        ] {
            assert!(Token::parse(weak).is_err(), "{weak}");
        }
    }

    #[test]
    fn others_reach_the_host_with_a_token_only() {
        let token = Token::parse("0123456789abcdef").unwrap();
        for (address, local) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(may_listen(address, None), local, "{address}");
            assert!(may_listen(address, Some(&token)));
        }
    }
}
