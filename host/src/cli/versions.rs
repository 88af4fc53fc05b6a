//! `leyden versions NAME`.

use super::{Context, Error};

/// Lists the versions of a component, the active one marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden versions schedule")]
pub(super) struct Versions {
    /// The component's name.
    name: String,
}

impl Versions {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = format!("{}/versions", super::route::component(&self.name)?);
        let answer = context.client()?.get(&path).await?;
        context.show(&answer)
    }
}
