//! `leyden plugin logs NAME`.

use super::route::Identity;
use super::{Context, Error};

/// Shows what a plugin's runs wrote to their log, the newest last.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin logs my-report")]
pub(super) struct Logs {
    /// The plugin.
    name: String,
    #[command(flatten)]
    identity: Identity,
}

impl Logs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["logs"])?;
        context.show(&context.client()?.get(&path).await?)
    }
}
