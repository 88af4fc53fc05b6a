//! `leyden rollback NAME`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Context, Error, route};

/// Activates a former version of a component: the one that was active before, or the one named.
///
/// Once more goes further back, never forward to what it came from; where nothing was before, the error says which versions
/// there are.
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
        let answer = send(&context.client()?, &self.name, self.to.as_deref()).await?;
        context.show(&answer)
    }
}

/// Activates the former version of a component, or the one with a digest.
///
/// # Errors
/// The host does not answer or refuses, for example because there is no such version.
pub(crate) async fn send(client: &Client, name: &str, to: Option<&str>) -> Result<Value, Error> {
    let path = format!("{}/rollback", route::component(name)?);
    let body = to.map_or_else(|| json!({}), |digest| json!({ "to": digest }));
    client.write(Method::POST, &path, &body).await
}
