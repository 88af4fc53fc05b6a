//! `leyden policy log KIND`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, Kind, kind, path, show};

/// Says how much of what a policy decides is logged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy log access --one-in 100     the decisions of one invocation in a hundred
  leyden policy log shed --one-in 1         all of them
  leyden policy log shed --one-in 0         none")]
pub(super) struct Log {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Log all that is decided in one invocation out of so many; 0: nothing.
    #[arg(long, value_name = "N")]
    one_in: u32,
}

impl Log {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let body = json!({ "oneIn": self.one_in });
        let (client, path) = (context.client()?, path(self.kind, "log"));
        let answer = client.write(Method::PUT, &path, &body).await?;
        show(context, &answer)
    }
}
