//! `leyden plugin rollback NAME`.

use reqwest::Method;
use serde_json::json;

use super::route::Identity;
use super::{Context, Error};

/// Makes a former version of a plugin the active one: the one that was active before, or the one named.
///
/// Once more goes further back, never forward to what it came from; where nothing was before, the error says which versions
/// are kept.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  leyden plugin rollback my-report\n  leyden plugin rollback my-report --to 3f8a…"
)]
pub(super) struct Rollback {
    /// The plugin.
    name: String,
    /// The version's SHA-256, as `leyden plugin versions` prints it.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
    #[command(flatten)]
    identity: Identity,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["rollback"])?;
        let body = self.to.map_or_else(|| json!({}), |to| json!({ "to": to }));
        context.show(&context.client()?.write(Method::POST, &path, &body).await?)
    }
}
