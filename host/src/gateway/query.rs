//! The parameters behind `?` of the host's own paths: known ones, each once, decoded. Pure.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::problem::{Kind, Problem};
use crate::percent;
use crate::registry::router::RouteError;

/// A request's parameters, all of them known.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query; one that is not there has no parameters.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                let rule = format!(
                    "is not one of the parameters of this path: {}",
                    known.join(", ")
                );
                return Err(Problem::field(Kind::Invalid, name, rule));
            };
            let value = decoded(value, name)?;
            if parameters.insert((*name).to_owned(), value).is_some() {
                return Err(Problem::field(Kind::Invalid, name, "must come once"));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter's text, if it is there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number within a range, if it is there.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse()
            .ok()
            .filter(|number| digits && range.contains(number));
        let rule = || {
            format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )
        };
        number
            .map(Some)
            .ok_or_else(|| Problem::field(Kind::Invalid, name, rule()))
    }
}

/// A value as forms write it: percent-encoded UTF-8, `+` for a blank.
fn decoded(value: &str, name: &str) -> Result<String, Problem> {
    let spaced = value.replace('+', " ");
    let broken = || Problem::from(RouteError::Encoding(name.to_owned()));
    percent::text(&spaced).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T: std::fmt::Debug>(result: Result<T, Problem>) -> u16 {
        result.unwrap_err().status().as_u16()
    }

    #[test]
    fn parameters_are_known_and_decoded() {
        let query = Query::parse(Some("after=a%26b+c&limit=7&"), &["after", "limit"]).unwrap();
        assert_eq!(query.text("after"), Some("a&b c"));
        assert_eq!(query.number("limit", 1..=7), Ok(Some(7)));
        assert_eq!(status(query.number("limit", 1..=6)), 422);
        assert_eq!(status(query.number("after", 1..=6)), 422);
        let none = Query::parse(None, &["after"]).unwrap();
        assert_eq!(
            (none.text("after"), none.number("after", 0..=1)),
            (None, Ok(None))
        );
    }

    #[test]
    fn others_are_refused() {
        for (query, expected) in [
            ("x=1", 422),
            ("limit=1&limit=1", 422),
            ("limit=%ff", 400),
            ("limit=%", 400),
        ] {
            assert_eq!(
                status(Query::parse(Some(query), &["limit"])),
                expected,
                "{query}"
            );
        }
        let signed = Query::parse(Some("limit=%2B1"), &["limit"]).unwrap();
        assert_eq!(status(signed.number("limit", 0..=9)), 422);
    }
}
