//! `leyden policy decisions KIND`.

use serde_json::{Value, json};

use super::{Client, Context, Error, Kind, kind, path, route, table};
use crate::policies::log::Part;

/// Decisions that one answer is asked for.
const PAGE: usize = 5_000;

/// Shows what was decided, the latest first: what was asked, what was said, by which version.
///
/// With --json it prints what `leyden policy diff --against FILE` reads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy decisions shed
  leyden --json policy decisions shed --last 10000 > shed.json")]
pub(super) struct Decisions {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// How many decisions, at most.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

impl Decisions {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let parts = fetch(&context.client()?, self.kind, self.last, |_| ()).await?;
        if context.global.json {
            return context.show(&json!(parts));
        }
        let rows = parts.iter().flat_map(|part| {
            let at = crate::ids::Instant(part.at).to_string();
            part.decisions.iter().rev().map(move |decision| {
                json!({
                    "at": at,
                    "policy": table::short(&decision.policy),
                    "function": decision.function,
                    "input": decision.input.to_string(),
                    "output": decision.output.to_string(),
                })
            })
        });
        context.show(&rows.take(self.last).collect::<Value>())
    }
}

/// The last decisions of a kind; `told` hears how many are there.
///
/// # Errors
/// The host does not answer or refuses.
pub(super) async fn fetch(
    client: &Client,
    kind: Kind,
    last: usize,
    told: impl Fn(usize),
) -> Result<Vec<Part>, Error> {
    let (mut parts, mut count, mut next) = (Vec::new(), 0, None::<String>);
    while count < last {
        let most = (last - count).min(PAGE).to_string();
        let mut query = vec![("last", most.as_str())];
        query.extend(next.as_deref().map(|next| ("before", next)));
        let path = route::with_query(&path(kind, "decisions"), &query);
        let mut page = client.get(&path).await?;
        let found = serde_json::from_value::<Vec<Part>>(page["parts"].take());
        let found = found.map_err(|error| Error::Answer(error.to_string()))?;
        count += found.iter().map(|part| part.decisions.len()).sum::<usize>();
        parts.extend(found);
        told(count.min(last));
        next = page["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(parts)
}
