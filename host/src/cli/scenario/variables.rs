//! Variables of a scenario: what was captured from answers, and what loops define. `${name}` in a
//! text stands for a variable, `${name.member}` and `${name.0}` for a part of it.
//!
//! Invariant: a text that is nothing but one variable takes its value as it is (a number stays a
//! number); inside a longer text the value is written out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing has this name.
    #[error("nothing defines the variable ${{{0}}}")]
    Unknown(String),
    /// A `${` without its `}`.
    #[error("a '${{' without its '}}' in {0:?}")]
    Unclosed(String),
}

/// The variables that are defined at a moment of a run.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    captured: BTreeMap<String, Value>,
    loops: Vec<Map<String, Value>>,
}

/// A part of a text.
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl Variables {
    /// Defines a variable for the rest of the run.
    pub(crate) fn capture(&mut self, name: String, value: Value) {
        self.captured.insert(name, value);
    }

    /// Enters an iteration: `${n}` counts from 1, `${item}` is the item, and an object's members
    /// are variables themselves.
    pub(crate) fn enter(&mut self, n: usize, item: &Value) {
        let mut scope = item.as_object().cloned().unwrap_or_default();
        scope.insert("n".to_owned(), n.into());
        scope.insert("item".to_owned(), item.clone());
        self.loops.push(scope);
    }

    /// Leaves the iteration entered last.
    pub(crate) fn leave(&mut self) {
        self.loops.pop();
    }

    /// Fills in a text.
    ///
    /// # Errors
    /// A variable is not defined or not closed.
    pub(crate) fn text(&self, template: &str) -> Result<String, Error> {
        self.scope().text(template)
    }

    /// Fills in every text of a value.
    ///
    /// # Errors
    /// A variable is not defined or not closed.
    pub(crate) fn value(&self, template: &Value) -> Result<Value, Error> {
        self.scope().value(template)
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            captured: &self.captured,
            loops: &self.loops,
        }
    }
}

/// What a text can name.
struct Scope<'a> {
    captured: &'a BTreeMap<String, Value>,
    loops: &'a [Map<String, Value>],
}

impl Scope<'_> {
    fn text(&self, template: &str) -> Result<String, Error> {
        let mut filled = String::new();
        for piece in pieces(template)? {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(path) => match self.get(path)? {
                    Value::String(text) => filled.push_str(&text),
                    other => filled.push_str(&other.to_string()),
                },
            }
        }
        Ok(filled)
    }

    fn value(&self, template: &Value) -> Result<Value, Error> {
        match template {
            Value::String(text) => match pieces(text)?.as_slice() {
                [Piece::Variable(path)] => self.get(path),
                _ => self.text(text).map(Value::String),
            },
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let filled =
                    |(name, value): (&String, &Value)| Ok((name.clone(), self.value(value)?));
                members.iter().map(filled).collect()
            }
            other => Ok(other.clone()),
        }
    }

    /// A loop's items may name captured variables, which are filled in late; captured values mean
    /// themselves, so this ends.
    fn get(&self, path: &str) -> Result<Value, Error> {
        let unknown = || Error::Unknown(path.to_owned());
        let mut names = path.split('.');
        let root = names.next().unwrap_or_default();
        let looped = self.loops.iter().rev().find_map(|scope| scope.get(root));
        let root = match looped {
            Some(item) => Scope {
                captured: self.captured,
                loops: &[],
            }
            .value(item)?,
            None => self.captured.get(root).cloned().ok_or_else(unknown)?,
        };
        names.try_fold(&root, member).cloned().ok_or_else(unknown)
    }
}

/// A part of a value: an object's member, or an array's element by its index.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    }
}

/// Cuts a text at its variables.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Error> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let closed = after.split_once('}');
        let (name, left) = closed.ok_or_else(|| Error::Unclosed(template.to_owned()))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Variable(name));
        rest = left;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.capture("house1".to_owned(), json!("ab-12"));
        variables.capture("slot".to_owned(), json!({"start": "x", "list": [7, 8]}));
        variables
    }

    #[test]
    fn texts_and_values_are_filled_in() {
        let mut variables = variables();
        variables.enter(2, &json!({"client": "Ada"}));
        assert_eq!(
            variables.text("house/${house1}/x"),
            Ok("house/ab-12/x".to_owned())
        );
        assert_eq!(
            variables.text("house${n} ${client}"),
            Ok("house2 Ada".to_owned())
        );
        let template = json!({"a": ["${slot.list.1}", "n=${n}"], "b": true});
        assert_eq!(
            variables.value(&template),
            Ok(json!({"a": [8, "n=2"], "b": true}))
        );
        variables.leave();
        assert_eq!(
            variables.text("${client}"),
            Err(Error::Unknown("client".to_owned()))
        );
    }

    #[test]
    fn a_loop_s_items_may_name_captured_variables() {
        let mut variables = variables();
        variables.enter(1, &json!({"house": "${house1}"}));
        assert_eq!(variables.text("h/${house}"), Ok("h/ab-12".to_owned()));
        variables.enter(2, &json!({"slot": "${slot}"}));
        assert_eq!(variables.text("${slot.list.0}"), Ok("7".to_owned()));
    }

    #[test]
    fn what_is_not_defined_or_not_closed_is_an_error() {
        let variables = variables();
        assert_eq!(
            variables.text("${slot.end}"),
            Err(Error::Unknown("slot.end".to_owned()))
        );
        assert_eq!(
            variables.text("a ${b"),
            Err(Error::Unclosed("a ${b".to_owned()))
        );
    }

    #[test]
    fn a_text_without_variables_stays_as_it_is() {
        assert_eq!(
            variables().text("Vélo d'appartement $5 }"),
            Ok("Vélo d'appartement $5 }".to_owned())
        );
        assert_eq!(variables().text(""), Ok(String::new()));
    }
}
