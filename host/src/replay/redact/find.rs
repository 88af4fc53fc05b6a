//! Finds what is to be replaced in bytes, whatever they are. Pure.

use std::collections::HashMap;

use serde_json::Value;

/// Signs of a UUID in its usual form.
const ID_BYTES: usize = 36;

/// Fewest letters in a row that are taken for a text in a value that is none: numbers seldom have so many bytes that
/// look like letters.
const LETTERS_MIN: usize = 4;

/// Bytes that are text, and not numbers in bytes that happen to be UTF-8.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !b"\t\r\n".contains(byte);
    std::str::from_utf8(bytes).is_ok() && !bytes.iter().any(control)
}

/// The JSON document that bytes are, if they are an object or a list.
pub(super) fn json_of(bytes: &[u8]) -> Option<Value> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    match first {
        b'{' | b'[' => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

/// Tells where UUIDs are, in lower case.
pub(super) fn ids(bytes: &[u8], mut found: impl FnMut(usize, String)) {
    let mut at = 0;
    while at + ID_BYTES <= bytes.len() {
        let window = &bytes[at..at + ID_BYTES];
        if is_id_bytes(window) {
            let text = String::from_utf8_lossy(window).to_ascii_lowercase();
            found(at, text);
            at += ID_BYTES;
        } else {
            at += 1;
        }
    }
}

/// Whether a text is a UUID and nothing else.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_BYTES && is_id_bytes(text.as_bytes())
}

fn is_id_bytes(window: &[u8]) -> bool {
    window.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Pairs of a query or a form, decoded.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name), decoded(value)))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (other, _) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The cells of a row of CSV; quotes around a cell are not part of it.
pub(super) fn cells(row: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(row);
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    for sign in text.trim_end_matches(['\r', '\n']).chars() {
        match sign {
            '"' => is_quoted = !is_quoted,
            ',' | ';' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

/// Replaces texts in bytes that are none: letters in a row, with the signs that names have.
pub(super) fn letters(bytes: &[u8], other: impl Fn(&str) -> String) -> Vec<u8> {
    let mut new = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut run = String::new();
        for sign in chunk.valid().chars() {
            let is_inner = sign.is_ascii_digit() || matches!(sign, ' ' | '-' | '.' | '\'');
            if sign.is_alphabetic() || is_inner && !run.is_empty() {
                run.push(sign);
            } else {
                close(&mut new, &mut run, &other);
                new.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        close(&mut new, &mut run, &other);
        new.extend_from_slice(chunk.invalid());
    }
    new
}

fn close(new: &mut Vec<u8>, run: &mut String, other: &impl Fn(&str) -> String) {
    let run = std::mem::take(run);
    let longest = run.split(|sign: char| !sign.is_alphabetic());
    let longest = longest.map(|part| part.chars().count()).max();
    // An id is replaced by an id, later.
    let has_id = (0..run.len()).any(|at| run.get(at..at + ID_BYTES).is_some_and(is_id));
    match longest.unwrap_or(0) >= LETTERS_MIN && !has_id {
        true => new.extend_from_slice(other(&run).as_bytes()),
        false => new.extend_from_slice(run.as_bytes()),
    }
}

/// Bytes, and those that replace them.
type Pair = (Vec<u8>, Vec<u8>);

/// Texts and what replaces them.
#[derive(Default)]
pub(super) struct Patterns {
    /// By their first two bytes, the longest first.
    by_start: HashMap<[u8; 2], Vec<Pair>>,
}

impl Patterns {
    /// A word, in all the ways in which it may be written.
    pub(super) fn add(&mut self, word: &str, new: &str) {
        let json = |word: &str| {
            let quoted = Value::from(word).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let forms = [
            (word.to_owned(), new.to_owned()),
            (json(word), json(new)),
            (escaped(word, false), json(new)),
            (escaped(word, true), json(new)),
            (percent(word, "%20"), percent(new, "%20")),
            (percent(word, "+"), percent(new, "+")),
        ];
        for (form, new) in forms {
            let Some(start) = form.as_bytes().first_chunk::<2>() else {
                continue;
            };
            let listed = self.by_start.entry(*start).or_default();
            if !listed.iter().any(|(known, _)| *known == form.as_bytes()) {
                listed.push((form.into_bytes(), new.into_bytes()));
                listed.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
            }
        }
    }

    /// Bytes with the words replaced; what lies between them goes through `between`. In a text a word is whole, and is
    /// not the name of a member.
    pub(super) fn replace(
        &self,
        bytes: &[u8],
        is_text: bool,
        between: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let (mut new, mut from, mut at) = (Vec::with_capacity(bytes.len()), 0, 0);
        while at < bytes.len() {
            match self.at(bytes, at, is_text) {
                Some((length, replacement)) => {
                    new.extend(between(&bytes[from..at]));
                    new.extend_from_slice(replacement);
                    at += length;
                    from = at;
                }
                None => at += 1,
            }
        }
        new.extend(between(&bytes[from..]));
        new
    }

    fn at(&self, bytes: &[u8], at: usize, is_text: bool) -> Option<(usize, &[u8])> {
        let start = bytes[at..].first_chunk::<2>()?;
        let listed = self.by_start.get(start)?;
        let fits = |(form, _): &&Pair| {
            bytes[at..].starts_with(form) && (!is_text || is_whole(bytes, at, at + form.len()))
        };
        let (form, new) = listed.iter().find(fits)?;
        Some((form.len(), new))
    }
}

fn is_whole(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_inner = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let before = start.checked_sub(1).and_then(|at| bytes.get(at));
    let is_member = bytes[end..].starts_with(b"\":");
    !is_inner(before) && !is_inner(bytes.get(end)) && !is_member
}

/// As JSON writes a text in ASCII alone.
fn escaped(word: &str, is_upper: bool) -> String {
    let mut units = [0; 2];
    let sign = |sign: char| match sign {
        _ if sign.is_ascii() => Value::from(sign.to_string()).to_string().replace('"', ""),
        other => {
            let units = other.encode_utf16(&mut units).iter();
            let unit = |unit: &u16| match is_upper {
                true => format!("\\u{unit:04X}"),
                false => format!("\\u{unit:04x}"),
            };
            units.map(unit).collect()
        }
    };
    word.chars().map(sign).collect()
}

/// As a URL writes a text.
fn percent(word: &str, space: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => space.to_owned(),
        _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    word.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns() -> Patterns {
        let mut patterns = Patterns::default();
        patterns.add("Éva Li", "Xyz Ab");
        patterns.add("power", "xxxxx");
        patterns
    }

    fn replaced(text: &str) -> String {
        let bytes = text.as_bytes().to_vec();
        let is_text = is_text(&bytes);
        let new = patterns().replace(&bytes, is_text, <[u8]>::to_vec);
        String::from_utf8(new).expect("text")
    }

    #[test]
    fn a_word_is_found_however_it_is_written() {
        for (text, new) in [
            ("{\"n\":\"Éva Li\"}", "{\"n\":\"Xyz Ab\"}"),
            ("{\"n\":\"\\u00c9va Li\"}", "{\"n\":\"Xyz Ab\"}"),
            ("{\"n\":\"\\u00C9va Li\"}", "{\"n\":\"Xyz Ab\"}"),
            ("/x?n=%C3%89va%20Li", "/x?n=Xyz%20Ab"),
            ("n=%C3%89va+Li&m=1", "n=Xyz+Ab&m=1"),
            ("\0\u{6}Éva Lizzz", "\0\u{6}Xyz Abzzz"),
            (
                "{\"power\":\"power\",\"powers\":1}",
                "{\"power\":\"xxxxx\",\"powers\":1}",
            ),
        ] {
            assert_eq!(replaced(text), new);
        }
    }

    #[test]
    fn texts_in_values_that_are_none_are_found_and_numbers_stay() {
        let upper = |word: &str| word.to_uppercase();
        let found = |bytes: &[u8]| letters(bytes, upper);
        assert_eq!(
            found(b"\0\0\x09jean-paul\xff7abc\x01"),
            b"\0\0\x09JEAN-PAUL\xff7abc\x01"
        );
        let number = 1_636_300_000_000_u64.to_be_bytes();
        assert_eq!(found(&number), number);
        let id = b"t/\0f3b8a521-70a9-48a0-b2d3-f7c87bc52a94";
        assert_eq!(found(id), id);
    }

    #[test]
    fn ids_cells_and_pairs_are_found() {
        let mut found = Vec::new();
        let text = b"h/F3B8A521-70a9-48a0-b2d3-f7c87bc52a94/f3b8a521-70a9";
        ids(text, |at, id| found.push((at, id)));
        assert_eq!(
            found,
            [(2, "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94".to_owned())]
        );
        assert_eq!(cells(b"a,\"b,c\",,d\r\n"), ["a", "b,c", "", "d"]);
        let all: Vec<_> = pairs("a=1%2B+x&b&%zz=%").collect();
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(all, [pair("a", "1+ x"), pair("%zz", "%")]);
    }
}
