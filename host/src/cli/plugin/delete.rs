//! `leyden plugin delete NAME`.

use reqwest::Method;
use serde_json::json;

use super::route::Identity;
use super::{Context, Error};

/// Removes a plugin with all its versions. What it did stays in the receipts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin delete my-report")]
pub(super) struct Delete {
    /// The plugin.
    name: String,
    #[command(flatten)]
    identity: Identity,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &[])?;
        let client = context.client()?;
        context.show(&client.write(Method::DELETE, &path, &json!({})).await?)
    }
}
