//! `leyden tick N`.

use reqwest::Method;
use serde_json::json;

use super::{Context, Error};

/// Moves a simulated clock by N ticks, each time waiting until every stream is worked off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden tick 10")]
pub(super) struct Tick {
    /// How many ticks.
    #[arg(default_value_t = 1)]
    count: u32,
}

impl Tick {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let body = json!({ "count": self.count });
        let answer = context
            .client()?
            .write(Method::POST, "/admin/clock/tick", &body)
            .await?;
        context.show(&answer)
    }
}
