//! A JSON answer as text for people: a list of objects becomes a table, an object one line per
//! member. It knows no field by name, so new members of an answer appear by themselves.

use serde_json::{Map, Value};

use super::screen::printable;

/// Longest text in a cell, characters: longer ones make tables unreadable.
const CELL_CHARS_MAX: usize = 80;

/// Signs of a digest or a host's name that tell it apart by eye.
const ID_CHARS: usize = 12;

/// The beginning of a digest or a host's name.
pub(crate) fn short(id: &str) -> &str {
    id.get(..ID_CHARS).unwrap_or(id)
}

/// Renders an answer.
pub(crate) fn render(value: &Value) -> String {
    match value {
        Value::Array(rows) if rows.is_empty() => "(none)".to_owned(),
        Value::Array(rows) if rows.iter().all(Value::is_object) => table(rows),
        Value::Object(members) => lines(members),
        other => text(other),
    }
}

/// One line per member, names padded and values whole; a list of objects follows as a table of its own, and an
/// object, or a list that is too long for a line, as lines of its own, indented.
fn lines(members: &Map<String, Value>) -> String {
    let width = members
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let line = |(name, value): (&String, &Value)| match value {
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {
            format!("{name}\n{}", table(rows))
        }
        Value::Object(members) if !members.is_empty() => {
            format!("{name}\n{}", indented(&lines(members)))
        }
        Value::Array(items) if text(value).chars().count() > CELL_CHARS_MAX => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("{name}\n{}", indented(&items.join("\n")))
        }
        _ => format!("{name:width$}  {}", text(value)),
    };
    members.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What belongs to the line above it.
fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Columns in the order in which the rows first name them.
fn table(rows: &[Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let header = names.iter().map(|&name| name.to_owned()).collect();
    let cells = |row: &Value| names.iter().map(|name| cell(&row[*name])).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header)
        .chain(rows.iter().map(cells))
        .collect();
    grid(&rows)
}

/// Pads cells to columns; the last column stays as it is.
fn grid(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let padded = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect::<Vec<_>>().join("\n")
}

/// A value of a table, cut where it is too long.
fn cell(value: &Value) -> String {
    let text = text(value);
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_with_different_members_share_one_table() {
        let rows = json!([{"name": "house", "streams": ["a", "b"]}, {"name": "é", "size": 3}]);
        let expected = "name   streams  size\nhouse  a b      -\né      -        3";
        assert_eq!(render(&rows), expected);
    }

    #[test]
    fn an_object_is_one_line_per_member() {
        assert_eq!(
            render(&json!({"now": "x", "tickMs": 60000})),
            "now     x\ntickMs  60000"
        );
        assert_eq!(render(&json!([])), "(none)");
        let nested = json!({"id": 1, "limits": {"rows": 2, "list": [{"a": 1}, {"a": 2}]}});
        assert_eq!(
            render(&nested),
            "id      1\nlimits\n  rows  2\n  list\n  a\n  1\n  2"
        );
        let (short, long) = (json!(["a", "b"]), json!(["x".repeat(50), "y".repeat(50)]));
        let lists = render(&json!({ "short": short, "long": long }));
        assert_eq!(
            lists,
            format!(
                "short  a b\nlong\n  {}\n  {}",
                "x".repeat(50),
                "y".repeat(50)
            )
        );
        let long = "x".repeat(200);
        assert_eq!(render(&json!({ "a": long })), format!("a  {long}"));
        assert!(render(&json!([{ "a": long }])).ends_with('…'));
    }
}
