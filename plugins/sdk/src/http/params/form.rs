//! `application/x-www-form-urlencoded`, as the WHATWG URL standard reads it, and the one extension
//! that text without any `=` or `&` is a bare scalar.

use crate::{Error, Result};

/// What a query or a form holds.
pub(super) enum Form {
    /// One scalar without a name, or nothing.
    Bare(Option<String>),
    /// Names and values in their order.
    Members(Vec<(String, String)>),
}

/// Reads a query or a form.
pub(super) fn parse(text: &str) -> Result<Form> {
    if !text.contains(['=', '&']) {
        let bare = (!text.is_empty()).then(|| decode(text)).transpose()?;
        return Ok(Form::Bare(bare));
    }
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(parse_pair)
        .collect::<Result<_>>()
        .map(Form::Members)
}

fn parse_pair(pair: &str) -> Result<(String, String)> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((decode(name)?, decode(value)?))
}

fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => escaped(&mut rest).ok_or_else(|| {
                Error::malformed(format!("`{text}` has a broken percent-encoding."))
            })?,
            other => other,
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::malformed(format!("`{text}` does not decode to UTF-8.")))
}

fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(rest.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}
