//! Percent-encoding (RFC 3986, 2.1), undone. Pure.

/// The bytes that a text stands for; `None` where a `%` is not followed by two hexadecimal digits.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(hex(*high)? << 4 | hex(*low)?);
                after
            }
            (b'%', _) => return None,
            _ => {
                bytes.push(byte);
                after
            }
        };
    }
    Some(bytes)
}

/// The text that a text stands for; `None` also where it is not UTF-8.
pub(crate) fn text(text: &str) -> Option<String> {
    // Most texts stand for themselves.
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    String::from_utf8(bytes(text)?).ok()
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_bytes_is_undone_once() {
        for (given, meant) in [
            ("", Some("")),
            ("a+b", Some("a+b")),
            ("%41%7e%7E", Some("A~~")),
            ("%2541", Some("%41")),
            ("%C3%a9 é", Some("é é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%é1", None),
            ("%ff", None),
        ] {
            assert_eq!(text(given).as_deref(), meant, "{given}");
        }
        assert_eq!(bytes("%ff"), Some(vec![0xff]));
    }
}
