//! `leyden plugin quote NAME`.

use reqwest::Method;
use serde_json::{Value, json};

use super::params::Params;
use super::route::Identity;
use super::{Context, Error};

/// Estimates what a run would cost, and says what holds now: prices, what the account has.
///
/// The host tries the plugin on made-up households, so the estimate tells nothing of real ones, and costs nothing.
/// What was measured in the period may make more pages, or fewer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  leyden plugin quote my-report --params '{\"fromMs\":0}'")]
pub(super) struct Quote {
    /// The plugin.
    name: String,
    #[command(flatten)]
    params: Params,
    #[command(flatten)]
    identity: Identity,
}

impl Quote {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["quote"])?;
        let body = self.params.body()?;
        let client = context.client()?;
        let answer = client.write(Method::POST, &path, &body).await?;
        let shown = match context.global.json {
            true => answer,
            false => summary(&answer),
        };
        context.show(&shown)
    }
}

/// What fits on a screen.
fn summary(quote: &Value) -> Value {
    let (tried, last) = (&quote["tried"], &quote["lastRuns"]);
    let outcome = tried["outcome"].as_str().unwrap_or_default();
    let tried_on = format!("{} made-up households: {outcome}", tried["households"]);
    let runs = match last["count"].as_u64() {
        None | Some(0) => "none yet".to_owned(),
        Some(count) => format!(
            "{count}, of {} to {} datapoints, the newest {}",
            last["least"], last["most"], last["newest"]
        ),
    };
    let mut shown = json!({
        "estimate": format!("{} datapoints", tried["total"]),
        "triedOn": tried_on,
        "lastRuns": runs,
        "balance": quote["balance"],
        "computePrice": quote["computePrice"],
        "reads": tried["reads"],
        "prices": quote["prices"],
    });
    if tried["detail"].is_string() {
        shown["detail"] = tried["detail"].clone();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_what_it_stands_on() {
        let quote = json!({
            "prices": [{ "dataset": "global-consumption", "datapointsPerRead": 50 }],
            "computePrice": 0,
            "balance": 900,
            "tried": { "households": 40, "outcome": "report", "detail": null, "reads": [], "total": 100 },
            "lastRuns": { "count": 2, "least": 50, "most": 100, "newest": 100 },
        });
        let shown = summary(&quote);
        assert_eq!(shown["estimate"], "100 datapoints");
        assert_eq!(shown["triedOn"], "40 made-up households: report");
        assert_eq!(
            shown["lastRuns"],
            "2, of 50 to 100 datapoints, the newest 100"
        );
        assert_eq!(shown.get("detail"), None);
    }
}
