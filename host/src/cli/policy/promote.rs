//! `leyden policy promote KIND FILE`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;

use super::{Context, Error, Kind, kind, path, route, show, upload, watch};
use crate::cli::age;
use crate::registry::rollout::{DECISIONS_MIN, Guards, Plan, Share};

/// How long all decisions are a candidate's before it is the active version, unless told otherwise.
const OBSERVED: &str = "10s";

/// Makes a version the active one, step by step, and takes it back if it does badly.
///
/// It is tried on what was decided lately, then decides for more and more subjects while its guards are watched, then is
/// the active version. Until then the former version is active and decides what the candidate does not, and what it fails
/// to decide (of access: nobody does), so taking it back interrupts nothing. A subject (a community; of assignment a new house's
/// client; of access a trust level) is on one side and stays there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy promote shed candidate.wasm --max-diff 0
  leyden policy promote shed candidate.wasm --canary 5%,50%,100% --step 10m --guard-diff 2%
  leyden policy promote shed candidate.wasm --detach; leyden policy watch shed

Exit codes: 0 it is the active version; 1 it was refused or taken back; 2 the command line is wrong or the file cannot be
read; 3 the host cannot be reached.")]
pub(super) struct Promote {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// The version.
    file: PathBuf,
    /// Refuse it if it decides more than this share of the recorded decisions otherwise, such as 0 or 2%.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_diff: Option<String>,
    /// How many recorded decisions it is tried on.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    last: usize,
    /// Shares of the subjects that it decides for, one after the other, such as 5%,50%,100%; `→` will do for the comma.
    #[arg(long, value_name = "SHARES", default_value = "100%")]
    canary: String,
    /// How long each of them lasts, such as 30s or 10m.
    #[arg(long, value_name = "TIME", default_value = OBSERVED, value_parser = age::parse_ms)]
    step: u64,
    /// How many decisions it must have made in each of them, as one host counts; without traffic it waits there, a week at
    /// most. 0: time alone counts.
    #[arg(long, value_name = "N", default_value_t = DECISIONS_MIN)]
    min_decisions: u64,
    /// Take it back after more failures than these: traps, decisions that take too long or break the contract.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_failures: u64,
    /// Take it back when a larger share of the invocations that it decides in fails.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    max_errors: String,
    /// Take it back when the 99th percentile of its decisions takes longer, µs.
    #[arg(long, value_name = "µs")]
    max_latency_us: Option<u64>,
    /// Take it back when a larger share of its decisions differs from what the active version says to the same.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    guard_diff: Option<String>,
    /// Do not wait for the end.
    #[arg(long)]
    detach: bool,
}

fn share(text: &str) -> Result<String, String> {
    Share::parse(text)
        .map(|share| share.to_string())
        .map_err(str::to_owned)
}

/// What it said to what was decided lately.
fn tried(report: &Value) -> String {
    match report["decisions"].as_u64() {
        Some(0) | None => "no decision is recorded: tried on an input that was made up".to_owned(),
        Some(decisions) => format!(
            "tried on recorded decisions: {decisions}; same {}, changed {}, slower {}",
            report["same"], report["changed"], report["slower"]
        ),
    }
}

impl Promote {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        self.check()?;
        let client = context.client()?;
        let query = self.query();
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let path = route::with_query(&path(self.kind, "promote"), &query);
        let then = "compiling, trying it on what was decided";
        let answer = upload(&client, Method::POST, &path, &self.file, then).await?;
        let digest = answer["candidate"]["digest"].as_str().map(str::to_owned);
        if !context.global.json {
            context.screen.line(&tried(&answer["tried"]))?;
        }
        match self.detach {
            true => show(context, &answer),
            false => watch::follow(context, &client, self.kind, digest.as_deref()).await,
        }
    }

    /// A plan that no host would take is not sent.
    fn check(&self) -> Result<(), Error> {
        let stages = Share::parse_all(&self.canary);
        let wrong = |rule: &str| Error::Usage(format!("--canary: {rule}"));
        let plan = Plan {
            stages: stages.map_err(wrong)?,
            step_ms: self.step,
            decisions_min: self.min_decisions,
            guards: Guards::default(),
        };
        let checked = plan.check();
        checked.map_err(|(member, rule)| Error::Usage(format!("--{member}: {rule}")))
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("canary", Some(self.canary.clone())),
            ("stepMs", Some(self.step.to_string())),
            ("minDecisions", Some(self.min_decisions.to_string())),
            ("last", Some(self.last.to_string())),
            ("maxDiff", self.max_diff.clone()),
            ("maxFailures", Some(self.max_failures.to_string())),
            ("maxErrors", Some(self.max_errors.clone())),
            ("maxLatencyUs", self.max_latency_us.map(|us| us.to_string())),
            ("guardDiff", self.guard_diff.clone()),
        ];
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}
