//! `leyden plugin reports NAME`.

use std::path::PathBuf;

use super::route::Identity;
use super::run::{print, report, write};
use super::{Context, Error};

/// Lists what a plugin's triggers have reported, or prints one of these reports.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin reports my-report
  leyden plugin reports my-report 7f0c1d… --out report.html")]
pub(super) struct Reports {
    /// The plugin.
    name: String,
    /// A report, as the list names it.
    id: Option<String>,
    /// Write the report to this file instead of printing it.
    #[arg(long, value_name = "FILE", requires = "id")]
    out: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
}

impl Reports {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let below = self
            .id
            .as_deref()
            .map_or(vec!["reports"], |id| vec!["reports", id]);
        let path = self.identity.plugin(&self.name, &below)?;
        let answer = context.client()?.get(&path).await?;
        if self.id.is_none() {
            return context.show(&answer["reports"]);
        }
        let report = report(&answer["report"])?;
        if let Some(file) = &self.out {
            write(file, &report)?;
        }
        match (context.global.json, &self.out) {
            (true, _) => context.show(&answer),
            (false, Some(_)) => Ok(()),
            (false, None) => print(&report),
        }
    }
}
