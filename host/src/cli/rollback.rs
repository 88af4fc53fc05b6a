//! `leyden rollback NAME`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error};

/// Activates a former version of a component: the one before, or the one named.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  leyden rollback schedule\n  leyden rollback schedule --to 3f8a…"
)]
pub(super) struct Rollback {
    /// The component's name.
    name: String,
    /// The version's SHA-256, as `leyden versions` prints it.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = format!("{}/rollback", super::components::path(&self.name)?);
        let body = self
            .to
            .map_or_else(|| json!({}), |digest| json!({ "to": digest }));
        let answer = context.client()?.write(Method::POST, &path, &body).await?;
        context.show(&answer)
    }
}
