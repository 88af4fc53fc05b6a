//! `leyden inspect NAME`.

use serde_json::{Value, json};

use super::{Context, Error, list, route, table};

/// Shows one component: how it is reached, what it imports, may do and may use, and its versions.
///
/// Of secrets it shows the names.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden inspect hello
  leyden --json inspect hello")]
pub(super) struct Inspect {
    /// The component's name.
    name: String,
}

impl Inspect {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context
            .client()?
            .get(&route::component(&self.name)?)
            .await?;
        match context.global.json {
            true => context.show(&answer),
            false => context.show(&words(&answer)),
        }
    }
}

/// The same for a screen: what is empty is left out.
fn words(component: &Value) -> Value {
    let mut shown = component.clone();
    shown["routes"] = json!(list::routes(component));
    if let Some(grants) = component["grants"].as_object() {
        let given = grants.iter().filter(|(_, given)| **given == true);
        let given: Vec<&str> = given.map(|(name, _)| name.as_str()).collect();
        shown["grants"] = json!(given);
    }
    shown["versions"] = component["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(version)
        .collect();
    if let Some(members) = shown.as_object_mut() {
        members.retain(|_, value| !is_empty(value));
    }
    shown
}

fn version(version: &Value) -> Value {
    json!({
        "version": table::short(version["digest"].as_str().unwrap_or_default()),
        "deployed": version["deployedAt"],
        "bytes": version["sizeBytes"],
        "active": version["active"],
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out_and_grants_are_those_that_are_given() {
        let component = json!({
            "name": "f", "kind": "function", "routes": [{"path": "/f"}], "imports": ["a", "b"], "exports": [],
            "description": "", "reuse": null, "env": {}, "secrets": ["KEY"],
            "grants": {"ledger": false, "keyvalue": true},
            "versions": [{"digest": "0123456789abcdef", "deployedAt": "now", "sizeBytes": 7, "active": true}],
        });
        let shown = words(&component);
        assert_eq!(shown["routes"], json!(["/fn/f", "/f"]));
        assert_eq!(shown["grants"], json!(["keyvalue"]));
        assert_eq!(shown["versions"][0]["version"], "0123456789ab");
        for member in ["exports", "description", "reuse", "env"] {
            assert!(shown.get(member).is_none(), "{member}");
        }
    }
}
