//! `leyden streams`.

use super::{Context, Error};

/// Lists the streams and how far each subscriber has read.
#[derive(Debug, clap::Args)]
pub(super) struct Streams {}

impl Streams {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/streams").await?;
        context.show(&answer)
    }
}
