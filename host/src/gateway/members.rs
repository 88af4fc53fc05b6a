//! The members of the small JSON objects that the admin paths take. Pure.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::problem::{Kind, Problem};

/// A body's members, all of them known.
#[derive(Debug)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads a body; an empty one is an object without members.
    pub(super) fn parse(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        let value = serde_json::from_slice(body);
        let value = value.map_err(|error| {
            Problem::new(Kind::Malformed, format!("the body is not JSON: {error}"))
        })?;
        let Value::Object(members) = value else {
            return Err(Problem::new(
                Kind::Invalid,
                "the body must be a JSON object",
            ));
        };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Problem::field(
                Kind::Invalid,
                name,
                format!("is not one of {}", known.join(", ")),
            )),
            None => Ok(Self(members)),
        }
    }

    /// Anything, if it is there.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text, if it is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let text = self.0.get(name).map(Value::as_str);
        text.map(|text| text.ok_or_else(|| Problem::field(Kind::Invalid, name, "must be a string")))
            .transpose()
    }

    /// Yes or no; no, if it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.0.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Problem::field(Kind::Invalid, name, "must be true or false")),
        }
    }

    /// A text that has to be there.
    pub(super) fn needed_text(&self, name: &str) -> Result<&str, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number within a range that has to be there.
    pub(super) fn needed_number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, Problem> {
        self.number(name, range)?.ok_or_else(|| missing(name))
    }

    /// A whole number within a range, if it is there.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let rule = || {
            format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )
        };
        let number = value.as_u64().filter(|number| range.contains(number));
        number
            .map(Some)
            .ok_or_else(|| Problem::field(Kind::Invalid, name, rule()))
    }
}

fn missing(name: &str) -> Problem {
    Problem::field(Kind::Invalid, name, "is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T: std::fmt::Debug>(result: Result<T, Problem>) -> u16 {
        result.unwrap_err().status().as_u16()
    }

    #[test]
    fn members_are_known_and_of_their_kind() {
        let members = Members::parse(br#"{"to":"x","count":3}"#, &["to", "count"]).unwrap();
        assert_eq!(members.text("to"), Ok(Some("x")));
        assert_eq!(members.text("from"), Ok(None));
        assert_eq!(members.number("count", 1..=3), Ok(Some(3)));
        assert_eq!(status(members.number("count", 1..=2)), 422);
        assert_eq!(status(members.number("to", 1..=2)), 422);
        assert_eq!(status(members.text("count")), 422);
        assert_eq!(members.needed_text("to"), Ok("x"));
        assert_eq!(members.needed_number("count", 3..=9), Ok(3));
        assert_eq!(members.flag("failing"), Ok(false));
        assert_eq!(status(members.flag("to")), 422);
        assert!(Members::parse(b" \n", &[]).is_ok());
        let empty = Members::parse(b"", &["to"]).unwrap();
        assert_eq!(status(empty.needed_text("to")), 422);
        assert_eq!(status(empty.needed_number("to", 0..=1)), 422);
    }

    #[test]
    fn other_bodies_are_refused() {
        for (body, expected) in [
            ("{", 400),
            ("[]", 422),
            ("1", 422),
            (r#"{"x":1}"#, 422),
            ("\u{0}", 400),
        ] {
            assert_eq!(
                status(Members::parse(body.as_bytes(), &["to"])),
                expected,
                "{body}"
            );
        }
    }
}
