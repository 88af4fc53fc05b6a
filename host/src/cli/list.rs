//! `leyden list`.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Context, Error, table};

/// Lists what is deployed: kind, active version and routes.
///
/// A function is reached below /fn/NAME besides its routes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden list
  leyden list --kind function
  leyden --json list | jq -r '.[].routes[].path'")]
pub(super) struct List {
    /// Only those of one kind.
    #[arg(long)]
    kind: Option<Kind>,
}

/// The kinds of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Answers HTTP, from any language (`wasi:http`).
    Function,
    /// Built against leyden's own packages.
    Service,
    /// Decides, and does nothing else.
    Policy,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Service => "service",
            Self::Policy => "policy",
        }
    }
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut answer = context.client()?.get("/admin/components").await?;
        if let (Some(kind), Some(all)) = (self.kind, answer.as_array_mut()) {
            all.retain(|component| component["kind"] == kind.name());
        }
        match context.global.json {
            true => context.show(&answer),
            false => context.show(&summary(&answer)),
        }
    }
}

/// What fits on a screen.
fn summary(components: &Value) -> Value {
    let row = |component: &Value| {
        let digest = component["digest"].as_str().unwrap_or_default();
        json!({
            "name": component["name"],
            "kind": component["kind"],
            "version": table::short(digest),
            "routes": routes(component).join(" "),
        })
    };
    components
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect()
}

/// Where a component is reached, each path once.
pub(super) fn routes(component: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    if component["kind"] == "function" {
        paths.push(format!(
            "/fn/{}",
            component["name"].as_str().unwrap_or_default()
        ));
    }
    for route in component["routes"].as_array().into_iter().flatten() {
        let path = route["path"].as_str().unwrap_or_default().to_owned();
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_a_row_with_each_path_once() {
        let listed = json!([
            {"name": "a", "kind": "service", "digest": "0123456789abcdef",
             "routes": [{"path": "/a"}, {"path": "/a"}, {"path": "/b/{x}"}]},
            {"name": "f", "kind": "function", "digest": "x", "routes": []},
        ]);
        let rows = summary(&listed);
        assert_eq!(rows[0]["version"], "0123456789ab");
        assert_eq!(rows[0]["routes"], "/a /b/{x}");
        assert_eq!(rows[1]["routes"], "/fn/f");
    }
}
