//! `leyden streams`.

use serde_json::{Value, json};

use super::{Context, Error};

/// Lists the streams and how far each subscriber has read.
#[derive(Debug, clap::Args)]
pub(super) struct Streams {}

impl Streams {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client()?.get("/admin/streams").await?;
        let shown = if context.global.json {
            answer
        } else {
            summary(&answer)
        };
        context.show(&shown)
    }
}

/// One line per stream; each group with what it has not handled yet.
fn summary(streams: &Value) -> Value {
    let group = |group: &Value| {
        let name = group["group"].as_str().unwrap_or_default();
        json!(format!("{name} ({} behind)", group["lag"]))
    };
    let row = |stream: &Value| {
        let groups = stream["groups"].as_array().into_iter().flatten();
        json!({
            "stream": stream["stream"],
            "newest": stream["newest"],
            "subscribers": groups.map(group).collect::<Vec<_>>(),
        })
    };
    streams.as_array().into_iter().flatten().map(row).collect()
}
