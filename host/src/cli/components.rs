//! `leyden components`.

use serde_json::{Value, json};

use crate::ids::ComponentName;

use super::{Context, Error, table};

/// Lists the active components, with version and routes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  leyden components\n  leyden --json components | jq -r '.[].routes[].path'"
)]
pub(super) struct Components {}

impl Components {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/components").await?;
        let shown = if context.global.json {
            answer
        } else {
            summary(&answer)
        };
        context.show(&shown)
    }
}

/// The path of one component on the admin interface.
///
/// # Errors
/// The name breaks the rule for names.
pub(super) fn path(name: &str) -> Result<String, Error> {
    let name =
        ComponentName::parse(name).map_err(|rule| Error::Usage(format!("{name}: {rule}")))?;
    Ok(format!("/admin/components/{name}"))
}

/// What fits on a screen of the list of components: name, version, kind and description.
pub(super) fn summary(components: &Value) -> Value {
    let row = |component: &Value| {
        let digest = component["digest"].as_str().unwrap_or_default();
        json!({
            "name": component["name"],
            "version": table::short(digest),
            "kind": component["kind"],
            "description": component["description"],
        })
    };
    components
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            path("house").ok().as_deref(),
            Some("/admin/components/house")
        );
        assert!(path("../clock").is_err());
    }

    #[test]
    fn the_summary_shortens_versions() {
        let listed =
            json!([{"name": "a", "digest": "0123456789abcdef", "kind": "service", "routes": []}]);
        let row = &summary(&listed)[0];
        assert_eq!(row["version"], "0123456789ab");
        assert!(row.get("routes").is_none());
    }
}
