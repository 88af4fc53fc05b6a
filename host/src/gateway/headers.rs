//! What the gateway reads from a request's headers itself, and how the rest reaches components.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName};

use super::problem::{Kind, Problem};
use crate::dispatch::IdempotencyKey;
use crate::dispatch::types::{Field, RowFormat};

/// Most bytes of all header names and values together; components get a copy of them.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Longest path and query (bytes).
pub(super) const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest idempotency key (characters).
const KEY_CHARS_MAX: usize = 255;

/// The client's name for a writing request.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Header fields for a component: those with a textual value. The host's own token is not among them.
pub(super) fn fields(headers: &HeaderMap, with_authorization: bool) -> Result<Vec<Field>, Problem> {
    check_size(headers)?;
    let mut fields = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let shown = with_authorization || name != AUTHORIZATION;
        if let (true, Ok(text)) = (shown, std::str::from_utf8(value.as_bytes())) {
            fields.push((name.as_str().to_owned(), text.to_owned()));
        }
    }
    Ok(fields)
}

/// That the headers are not longer than components get to see.
pub(super) fn check_size(headers: &HeaderMap) -> Result<(), Problem> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > HEADER_BYTES_MAX {
        let detail =
            format!("the headers have {bytes} bytes; at most {HEADER_BYTES_MAX} are taken");
        return Err(Problem::new(Kind::HeadersTooLarge, detail));
    }
    Ok(())
}

/// The request's idempotency key. A read may have one too, since a read can cost datapoints.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refused = |rule: &str| Err(Problem::field(Kind::Malformed, "Idempotency-Key", rule));
    if values.next().is_some() {
        return refused("must come once");
    }
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(text) if visible && (1..=KEY_CHARS_MAX).contains(&text.len()) => {
            Ok(Some(IdempotencyKey(text.to_owned())))
        }
        _ => refused("must be 1 to 255 visible ASCII characters"),
    }
}

/// An upload's format, from its `Content-Type`.
pub(super) fn row_format(headers: &HeaderMap) -> Result<RowFormat, Problem> {
    plain_encoding(headers)?;
    match media_type(headers).as_deref() {
        Some("text/csv") => Ok(RowFormat::Csv),
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            Ok(RowFormat::Ndjson)
        }
        Some("application/json") => Ok(RowFormat::Json),
        _ => {
            let rule = "must be text/csv, application/x-ndjson or application/json, in UTF-8";
            Err(Problem::field(
                Kind::UnsupportedMediaType,
                "Content-Type",
                rule,
            ))
        }
    }
}

/// A component's binary, and nothing else.
pub(super) fn wasm(headers: &HeaderMap) -> Result<(), Problem> {
    plain_encoding(headers)?;
    match media_type(headers).as_deref() {
        Some("application/wasm") => Ok(()),
        _ => Err(Problem::field(
            Kind::UnsupportedMediaType,
            "Content-Type",
            "must be application/wasm",
        )),
    }
}

/// That a body comes as it is: what is signed and hashed must not have a second form, not even a trivial one.
pub(super) fn no_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.contains_key(CONTENT_ENCODING) {
        false => Ok(()),
        true => Err(Problem::field(
            Kind::UnsupportedMediaType,
            "Content-Encoding",
            "must not be sent with an upload",
        )),
    }
}

/// Whether a web page of another site sends the request: browsers name the site in `Origin`.
pub(super) fn from_another_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN).map(|origin| origin.as_bytes()) else {
        return false;
    };
    let bare = origin
        .strip_prefix(b"http://")
        .or_else(|| origin.strip_prefix(b"https://"));
    bare.is_none() || bare != headers.get(HOST).map(|host| host.as_bytes())
}

/// Refuses compressed bodies: a short one can be arbitrarily long inside.
fn plain_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"identity");
    match headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| plain(value.as_bytes()))
    {
        true => Ok(()),
        false => Err(Problem::field(
            Kind::UnsupportedMediaType,
            "Content-Encoding",
            "must be identity",
        )),
    }
}

/// The media type in lower case, without parameters; `None` if there is none, more than one, or a
/// character set other than UTF-8.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let text = value.to_str().ok()?.to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let charset = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let utf8 = charset
        .is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    utf8.then(|| essence.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &[u8])| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn components_see_text_and_not_the_token() {
        let all = headers(&[
            ("accept", b"*/*"),
            ("x-name", "é".as_bytes()),
            ("x-bin", b"\xff"),
            ("authorization", b"Bearer x"),
        ]);
        let names = |with| {
            fields(&all, with)
                .unwrap()
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["accept", "x-name"]);
        assert_eq!(names(true), ["accept", "x-name", "authorization"]);
        let large = vec![b'x'; HEADER_BYTES_MAX];
        assert_eq!(
            fields(&headers(&[("x-a", &large)]), true)
                .unwrap_err()
                .status(),
            431
        );
    }

    #[test]
    fn keys_are_visible_and_come_once() {
        let key = |value: &[u8]| idempotency_key(&headers(&[("idempotency-key", value)]));
        assert_eq!(key(b"a-1"), Ok(Some(IdempotencyKey("a-1".to_owned()))));
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        for wrong in [&b""[..], b"a b", "é".as_bytes(), b"\xff", &[b'x'; 256]] {
            assert_eq!(key(wrong).unwrap_err().status(), 400);
        }
        let twice = headers(&[("idempotency-key", b"a"), ("idempotency-key", b"a")]);
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let from = |origin: &'static [u8]| {
            from_another_site(&headers(&[("host", b"127.0.0.1:3000"), ("origin", origin)]))
        };
        assert!(!from_another_site(&headers(&[("host", b"127.0.0.1:3000")])));
        assert!(!from(b"http://127.0.0.1:3000") && !from(b"https://127.0.0.1:3000"));
        for other in [
            &b"null"[..],
            b"",
            b"https://evil.example",
            b"http://127.0.0.1:3001",
        ] {
            assert!(from(other), "{other:?}");
        }
        assert!(from_another_site(&headers(&[("origin", b"http://x")])));
    }

    #[test]
    fn the_content_type_picks_the_format() {
        let format = |value: &[u8]| row_format(&headers(&[("content-type", value)])).ok();
        assert_eq!(format(b"text/csv"), Some(RowFormat::Csv));
        assert_eq!(
            format(b"Text/CSV; header=present; charset=\"UTF-8\""),
            Some(RowFormat::Csv)
        );
        assert_eq!(format(b"application/x-ndjson"), Some(RowFormat::Ndjson));
        assert_eq!(
            format(b"application/json ;charset=utf-8"),
            Some(RowFormat::Json)
        );
        for wrong in [
            &b""[..],
            b"text/plain",
            b"text/csv; charset=latin1",
            b"application/jsonx",
        ] {
            assert_eq!(format(wrong), None, "{wrong:?}");
        }
        assert_eq!(row_format(&HeaderMap::new()).unwrap_err().status(), 415);
        let packed = headers(&[("content-type", b"text/csv"), ("content-encoding", b"gzip")]);
        assert_eq!(row_format(&packed).unwrap_err().status(), 415);
        let plain = headers(&[
            ("content-type", b"text/csv"),
            ("content-encoding", b"identity"),
        ]);
        assert!(row_format(&plain).is_ok());
    }
}
