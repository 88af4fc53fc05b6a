//! `leyden policy list` and `leyden policy show KIND`.

use serde_json::Value;

use super::{Context, Error, Kind, kind, path, summary, whole};

/// Lists the policies: which version decides, how it does, and what is beside it.
///
/// `decided` and `failed` are what the active version did on the host that answers, since that host loaded it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden policy list")]
pub(super) struct List {}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut answer = context.client()?.get("/admin/policies").await?;
        let policies = answer["policies"].take();
        if context.global.json {
            return context.show(&policies);
        }
        let rows = policies.as_array().into_iter().flatten().map(summary);
        context.show(&rows.collect::<Value>())
    }
}

/// Shows one policy whole: its versions, what they decided on the host that answers, a promotion and its guards.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden policy show shed")]
pub(super) struct Show {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let policy = context.client()?.get(&path(self.kind, "")).await?;
        match context.global.json {
            true => context.show(&policy),
            false => context.show(&whole(policy)),
        }
    }
}
