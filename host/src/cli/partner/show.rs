//! `leyden partner show ID`.

use super::{Context, Error, path};

/// Shows a partner: trust level, balance, what its running plugins hold, and its upload key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden partner show acme")]
pub(super) struct Show {
    /// The partner.
    id: String,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get(&path(&self.id, &[])?).await?;
        context.show(&answer)
    }
}
