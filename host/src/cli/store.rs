//! `leyden store copy`: moves an embedded installation to Redis. The copying and checking is the store's;
//! here are the options, the bar and the report.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::store_options::Installation;
use super::{Context, Error, progress, signals};
use crate::config;
use crate::store::copy::{self, Part, Progress, Report, Stage, Sum};

/// Works on stores that no host uses.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  leyden store copy --from ./leyden-data --to redis://127.0.0.1:6379/0"
)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Copy(Copy),
}

/// Copies an embedded installation into an empty namespace on Redis, and compares what it reads back.
///
/// Stop the host on the folder first. State, streams, the groups' places and the ledger go over; the folder
/// stays as it is. No host opens a copy that was cut off or differs: copy again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leyden store copy --from ./leyden-data --to redis://127.0.0.1:6379/0
  leyden store copy --from /srv/leyden --to rediss://user:password@redis.example:6380/0 --namespace north
  LEYDEN_STORE=redis://:password@127.0.0.1:6379/0 leyden store copy

Exit codes: 0 copied and found equal; 1 a store does not answer, is in use or differs; 2 an option is wrong.")]
struct Copy {
    /// The folder of the embedded store.
    #[arg(long, value_name = "DIR", default_value = config::DATA)]
    from: PathBuf,
    /// The store to fill, as in `leyden up --store`.
    #[arg(long, value_name = "URL", env = "LEYDEN_STORE", hide_env_values = true)]
    to: String,
    #[command(flatten)]
    installation: Installation,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let Verb::Copy(verb) = self.verb;
        let to = verb.installation.options("--to", &verb.to)?;
        let mut bar = Bar::default();
        let copied = tokio::select! {
            copied = copy::copy(&verb.from, to, |progress| bar.show(progress)) => copied,
            _ = signals::told_to_stop() => {
                return Err(Error::Host("interrupted: the copy is not finished; copy again".to_owned()));
            }
        };
        bar.clear();
        context.show(&document(&copied.map_err(Error::copy)?))
    }
}

/// A bar for each part, once to copy it and once to verify it.
#[derive(Default)]
struct Bar {
    drawn: Option<(Stage, Part, ProgressBar)>,
}

impl Bar {
    fn show(&mut self, progress: Progress) {
        let Progress {
            stage,
            part,
            rows,
            rows_total,
        } = progress;
        if let Some((drawn_stage, drawn_part, bar)) = &self.drawn
            && (*drawn_stage, *drawn_part) == (stage, part)
        {
            bar.set_position(rows);
            return;
        }
        self.clear();
        let bar = progress::rows_bar(what(stage, part), rows_total);
        bar.set_position(rows);
        self.drawn = Some((stage, part, bar));
    }

    fn clear(&mut self) {
        if let Some((.., bar)) = self.drawn.take() {
            bar.finish_and_clear();
        }
    }
}

fn what(stage: Stage, part: Part) -> &'static str {
    match (stage, part) {
        (Stage::Copying, Part::State) => "copying state",
        (Stage::Copying, Part::Log) => "copying streams",
        (Stage::Copying, Part::Ledger) => "copying the ledger",
        (Stage::Verifying, Part::State) => "verifying state",
        (Stage::Verifying, Part::Log) => "verifying streams",
        (Stage::Verifying, Part::Ledger) => "verifying the ledger",
    }
}

/// What was copied and found equal.
fn document(report: &Report) -> Value {
    let part = |name: &str, sum: &Sum| json!({ "part": name, "rows": sum.rows, "bytes": sum.bytes, "sha256": sum.digest.to_string() });
    json!({
        "verified": true,
        "commits": report.version,
        "partitions": report.partitions,
        "groups": report.groups,
        "ledgerHead": report.head.hash.to_string(),
        "parts": [
            part("state", &report.state),
            part("streams", &report.log),
            part("ledger", &report.ledger),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Digest;
    use crate::store::chain::Head;

    #[test]
    fn the_report_lists_every_part() {
        let sum = |rows| Sum {
            rows,
            bytes: 8,
            digest: Digest::of(b""),
        };
        let report = Report {
            version: 9,
            state: sum(1),
            log: sum(2),
            ledger: sum(3),
            partitions: 4,
            groups: 5,
            head: Head::default(),
        };
        let document = document(&report);
        let rows: Vec<_> = (0..3)
            .map(|n| document["parts"][n]["rows"].as_u64())
            .collect();
        assert_eq!(rows, [Some(1), Some(2), Some(3)]);
        assert_eq!(
            (&document["verified"], &document["commits"]),
            (&json!(true), &json!(9))
        );
    }

    #[test]
    fn a_bar_follows_its_part() {
        let mut bar = Bar::default();
        let progress = |part, rows| Progress {
            stage: Stage::Copying,
            part,
            rows,
            rows_total: 10,
        };
        let position = |bar: &Bar| bar.drawn.as_ref().map(|(.., bar)| bar.position());
        bar.show(progress(Part::State, 3));
        assert_eq!(position(&bar), Some(3));
        bar.show(progress(Part::State, 9));
        assert_eq!(position(&bar), Some(9));
        bar.show(progress(Part::Log, 1));
        assert_eq!(position(&bar), Some(1));
        bar.clear();
        assert_eq!(position(&bar), None);
    }
}
