//! `leyden plugin schedule NAME TRIGGER`.

use reqwest::Method;
use serde_json::{Value, json};

use super::params::Params;
use super::route::Identity;
use super::{Context, Error};

/// Lets a plugin run by itself: at set times, or on each batch of a stream that your trust level opens.
///
/// Without --cron, --stream and --off it shows the trigger; without TRIGGER all of them. What its runs report,
/// `leyden plugin reports` lists.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin schedule my-report daily --cron '0 6 * * *'              every day at 06:00 UTC
  leyden plugin schedule my-report peaks --stream consumption.peak --max-spend 100
  leyden plugin schedule my-report                                       lists them
  leyden plugin schedule my-report daily --off")]
pub(super) struct Schedule {
    /// The plugin.
    name: String,
    /// What you call the trigger: 1 to 64 of a-z, 0-9 and '-', beginning with a letter.
    trigger: Option<String>,
    /// Run at these times, UTC: minute, hour, day of the month, month, day of the week.
    #[arg(long, value_name = "EXPR", requires = "trigger", conflicts_with_all = ["stream", "off"])]
    cron: Option<String>,
    /// Run on each batch of this stream.
    #[arg(
        long,
        value_name = "STREAM",
        requires = "trigger",
        conflicts_with = "off"
    )]
    stream: Option<String>,
    #[command(flatten)]
    params: Params,
    /// Datapoints that each run may spend.
    #[arg(long, value_name = "N")]
    max_spend: Option<u64>,
    /// Remove the trigger.
    #[arg(long, requires = "trigger")]
    off: bool,
    #[command(flatten)]
    identity: Identity,
}

impl Schedule {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let path = self.path()?;
        let answer = match self.body()? {
            Some(body) => client.write(Method::PUT, &path, &body).await?,
            None if self.off => client.write(Method::DELETE, &path, &json!({})).await?,
            None if self.trigger.is_some() => client.get(&path).await?,
            None => client.get(&path).await?["triggers"].take(),
        };
        context.show(&answer)
    }

    fn path(&self) -> Result<String, Error> {
        match &self.trigger {
            Some(trigger) => self.identity.plugin(&self.name, &["triggers", trigger]),
            None => self.identity.plugin(&self.name, &["triggers"]),
        }
    }

    /// What the trigger is to be, if it is to be set.
    fn body(&self) -> Result<Option<Value>, Error> {
        let mut body = match (&self.cron, &self.stream) {
            (Some(cron), _) => json!({ "cron": cron }),
            (None, Some(stream)) => json!({ "stream": stream }),
            (None, None) => return self.nothing_to_set(),
        };
        if let Some(params) = self.params.value()? {
            body["params"] = params;
        }
        if let Some(max_spend) = self.max_spend {
            body["maxSpend"] = json!(max_spend);
        }
        Ok(Some(body))
    }

    fn nothing_to_set(&self) -> Result<Option<Value>, Error> {
        if self.params.value()?.is_none() && self.max_spend.is_none() {
            return Ok(None);
        }
        let rule = "--params and --max-spend belong to a trigger: say when it runs with --cron or --stream";
        Err(Error::Usage(rule.to_owned()))
    }
}
