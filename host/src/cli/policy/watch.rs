//! `leyden policy watch KIND`, and what `promote` does until the promotion is over.

use std::time::Duration;

use serde_json::Value;

use super::{Client, Context, Error, Kind, kind, path, table};
use crate::cli::error::Problem;
use crate::clock;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Follows a policy's promotion until it is over: a line whenever something has changed.
///
/// Without a promotion it follows what the active version decides, until it is interrupted. Decisions and failures are
/// those on the host that answers, since it loaded the version; the 99th percentile is rounded up to a power of two of
/// nanoseconds. With --json each line is the policy as `leyden policy show` has it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  leyden policy watch shed

Exit codes: 0 the candidate is active; 1 it was taken back; 3 the host cannot be reached.")]
pub(super) struct Watch {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
}

impl Watch {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let policy = client.get(&path(self.kind, "")).await?;
        let candidate = policy["candidate"]["digest"].as_str().map(str::to_owned);
        follow(context, &client, self.kind, candidate.as_deref()).await
    }
}

/// Follows until a candidate is the active version or is gone.
///
/// # Errors
/// It was taken back; or the host does not answer.
pub(super) async fn follow(
    context: &Context,
    client: &Client,
    kind: Kind,
    candidate: Option<&str>,
) -> Result<(), Error> {
    let mut told = None;
    loop {
        let policy = client.get(&path(kind, "")).await?;
        let line = match context.global.json {
            true => policy.to_string(),
            false => line(&policy),
        };
        if told.as_ref() != Some(&line) {
            context.screen.line(&line)?;
            told = Some(line);
        }
        if let Some(candidate) = candidate {
            if policy["active"]["digest"] == candidate {
                return done(context, kind, candidate);
            }
            if policy["candidate"]["digest"] != candidate {
                return Err(taken_back(client, kind, candidate, &policy).await);
            }
        }
        clock::sleep(LOOK_EVERY).await;
    }
}

fn done(context: &Context, kind: Kind, candidate: &str) -> Result<(), Error> {
    if context.global.json {
        return Ok(());
    }
    let short = table::short(candidate);
    let line = format!("{short} is the active version of {kind}");
    Ok(context.screen.line(&line)?)
}

/// What there is to see at one instant.
fn line(policy: &Value) -> String {
    let state = policy["state"].as_str().unwrap_or_default();
    let roles = ["active", "candidate", "shadow"];
    let versions = roles.into_iter().filter_map(|role| version(policy, role));
    format!("{state}: {}", versions.collect::<Vec<_>>().join("; "))
}

/// A version and how it does; what has no figure yet is left out.
fn version(policy: &Value, role: &str) -> Option<String> {
    let digest = table::short(policy[role]["digest"].as_str()?);
    let seen = &policy[role]["onThisHost"];
    let (decisions, failures) = (&seen["decisions"], &seen["failures"]);
    let mut line = format!("{role} {digest} decided {decisions}, failed {failures}");
    if let Some(compared) = seen["compared"].as_u64().filter(|count| *count > 0) {
        line += &format!(", differs in {} of {compared}", seen["differing"]);
    }
    if decisions.as_u64() > Some(0) {
        line += &format!(", p99 {} µs", seen["p99Us"]);
    }
    Some(line)
}

/// Why a candidate decides no more, as the audit tells: it was taken back, or another version was activated meanwhile.
async fn taken_back(client: &Client, kind: Kind, candidate: &str, policy: &Value) -> Error {
    let component = policy["component"].as_str().unwrap_or_default();
    let path = super::route::with_query("/admin/audit", &[("subject", component)]);
    let entries = client.get(&path).await.unwrap_or_default();
    let mut entries = entries["entries"].as_array().into_iter().flatten();
    let entry = entries.find(|entry| entry["change"] == "take-back" && entry["from"] == candidate);
    let reason = entry
        .and_then(|entry| entry["reason"].as_str())
        .unwrap_or("another version was activated meanwhile");
    let short = table::short(candidate);
    Error::Refused(Box::new(Problem {
        title: "Taken back".into(),
        detail: format!("{short} of {kind} was taken back: {reason}"),
        ..Problem::default()
    }))
}
