//! `leyden delete NAME`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, route};

/// Takes a component away: its routes answer no more, and its versions and secrets are gone.
///
/// Requests under way finish. What it kept in the store stays, for whatever is deployed under its name next. A component that
/// others call, a policy, and what comes with the host are not taken away.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  leyden delete hello")]
pub(super) struct Delete {
    /// The component's name.
    name: String,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = route::component(&self.name)?;
        let answer = context
            .client()?
            .write(Method::DELETE, &path, &json!({}))
            .await?;
        context.show(&answer)
    }
}
