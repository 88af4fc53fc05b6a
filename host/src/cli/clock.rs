//! `leyden clock`.

use super::{Context, Error};

/// Shows the host's clock.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden clock")]
pub(super) struct ShowClock {}

impl ShowClock {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/clock").await?;
        context.show(&answer)
    }
}
