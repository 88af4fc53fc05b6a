//! `leyden plugin logs NAME`.

use serde_json::{Value, json};

use super::route::{Identity, with_query};
use super::{Context, Error};
use crate::cli::screen::printable;

/// Shows what a plugin's last runs logged, what they came to and what they cost; the newest last.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin logs my-report
  leyden plugin logs my-report --runs 1
  leyden plugin logs my-report --before 17     runs before that one")]
pub(super) struct Logs {
    /// The plugin.
    name: String,
    /// How many runs, 20 at most.
    #[arg(long, value_name = "N", default_value_t = 10)]
    runs: u32,
    /// Only runs before the one of this number.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    #[command(flatten)]
    identity: Identity,
}

impl Logs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["logs"])?;
        let (limit, before) = (self.runs.to_string(), self.before.map(|n| n.to_string()));
        let before = before.as_deref().map(|before| ("before", before));
        let query: Vec<_> = [("limit", limit.as_str())]
            .into_iter()
            .chain(before)
            .collect();
        let mut answer = context.client()?.get(&with_query(&path, &query)).await?;
        let runs = answer["runs"].take();
        if context.global.json {
            return context.show(&runs);
        }
        let runs = runs.as_array().map_or(&[][..], Vec::as_slice);
        if runs.is_empty() {
            return context.show(&json!([]));
        }
        runs.iter().rev().try_for_each(|run| show(context, run))
    }
}

/// A run in a line, and below it what it logged.
fn show(context: &Context, run: &Value) -> Result<(), Error> {
    let screen = &context.screen;
    let (head, lines) = words(run);
    screen.line(&screen.bold(&head))?;
    for line in lines {
        screen.line(&format!("  {line}"))?;
    }
    Ok(())
}

fn words(run: &Value) -> (String, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let head = format!(
        "{} {}  {}, {} datapoints, {} reads  ({}, run {})",
        run["number"],
        text(&run["at"]),
        text(&run["outcome"]),
        run["total"],
        run["reads"],
        text(&run["trigger"]),
        text(&run["run"])
    );
    let detail = run["detail"].as_str().map(|detail| format!("-> {detail}"));
    let line = |line: &Value| {
        format!(
            "{:5} {}",
            text(&line["level"]),
            printable(&text(&line["message"]))
        )
    };
    let lines = run["lines"].as_array().into_iter().flatten().map(line);
    (head, lines.chain(detail).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_its_head_its_lines_and_why_it_has_no_report() {
        let run = json!({
            "number": 7, "at": "2026-11-25T06:00:00.000Z", "outcome": "guest-error", "total": 50, "reads": 1,
            "trigger": "request", "run": "r7", "detail": "too little credit",
            "lines": [{ "level": "info", "message": "31 intervals" }],
        });
        let (head, lines) = words(&run);
        let expected =
            "7 2026-11-25T06:00:00.000Z  guest-error, 50 datapoints, 1 reads  (request, run r7)";
        assert_eq!(head, expected);
        assert_eq!(lines, ["info  31 intervals", "-> too little credit"]);
    }
}
