//! Parameters of a request, merged from wherever a caller may put them: path, body (JSON, form, or
//! one bare scalar) and query. Where a name comes twice, the path wins over the body and the body
//! over the query. Getters name the field and the rule in what they refuse.

mod form;

use super::{ProblemKind, Request, header};
use crate::{Error, Result, time};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest name that is taken anywhere (characters), such as a client's or an object's.
pub const NAME_CHARS_MAX: usize = 200;

/// Above this (2^53) an `f64` skips whole numbers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Merged parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    members: BTreeMap<String, Value>,
    bare: Option<String>,
    /// What stands before names in errors, such as `object.`.
    scope: String,
}

/// What a body is read as.
enum Media {
    Json,
    Form,
    /// Nothing or text: JSON where it looks like a document, else one bare scalar.
    Guess,
}

impl Params {
    /// All parameters of a request.
    ///
    /// # Errors
    /// 400 for broken JSON or percent-encoding, 415 for a media type that carries no parameters.
    pub fn of(request: &Request) -> Result<Self> {
        let mut params = Self::default();
        params.take_form(request.head.query.as_deref().unwrap_or_default())?;
        params.take_body(request)?;
        let path = request.head.params.iter();
        params
            .members
            .extend(path.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
        Ok(params)
    }

    /// Lets a single bare scalar (`4` as the body or the query) stand for `name`.
    #[must_use]
    pub fn bare_as(mut self, name: &str) -> Self {
        if let Some(bare) = self.bare.take() {
            self.members
                .entry(name.to_owned())
                .or_insert(Value::String(bare));
        }
        self
    }

    fn take_body(&mut self, request: &Request) -> Result<()> {
        if request.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let text = std::str::from_utf8(&request.body)
            .map_err(|_| Error::malformed("The body is not UTF-8."))?
            .trim();
        match media(request)? {
            Media::Json => self.take_json(text),
            _ if text.starts_with(['{', '[', '"']) => self.take_json(text),
            Media::Form => self.take_form(text),
            Media::Guess => {
                self.bare = Some(text.to_owned());
                Ok(())
            }
        }
    }

    fn take_json(&mut self, text: &str) -> Result<()> {
        match parse_json(text)? {
            Value::Object(members) => self.members.extend(members),
            Value::Array(_) => {
                return Err(Error::malformed(
                    "The body must be one JSON object or scalar, not an array.",
                ));
            }
            Value::String(bare) => self.bare = Some(bare),
            Value::Null => {}
            scalar => self.bare = Some(scalar.to_string()),
        }
        Ok(())
    }

    fn take_form(&mut self, text: &str) -> Result<()> {
        match form::parse(text)? {
            form::Form::Bare(bare) => self.bare = bare,
            form::Form::Members(members) => {
                for (name, value) in members {
                    self.insert_form(name, value);
                }
            }
        }
        Ok(())
    }

    /// `object[name]=Car` is how forms write a member of an object.
    fn insert_form(&mut self, name: String, value: String) {
        let nested = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((outer, inner)) = nested else {
            self.members.insert(name, Value::String(value));
            return;
        };
        let slot = self
            .members
            .entry(outer.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(members) = slot {
            members.insert(inner.to_owned(), Value::String(value));
        }
    }

    /// The value of `name`; JSON `null` counts as absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Result<&Value> {
        self.value(name)
            .ok_or_else(|| self.invalid(name, "is required"))
    }

    /// A refusal of `name` that carries the name as the caller wrote it.
    #[must_use]
    pub fn invalid(&self, name: &str, rule: &str) -> Error {
        Error::invalid(format!("{}{name}", self.scope), rule)
    }

    /// Text that is required.
    ///
    /// # Errors
    /// 422 where it is absent or not a string. So do all getters for what they cannot read.
    pub fn string(&self, name: &str) -> Result<String> {
        match self.required(name)? {
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.invalid(name, "must be a string")),
        }
    }

    /// A required name of 1 to [`NAME_CHARS_MAX`] characters, none of them a control character,
    /// and not only blanks.
    pub fn name(&self, name: &str) -> Result<String> {
        let text = self.string(name)?;
        match check_name(&text) {
            None => Ok(text),
            Some(rule) => Err(self.invalid(name, &rule)),
        }
    }

    /// A required finite number.
    pub fn f64(&self, name: &str) -> Result<f64> {
        let number = match self.required(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.invalid(name, "must be a number"))?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(self.invalid(name, "must be a finite number"))
        }
    }

    /// A required finite number from `min` to `max`.
    pub fn f64_within(&self, name: &str, min: f64, max: f64) -> Result<f64> {
        let number = self.f64(name)?;
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        Err(self.invalid(name, &format!("must be at least {min} and at most {max}")))
    }

    /// A required whole number that is not negative.
    pub fn u64(&self, name: &str) -> Result<u64> {
        let number = match self.required(name)? {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.invalid(name, "must be a whole number, 0 or more"))
    }

    /// A required whole number from `min` to `max`.
    pub fn u64_within(&self, name: &str, min: u64, max: u64) -> Result<u64> {
        let number = self.u64(name)?;
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        Err(self.invalid(name, &format!("must be at least {min} and at most {max}")))
    }

    /// A required truth value.
    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.required(name)? {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.invalid(name, "must be true or false")),
        }
    }

    /// A required RFC 3339 instant, ms since 1970.
    pub fn date(&self, name: &str) -> Result<u64> {
        const RULE: &str =
            "must be an RFC 3339 instant from 1970 on, such as 2021-11-07T15:59:22.144Z";
        let text = self.required(name)?.as_str();
        text.and_then(time::parse_ms)
            .ok_or_else(|| self.invalid(name, RULE))
    }

    /// The parameters inside a required object; its fields are named `name.field` in errors.
    pub fn object(&self, name: &str) -> Result<Self> {
        let members = match self.required(name)? {
            Value::Object(members) => members.clone(),
            Value::String(text) => match parse_json(text)? {
                Value::Object(members) => members,
                _ => return Err(self.invalid(name, "must be an object")),
            },
            _ => return Err(self.invalid(name, "must be an object")),
        };
        let scope = format!("{}{name}.", self.scope);
        Ok(Self {
            members: members.into_iter().collect(),
            bare: None,
            scope,
        })
    }

    /// What `getter` reads where `name` is present: `params.optional("limit", Params::u64)?`.
    pub fn optional<T>(
        &self,
        name: &str,
        getter: impl FnOnce(&Self, &str) -> Result<T>,
    ) -> Result<Option<T>> {
        self.value(name).map(|_| getter(self, name)).transpose()
    }
}

/// The rule that a name breaks, if it breaks one.
#[must_use]
pub fn check_name(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some("must not be empty".to_owned())
    } else if text.chars().count() > NAME_CHARS_MAX {
        Some(format!(
            "must not be longer than {NAME_CHARS_MAX} characters"
        ))
    } else if text.chars().any(char::is_control) {
        Some("must not contain control characters".to_owned())
    } else {
        None
    }
}

/// A number such as `4.0`, which some callers write for 4.
fn whole(number: f64) -> Option<u64> {
    ((0.0..=EXACT_MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

fn parse_json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        if error.to_string().starts_with("number out of range") {
            return too_large(text, &error);
        }
        Error::malformed(format!("The body is not valid JSON: {error}."))
    })
}

/// A number that is valid JSON but no finite `f64` is a wrong value, not wrong syntax. Its field is
/// the last name before it.
fn too_large(text: &str, error: &serde_json::Error) -> Error {
    const RULE: &str = "must be a finite number";
    let line = text.lines().nth(error.line().saturating_sub(1));
    let before = line.and_then(|line| line.get(..error.column().min(line.len())));
    let quoted = before.and_then(|before| before.rsplit_once(':'));
    let name = quoted.and_then(|(names, _)| names.trim_end().strip_suffix('"')?.rsplit('"').next());
    match name {
        Some(name) => Error::invalid(name, RULE),
        None => Error::reject(
            ProblemKind::Invalid,
            format!("A number in the body {RULE}."),
        ),
    }
}

fn media(request: &Request) -> Result<Media> {
    let full = header(&request.head, "content-type").unwrap_or_default();
    let essence = full
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Media::Json),
        json if json.ends_with("+json") => Ok(Media::Json),
        "application/x-www-form-urlencoded" => Ok(Media::Form),
        "" | "text/plain" | "application/octet-stream" => Ok(Media::Guess),
        other => Err(Error::reject(
            ProblemKind::UnsupportedMediaType,
            format!("`{other}` carries no parameters; send JSON, a form, or plain text."),
        )),
    }
}

#[cfg(test)]
mod tests;
