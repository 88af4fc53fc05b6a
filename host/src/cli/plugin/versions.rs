//! `leyden plugin versions NAME`.

use serde_json::{Value, json};

use super::route::Identity;
use super::{Context, Error};

/// Lists the versions of a plugin that are kept, the newest first and the active one marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin versions my-report")]
pub(super) struct Versions {
    /// The plugin.
    name: String,
    #[command(flatten)]
    identity: Identity,
}

impl Versions {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["versions"])?;
        let mut answer = context.client()?.get(&path).await?;
        let versions = answer["versions"].take();
        let shown = match context.global.json {
            true => versions,
            false => summary(&versions),
        };
        context.show(&shown)
    }
}

/// What fits on a screen; the digest whole, since `rollback --to` asks for it.
fn summary(versions: &Value) -> Value {
    let row = |version: &Value| {
        json!({
            "version": version["version"],
            "active": if version["active"] == true { "yes" } else { "" },
            "digest": version["digest"],
            "sizeBytes": version["sizeBytes"],
            "datasets": version["datasets"],
            "uploadedAt": version["uploadedAt"],
        })
    };
    versions.as_array().into_iter().flatten().map(row).collect()
}
