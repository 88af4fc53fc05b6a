//! `leyden consent`: what a household lets partners read.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Context, Error, route};
use crate::metering::Dataset;

/// The registry's route.
const ROUTE: &str = "/client-database/client-registry/consent";

/// Shows and sets what a household lets partners read.
///
/// A household consents until it withdraws; what it withdraws, the next read of any partner leaves out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden consent show f3b8a521-70a9-48a0-b2d3-f7c87bc52a94
  leyden consent set f3b8a521-70a9-48a0-b2d3-f7c87bc52a94 detailed-consumption off")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows what a household consents to.
    #[command(after_help = "Example:\n  leyden consent show f3b8a521-70a9-48a0-b2d3-f7c87bc52a94")]
    Show {
        /// The house, as `client-registry/allHouses` names it.
        house: String,
    },
    /// Gives or withdraws consent to one dataset; the audit tells who did so.
    #[command(
        after_help = "Example:\n  leyden consent set f3b8a521-70a9-48a0-b2d3-f7c87bc52a94 detailed-consumption off"
    )]
    Set {
        /// The house, as `client-registry/allHouses` names it.
        house: String,
        /// The dataset: global-consumption, production or detailed-consumption.
        #[arg(value_parser = dataset)]
        dataset: Dataset,
        /// Whether it may be read.
        granted: Switch,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// A dataset by its name.
pub(super) fn dataset(name: &str) -> Result<Dataset, String> {
    let named = Dataset::ALL
        .into_iter()
        .find(|dataset| dataset.name() == name);
    let all = Dataset::ALL.map(Dataset::name).join(", ");
    named.ok_or_else(|| format!("must be one of {all}"))
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let house = match self.verb {
            Verb::Show { house } => house,
            Verb::Set {
                house,
                dataset,
                granted,
            } => {
                let body = json!({
                    "houseID": house,
                    "dataset": dataset.name(),
                    "granted": granted == Switch::On,
                });
                client.write(Method::POST, ROUTE, &body).await?;
                house
            }
        };
        let path = route::with_query(ROUTE, &[("houseID", &house)]);
        let answer = client.get(&path).await?;
        let shown = if context.global.json {
            answer
        } else {
            summary(&answer)
        };
        context.show(&shown)
    }
}

/// One line per dataset.
fn summary(answer: &Value) -> Value {
    let row = |dataset: Dataset| {
        let granted = answer["granted"][dataset.name()] == true;
        json!({ "dataset": dataset.name(), "consent": if granted { "on" } else { "off" } })
    };
    Dataset::ALL.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_have_their_names() {
        assert_eq!(dataset("production"), Ok(Dataset::Production));
        let refused = dataset("consumption").expect_err("no such dataset");
        assert!(refused.contains("detailed-consumption"), "{refused}");
    }

    #[test]
    fn what_is_withheld_is_off() {
        let answer = json!({ "granted": { "global-consumption": true, "production": false } });
        let consents: Vec<_> = summary(&answer)
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["consent"].clone())
            .collect();
        assert_eq!(consents, ["on", "off", "off"]);
    }
}
