//! Takes the secrets of a function out of what is told of an invocation: wherever the value of one stands, as many letters
//! `x` take its place, as they do in the variables that its replay is given. So what went by a secret goes by that, in what
//! the function was given, what it asked and was told, and what it answered; what it has made of a secret (a hash, another
//! encoding) is not found.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::format::{Invocation, Outcome};

/// Members that are hashes.
const HASHES: [&str; 1] = ["sha256"];

/// An invocation in which these secrets, the longest first, do not stand.
///
/// # Errors
/// What is left is no invocation any more: a secret stands for what a record itself is made of.
pub(super) fn hide(
    mut invocation: Invocation,
    secrets: &[String],
) -> Result<Invocation, serde_json::Error> {
    if secrets.iter().all(String::is_empty) {
        return Ok(invocation);
    }
    invocation.input = hidden(&invocation.input, secrets)?;
    invocation.reads = hidden(&invocation.reads, secrets)?;
    invocation.outside = hidden(&invocation.outside, secrets)?;
    invocation.outcome = hidden::<Outcome>(&invocation.outcome, secrets)?;
    Ok(invocation)
}

fn hidden<T>(part: &T, secrets: &[String]) -> Result<T, serde_json::Error>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut value = serde_json::to_value(part)?;
    take_out(&mut value, secrets);
    serde_json::from_value(value)
}

fn take_out(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => {
            let covered = covered(text.as_bytes(), secrets);
            // Letters stand in the place of whole texts.
            *text = String::from_utf8(covered).unwrap_or_default();
        }
        Value::Array(list) => list.iter_mut().for_each(|one| take_out(one, secrets)),
        Value::Object(members) => {
            if let Some(Value::String(bytes)) = members.get_mut("base64")
                && let Ok(decoded) = STANDARD.decode(&*bytes)
            {
                *bytes = STANDARD.encode(covered(&decoded, secrets));
                return;
            }
            let members = members.iter_mut();
            let others = members.filter(|(name, _)| !HASHES.contains(&name.as_str()));
            others.for_each(|(_, value)| take_out(value, secrets));
        }
        _ => {}
    }
}

/// What stands in the place of a secret.
pub(crate) fn cover(secret: &str) -> String {
    "x".repeat(secret.len())
}

/// Bytes in which these secrets, the longest first, do not stand.
pub(super) fn covered(bytes: &[u8], secrets: &[String]) -> Vec<u8> {
    let mut covered = bytes.to_vec();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let mut at = 0;
        while let Some(found) = find(&covered[at..], secret.as_bytes()) {
            let end = at + found + secret.len();
            covered[at + found..end].fill(b'x');
            at = end;
        }
    }
    covered
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        let secrets = [
            "hunter2-long".to_owned(),
            "hunter2".to_owned(),
            String::new(),
        ];
        let mut value = json!({
            "text": "is hunter2-long, hunter2hunter2",
            "list": [["k", "hunter2"], {"base64": STANDARD.encode(b"\xffhunter2\xff")}],
            "sha256": "hunter2",
            "number": 2,
        });
        take_out(&mut value, &secrets);
        let bytes = STANDARD.encode(b"\xffxxxxxxx\xff");
        let left = json!({
            "text": "is xxxxxxxxxxxx, xxxxxxxxxxxxxx",
            "list": [["k", "xxxxxxx"], {"base64": bytes}],
            "sha256": "hunter2",
            "number": 2,
        });
        assert_eq!(value, left);
    }
}
