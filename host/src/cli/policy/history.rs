//! `leyden policy history KIND`.

use super::{Context, Error, Kind, audit, kind, path};

/// Tells who deployed, promoted, took back or rolled back which version of a policy, the latest change first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden policy history shed")]
pub(super) struct History {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// How many changes, at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

impl History {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let policy = context.client()?.get(&path(self.kind, "")).await?;
        let component = policy["component"].as_str();
        audit::show(context, component, self.limit).await
    }
}
