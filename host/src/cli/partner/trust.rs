//! `leyden partner trust ID N`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, path};

/// Sets how far a partner is trusted; runs that begin from then on see it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden partner trust acme 3")]
pub(super) struct Trust {
    /// The partner.
    id: String,
    /// The trust level, 0 to 10.
    level: u32,
}

impl Trust {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let (client, path) = (context.client()?, path(&self.id, &["trust"])?);
        let body = json!({ "level": self.level });
        context.show(&client.write(Method::POST, &path, &body).await?)
    }
}
