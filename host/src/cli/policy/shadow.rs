//! `leyden policy shadow KIND FILE`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::{Context, Error, Kind, kind, path, show, upload};

/// Runs a version beside the active one on live traffic, its effects dropped.
///
/// Every invocation that asks the policy is run a second time with it and compared: what it decides, what other policies
/// decide after that, the effects, the answer. `leyden policy show` tells how often each differs, with examples.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy shadow shed candidate.wasm
  leyden policy show shed
  leyden policy shadow shed --end")]
pub(super) struct Shadow {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// The version.
    #[arg(required_unless_present = "end", conflicts_with = "end")]
    file: Option<PathBuf>,
    /// Ends it.
    #[arg(long)]
    end: bool,
}

impl Shadow {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let (client, path) = (context.client()?, path(self.kind, "shadow"));
        let answer = match &self.file {
            Some(file) => upload(&client, Method::PUT, &path, file, "compiling").await?,
            None => client.write(Method::DELETE, &path, &json!({})).await?,
        };
        show(context, &answer)
    }
}
