//! A line of a file that breaks a rule, shown as compilers do: where, what the rule is, the line, and a mark under what
//! is meant.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Error;
use crate::registry::manifest::{self, Place};

/// Longest line (characters) that is shown; a mark under a longer one would be wrapped away from it.
const LINE_CHARS_MAX: usize = 160;

/// What breaks a rule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    path: PathBuf,
    place: Place,
    key: String,
    rule: String,
    /// The line as it stands in the file.
    line: String,
}

impl Marked {
    /// The line, with a mark under what is meant.
    pub(super) fn lines(&self) -> Vec<String> {
        let Place {
            line,
            column,
            width,
        } = self.place;
        let shown: String = self.line.chars().map(visible).collect();
        if shown.chars().count() > LINE_CHARS_MAX {
            return Vec::new();
        }
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let mark = format!("{}{}", " ".repeat(column - 1), "^".repeat(width));
        vec![
            format!("{gutter} |"),
            format!("{number} | {shown}"),
            format!("{gutter} | {mark}"),
        ]
    }

    /// The same for programs.
    pub(super) fn document(&self) -> Value {
        json!({
            "error": self.to_string(),
            "file": self.path,
            "line": self.place.line,
            "column": self.place.column,
            "key": self.key,
            "rule": self.rule,
        })
    }
}

/// A character that takes one place on a screen: a tab would move the mark.
fn visible(c: char) -> char {
    match c.is_control() {
        true => ' ',
        false => c,
    }
}

impl std::fmt::Display for Marked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { line, column, .. } = self.place;
        let (path, key, rule) = (self.path.display(), &self.key, &self.rule);
        write!(f, "{path}:{line}:{column}: {key}: {rule}")
    }
}

/// What a manifest's text is refused for, with the line of the file that it came from.
pub(super) fn marked(path: &Path, text: &str, error: manifest::Error) -> Error {
    match error {
        manifest::Error::Rule { place, key, rule } => Error::Marked(Box::new(Marked {
            path: path.to_owned(),
            line: text
                .lines()
                .nth(place.line - 1)
                .unwrap_or_default()
                .to_owned(),
            place,
            key,
            rule,
        })),
        other => Error::Usage(format!("{}: {other}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::manifest::Manifest;

    fn refused(text: &str) -> Error {
        let error = Manifest::parse(text).expect_err("a broken rule");
        marked(Path::new("a/leyden.toml"), text, error)
    }

    #[test]
    fn an_error_points_at_what_it_is_about() {
        let Error::Marked(marked) = refused("name = \"a\"\n\n[limits]\n\tqueue = 0  # none\n")
        else {
            panic!("not marked");
        };
        let told = marked.to_string();
        assert_eq!(told, "a/leyden.toml:4:10: limits.queue: must be 1 to 4096");
        let expected = ["  |", "4 |  queue = 0  # none", "  |          ^"];
        assert_eq!(marked.lines(), expected);
        assert_eq!(marked.document()["column"], 10);
    }

    #[test]
    fn broken_toml_points_at_its_place_and_long_lines_are_left_out() {
        let Error::Marked(marked) = refused("name = \"é\" oops\n") else {
            panic!("not marked");
        };
        assert_eq!((marked.place.line, marked.place.column), (1, 12));
        let long = format!("name = \"{}\"\n", "x".repeat(LINE_CHARS_MAX));
        let Error::Marked(marked) = refused(&long) else {
            panic!("not marked");
        };
        assert!(marked.lines().is_empty());
    }

    #[test]
    fn what_has_no_place_is_told_with_its_file() {
        let error = refused(&"#".repeat(70_000)).to_string();
        assert!(
            error.starts_with("a/leyden.toml: the manifest has 70000 bytes"),
            "{error}"
        );
    }
}
