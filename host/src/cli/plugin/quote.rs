//! `leyden plugin quote NAME`.

use reqwest::Method;

use super::params::Params;
use super::route::Identity;
use super::{Context, Error};

/// Says what a run may cost: prices, what the datasets need, what the account holds. It runs nothing and costs nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin quote my-report --params '{\"fromMs\":0}'")]
pub(super) struct Quote {
    /// The plugin.
    name: String,
    #[command(flatten)]
    params: Params,
    #[command(flatten)]
    identity: Identity,
}

impl Quote {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["quote"])?;
        let body = self.params.body()?;
        let answer = context.client()?.write(Method::POST, &path, &body).await?;
        context.show(&answer)
    }
}
