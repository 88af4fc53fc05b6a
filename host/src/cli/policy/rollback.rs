//! `leyden policy rollback KIND`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, Kind, kind, path, show};

/// Takes back the version that is being promoted; where none is, activates the version before, or the one named.
///
/// With --to it is the one named in any case, and a promotion ends. Once more goes further back, never forward to what it
/// came from; where nothing was before, the error says which versions there are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy rollback shed
  leyden policy rollback shed --to 3f8a…     a version that `leyden versions shed` lists")]
pub(super) struct Rollback {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// The version's SHA-256.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let body = self.to.map_or_else(|| json!({}), |to| json!({ "to": to }));
        let (client, path) = (context.client()?, path(self.kind, "rollback"));
        let answer = client.write(Method::POST, &path, &body).await?;
        show(context, &answer)
    }
}
