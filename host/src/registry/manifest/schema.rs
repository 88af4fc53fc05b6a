//! The JSON Schema (draft 7, which editors of TOML know) of `leyden.toml`. The parser is what counts; the schema
//! says as much of its rules as such a schema can, and a test keeps the two in agreement.

/// The schema.
pub const SCHEMA: &str = include_str!("leyden.schema.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::*;
    use super::SCHEMA;

    /// Whether a value keeps a schema: as much of draft 7 as ours uses. A keyword that is not known here fails the test.
    fn keeps(schema: &Value, value: &Value) -> bool {
        let schema = schema.as_object().expect("a schema");
        schema.iter().all(|(keyword, rule)| match value {
            Value::String(text) => keeps_text(keyword, rule, text, value),
            Value::Array(items) => keeps_list(keyword, rule, items, value),
            Value::Object(members) => keeps_object(schema, keyword, rule, members, value),
            _ => keeps_any(keyword, rule, value),
        })
    }

    fn keeps_any(keyword: &str, rule: &Value, value: &Value) -> bool {
        match keyword {
            "type" => match rule.as_str().expect("one type") {
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("unknown type {other}"),
            },
            "enum" => rule.as_array().expect("values").contains(value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "maximum" => value.as_i64() <= rule.as_i64(),
            "not" => !keeps(rule, value),
            "allOf" => rule
                .as_array()
                .expect("schemas")
                .iter()
                .all(|rule| keeps(rule, value)),
            "$schema" | "title" | "description" | "default" => true,
            "pattern"
            | "minLength"
            | "maxLength"
            | "items"
            | "minItems"
            | "maxItems"
            | "uniqueItems"
            | "properties"
            | "additionalProperties"
            | "required"
            | "propertyNames"
            | "maxProperties" => true,
            other => panic!("the test does not know the keyword {other}"),
        }
    }

    fn keeps_text(keyword: &str, rule: &Value, text: &str, value: &Value) -> bool {
        let length = text.chars().count() as u64;
        match keyword {
            "pattern" => regex_lite::Regex::new(rule.as_str().expect("a pattern"))
                .expect("one")
                .is_match(text),
            "minLength" => Some(length) >= rule.as_u64(),
            "maxLength" => Some(length) <= rule.as_u64(),
            _ => keeps_any(keyword, rule, value),
        }
    }

    fn keeps_list(keyword: &str, rule: &Value, items: &[Value], value: &Value) -> bool {
        let length = items.len() as u64;
        match keyword {
            "items" => items.iter().all(|item| keeps(rule, item)),
            "minItems" => Some(length) >= rule.as_u64(),
            "maxItems" => Some(length) <= rule.as_u64(),
            "uniqueItems" => items
                .iter()
                .enumerate()
                .all(|(at, item)| !items[..at].contains(item)),
            _ => keeps_any(keyword, rule, value),
        }
    }

    fn keeps_object(
        schema: &serde_json::Map<String, Value>,
        keyword: &str,
        rule: &Value,
        members: &serde_json::Map<String, Value>,
        value: &Value,
    ) -> bool {
        let known = |name: &String| {
            schema
                .get("properties")
                .is_some_and(|p| p.get(name).is_some())
        };
        match keyword {
            "properties" => members
                .iter()
                .all(|(name, member)| rule.get(name).is_none_or(|rule| keeps(rule, member))),
            "additionalProperties" => {
                members
                    .iter()
                    .filter(|(name, _)| !known(name))
                    .all(|(_, member)| match rule {
                        Value::Bool(allowed) => *allowed,
                        rule => keeps(rule, member),
                    })
            }
            "required" => rule
                .as_array()
                .expect("names")
                .iter()
                .all(|name| name.as_str().is_some_and(|name| members.contains_key(name))),
            "propertyNames" => members
                .keys()
                .all(|name| keeps(rule, &Value::String(name.clone()))),
            "maxProperties" => Some(members.len() as u64) <= rule.as_u64(),
            _ => keeps_any(keyword, rule, value),
        }
    }

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).expect("JSON")
    }

    /// What the schema and what the parser say of a text.
    fn both(text: &str) -> (bool, bool) {
        let table: toml::Table = text.parse().expect("TOML");
        let value = serde_json::to_value(table).expect("JSON");
        (keeps(&schema(), &value), Project::parse(text).is_ok())
    }

    /// Texts apart from each other by a line of dashes.
    fn examples(all: &'static str) -> impl Iterator<Item = &'static str> {
        all.split("\n---\n")
    }

    #[test]
    fn schema_and_parser_agree_on_good_and_bad_examples() {
        for text in examples(include_str!("examples/good.toml")) {
            assert_eq!(
                both(text),
                (true, true),
                "{text}\n{:?}",
                Project::parse(text)
            );
        }
        for text in examples(include_str!("examples/bad.toml")) {
            assert_eq!(both(text), (false, false), "{text}");
        }
    }

    #[test]
    fn what_only_the_parser_can_say_it_says() {
        for text in examples(include_str!("examples/beyond.toml")) {
            assert_eq!(both(text), (true, false), "{text}");
        }
    }

    #[test]
    fn every_number_has_the_bounds_and_the_default_of_the_parser() {
        let schema = schema();
        let mut seen = 0;
        for (section, of) in [
            ("limits", &schema["properties"]["limits"]["properties"]),
            ("reuse", &schema["properties"]["reuse"]["properties"]),
        ] {
            for (name, rule) in of.as_object().expect("properties") {
                let max = rule["maximum"].as_u64().expect("a bound");
                for (value, taken) in [(0, false), (1, true), (max, true), (max + 1, false)] {
                    let text = format!("[{section}]\n{name} = {value}");
                    assert_eq!(both(&text), (taken, taken), "{text}");
                }
                let default = format!("[{section}]\n{name} = {}", rule["default"]);
                let (said, implied) = (
                    Manifest::parse(&default),
                    Manifest::parse(&format!("[{section}]")),
                );
                let (said, implied) = (said.expect("taken"), implied.expect("taken"));
                assert_eq!(
                    (said.limits, said.reuse),
                    (implied.limits, implied.reuse),
                    "{default}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }

    #[test]
    fn the_parser_knows_every_key_of_the_schema_and_the_other_way_round() {
        let schema = schema();
        let known = Project::parse("nonsense = 1")
            .expect_err("unknown")
            .to_string();
        let keys = schema["properties"].as_object().expect("properties");
        for key in keys.keys() {
            assert!(known.contains(&format!("`{key}`")), "{key}: {known}");
        }
        // The parser lists its keys in backticks, and first the one that it does not know.
        assert_eq!(known.matches('`').count() / 2, keys.len() + 1, "{known}");
    }
}
