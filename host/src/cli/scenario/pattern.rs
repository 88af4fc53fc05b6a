//! What an expectation compares an answer with: a value, or a table with one matcher such as
//! `{ "$uuid" = true }`. Pure.
//!
//! Invariants: numbers are equal by value (200 is 200.0); an object matches exactly unless it is
//! compared as a subset; the first difference is reported with its path.

use serde_json::{Map, Value};

use super::variables::{self, Variables};

/// Longest rendering of a value in a message, characters.
const SHOWN_CHARS_MAX: usize = 200;

/// What a value should look like.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Pattern {
    /// This scalar; variables in it are filled in first.
    Scalar(Value),
    /// An array with these elements, in order.
    Array(Vec<Pattern>),
    /// An object with these members.
    Object(Vec<(String, Pattern)>),
    /// JSON null.
    Null,
    /// Not there at all.
    Absent,
    /// Anything that is there.
    Any,
    /// A text that is a UUID.
    Uuid,
    /// A text in which this regular expression finds something.
    Regex(String),
    /// A number this close to a value.
    Approx { value: Value, tolerance: f64 },
    /// A text, array or object of this length.
    Length(Value),
    /// Anything that does not match.
    Not(Box<Pattern>),
    /// An array whose every element matches.
    Each(Box<Pattern>),
    /// An array with at least one element that matches.
    Contains(Box<Pattern>),
}

/// How objects are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// No other members are allowed.
    Exact,
    /// Other members are ignored.
    Subset,
}

/// A value that does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// JSON pointer to it.
    pub(crate) path: String,
    /// What was expected there.
    pub(crate) expected: String,
    /// What is there.
    pub(crate) got: String,
}

impl TryFrom<Value> for Pattern {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items
                .into_iter()
                .map(Self::try_from)
                .collect::<Result<_, _>>()
                .map(Self::Array),
            Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                matcher(members)
            }
            Value::Object(members) => {
                let member = |(name, value)| Ok((name, Self::try_from(value)?));
                members
                    .into_iter()
                    .map(member)
                    .collect::<Result<_, String>>()
                    .map(Self::Object)
            }
            scalar => Ok(Self::Scalar(scalar)),
        }
    }
}

/// Reads a table with a matcher.
fn matcher(mut members: Map<String, Value>) -> Result<Pattern, String> {
    let tolerance = members.shift_remove("tolerance");
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(
            "a matcher stands alone in its table (only $approx has a tolerance)".to_owned(),
        );
    };
    if name == "$approx" {
        return approx(value, tolerance.as_ref());
    }
    if tolerance.is_some() {
        return Err(format!("{name} has no tolerance"));
    }
    match (name.as_str(), &value) {
        ("$null", Value::Bool(true)) => Ok(Pattern::Null),
        ("$absent", Value::Bool(true)) => Ok(Pattern::Absent),
        ("$any", Value::Bool(true)) => Ok(Pattern::Any),
        ("$uuid", Value::Bool(true)) => Ok(Pattern::Uuid),
        ("$regex", Value::String(text)) => regex(text).map(|_| Pattern::Regex(text.clone())),
        ("$length", Value::Number(_) | Value::String(_)) => Ok(Pattern::Length(value)),
        ("$not", _) => Pattern::try_from(value).map(|pattern| Pattern::Not(Box::new(pattern))),
        ("$each", _) => Pattern::try_from(value).map(|pattern| Pattern::Each(Box::new(pattern))),
        ("$contains", _) => {
            Pattern::try_from(value).map(|pattern| Pattern::Contains(Box::new(pattern)))
        }
        _ => Err(format!(
            "unknown matcher, or a value it does not take: {name} = {value}"
        )),
    }
}

fn approx(value: Value, tolerance: Option<&Value>) -> Result<Pattern, String> {
    let tolerance = tolerance
        .and_then(Value::as_f64)
        .filter(|tolerance| *tolerance >= 0.0);
    match (tolerance, &value) {
        (Some(tolerance), Value::Number(_) | Value::String(_)) => {
            Ok(Pattern::Approx { value, tolerance })
        }
        (Some(_), _) => Err("$approx takes a number".to_owned()),
        (None, _) => Err("$approx needs a tolerance of at least 0".to_owned()),
    }
}

fn regex(text: &str) -> Result<regex_lite::Regex, String> {
    regex_lite::Regex::new(text).map_err(|error| format!("$regex = {text:?}: {error}"))
}

impl Pattern {
    /// Fills in the variables.
    ///
    /// # Errors
    /// A variable is not defined.
    pub(crate) fn fill(&self, variables: &Variables) -> Result<Self, variables::Error> {
        let boxed = |inner: &Self| inner.fill(variables).map(Box::new);
        Ok(match self {
            Self::Scalar(value) => Self::literal(variables.value(value)?),
            Self::Array(items) => Self::Array(
                items
                    .iter()
                    .map(|item| item.fill(variables))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(members) => {
                let member =
                    |(name, value): &(String, Self)| Ok((name.clone(), value.fill(variables)?));
                Self::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            Self::Regex(text) => Self::Regex(variables.text(text)?),
            Self::Approx { value, tolerance } => Self::Approx {
                value: variables.value(value)?,
                tolerance: *tolerance,
            },
            Self::Length(value) => Self::Length(variables.value(value)?),
            Self::Not(inner) => Self::Not(boxed(inner)?),
            Self::Each(inner) => Self::Each(boxed(inner)?),
            Self::Contains(inner) => Self::Contains(boxed(inner)?),
            Self::Null | Self::Absent | Self::Any | Self::Uuid => self.clone(),
        })
    }

    /// A value from an answer as a pattern: whatever it holds, it means itself.
    fn literal(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::Array(items.into_iter().map(Self::literal).collect()),
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name, Self::literal(value)))
                    .collect(),
            ),
            scalar => Self::Scalar(scalar),
        }
    }

    /// Compares; `None` is a value that is not there.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn compare(
        &self,
        got: Option<&Value>,
        mode: Mode,
        path: &str,
    ) -> Result<(), Mismatch> {
        let differs = || Mismatch {
            path: path.to_owned(),
            expected: self.to_string(),
            got: got.map_or_else(|| "nothing".to_owned(), shown),
        };
        match (self, got) {
            (Self::Array(patterns), Some(Value::Array(items))) if patterns.len() == items.len() => {
                let mut pairs = patterns.iter().zip(items).enumerate();
                let compare = |(index, (pattern, item)): (usize, (&Self, &Value))| {
                    pattern.compare(Some(item), mode, &format!("{path}/{index}"))
                };
                pairs.try_for_each(compare)
            }
            (Self::Object(patterns), Some(Value::Object(members))) => {
                compare_members(patterns, members, mode, path)
            }
            (Self::Each(pattern), Some(Value::Array(items))) => {
                let compare =
                    |(index, item)| pattern.compare(Some(item), mode, &format!("{path}/{index}"));
                items.iter().enumerate().try_for_each(compare)
            }
            _ if self.holds(got, mode) => Ok(()),
            _ => Err(differs()),
        }
    }

    /// Whether a pattern without parts of its own holds.
    fn holds(&self, got: Option<&Value>, mode: Mode) -> bool {
        let matches = |pattern: &Self, got| pattern.compare(got, mode, "").is_ok();
        match (self, got) {
            (Self::Absent, None) | (Self::Null, Some(Value::Null)) | (Self::Any, Some(_)) => true,
            (Self::Scalar(expected), Some(got)) => same(expected, got),
            (Self::Uuid, Some(Value::String(text))) => uuid::Uuid::try_parse(text).is_ok(),
            (Self::Regex(expression), Some(Value::String(text))) => {
                regex(expression).is_ok_and(|regex| regex.is_match(text))
            }
            (Self::Approx { value, tolerance }, Some(got)) => near(value, got, *tolerance),
            (Self::Length(expected), Some(got)) => {
                length(got).is_some_and(|length| same(expected, &length.into()))
            }
            (Self::Not(pattern), got) => !matches(pattern, got),
            (Self::Contains(pattern), Some(Value::Array(items))) => {
                items.iter().any(|item| matches(pattern, Some(item)))
            }
            _ => false,
        }
    }
}

fn compare_members(
    patterns: &[(String, Pattern)],
    members: &Map<String, Value>,
    mode: Mode,
    path: &str,
) -> Result<(), Mismatch> {
    for (name, pattern) in patterns {
        pattern.compare(members.get(name), mode, &format!("{path}/{name}"))?;
    }
    let known = |name: &str| patterns.iter().any(|(known, _)| known == name);
    let extra = members
        .iter()
        .find(|(name, _)| mode == Mode::Exact && !known(name));
    extra.map_or(Ok(()), |(name, value)| {
        Err(Mismatch {
            path: format!("{path}/{name}"),
            expected: "nothing".to_owned(),
            got: shown(value),
        })
    })
}

/// Equality by value: numbers are compared exactly as integers, else as floats.
fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.as_f64() == right.as_f64() && (left.is_f64() || right.is_f64()))
        }
        _ => expected == got,
    }
}

fn near(expected: &Value, got: &Value, tolerance: f64) -> bool {
    match (expected.as_f64(), got.as_f64()) {
        (Some(expected), Some(got)) => (expected - got).abs() <= tolerance,
        _ => false,
    }
}

/// Elements, members or characters.
pub(crate) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}

/// A value in a message, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{kept}…")
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(value) => f.write_str(&shown(value)),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(","))
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| format!("{name:?}:{value}");
                write!(
                    f,
                    "{{{}}}",
                    members.iter().map(member).collect::<Vec<_>>().join(",")
                )
            }
            Self::Null => f.write_str("null"),
            Self::Absent => f.write_str("nothing"),
            Self::Any => f.write_str("<any>"),
            Self::Uuid => f.write_str("<uuid>"),
            Self::Regex(text) => write!(f, "/{text}/"),
            Self::Approx { value, tolerance } => write!(f, "{value} ± {tolerance}"),
            Self::Length(value) => write!(f, "(length){value}"),
            Self::Not(inner) => write!(f, "≠ {inner}"),
            Self::Each(inner) => write!(f, "[{inner}…]"),
            Self::Contains(inner) => write!(f, "[… {inner} …]"),
        }
    }
}

#[cfg(test)]
mod tests;
