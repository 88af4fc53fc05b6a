//! `leyden plugin list`.

use serde_json::{Value, json};

use super::super::table;
use super::route::Identity;
use super::{Context, Error};

/// Lists your plugins, each with its active version.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin list")]
pub(super) struct List {
    #[command(flatten)]
    identity: Identity,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.path(&["plugins"])?;
        let mut answer = context.client()?.get(&path).await?;
        let plugins = answer["plugins"].take();
        let shown = match context.global.json {
            true => plugins,
            false => summary(&plugins),
        };
        context.show(&shown)
    }
}

/// What fits on a screen.
fn summary(plugins: &Value) -> Value {
    let row = |plugin: &Value| {
        let active = &plugin["active"];
        json!({
            "name": plugin["name"],
            "version": active["version"],
            "digest": table::short(active["digest"].as_str().unwrap_or_default()),
            "datasets": active["datasets"],
            "versions": plugin["versions"],
            "uploadedAt": active["uploadedAt"],
        })
    };
    plugins.as_array().into_iter().flatten().map(row).collect()
}
