//! `leyden policy diff KIND FILE`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Context, Error, Kind, client, decisions, kind, progress};
use crate::cli::error::Problem;
use crate::clock;
use crate::dispatch::Culprit;
use crate::ids::{ComponentName, Digest};
use crate::policies::Decision;
use crate::policies::diff::{Group, Report, diff};
use crate::policies::log::Part;
use crate::registry::rollout::Share;
use crate::replay;
use crate::runtime::{Loaded, Options, Runtime};

/// Largest file of decisions, bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Shows what a version would have decided otherwise than was decided.
///
/// It is asked here, on all cores; the host only gives what it has logged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden policy diff shed candidate.wasm                          against the last 10,000 decisions
  leyden policy diff shed candidate.wasm --against last:100000
  leyden policy diff shed candidate.wasm --against shed.json      that `leyden --json policy decisions` has printed
  leyden policy diff shed candidate.wasm --against traffic.lrec   a record of invocations (`leyden record`)
  leyden policy diff shed candidate.wasm --max-diff 2%            for scripts

What failed counts as differing. `slower` are those that took four times as long as then, and a millisecond more.

Exit codes: 0 no more differs than may; 1 more does; 2 the command line or a file is wrong; 3 the host cannot be
reached.")]
pub(super) struct Diff {
    /// What it decides: access, assignment, peak-limit, schedule or shed.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// The version.
    file: PathBuf,
    /// What it is compared with: last:N, or a file of decisions.
    #[arg(long, value_name = "last:N|FILE", default_value = "last:10000")]
    against: String,
    /// Fail if it decides more than this share otherwise, such as 0 or 2%.
    #[arg(long, value_name = "SHARE")]
    max_diff: Option<String>,
}

impl Diff {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let share = self.max_diff.as_deref().map(Share::parse).transpose();
        let share = share.map_err(|rule| Error::Usage(format!("--max-diff: {rule}")))?;
        let candidate = load(self.kind, &self.file)?;
        let mut decisions = self.decisions(context).await?;
        let found = decisions.len();
        decisions.retain(|decision| decision.kind() == Some(self.kind));
        let left_out = found - decisions.len();
        let began = clock::monotonic();
        let report = compare(self.kind, candidate, decisions).await;
        let took = clock::monotonic().saturating_duration_since(began);
        match context.global.json {
            true => {
                let mut value = json!(report);
                value["leftOut"] = left_out.into();
                context.show(&value)?;
            }
            false => show(context, &report, left_out, took)?,
        }
        match share.filter(|share| report.passes(*share)) {
            Some(share) => Err(too_much(&report, share)),
            None => Ok(()),
        }
    }

    async fn decisions(&self, context: &Context) -> Result<Vec<Decision>, Error> {
        Ok(match self.against.strip_prefix("last:") {
            Some(number) => {
                let rule = |_| Error::Usage("--against: last:N takes a whole number".to_owned());
                let last = number.parse().map_err(rule)?;
                decisions_of(fetched(&context.client()?, self.kind, last).await?)
            }
            None => read(Path::new(&self.against))?,
        })
    }
}

async fn fetched(client: &Client, kind: Kind, last: usize) -> Result<Vec<Part>, Error> {
    let bar = progress::rows_bar("decisions", last as u64);
    let parts = decisions::fetch(client, kind, last, |count| bar.set_position(count as u64)).await;
    bar.finish_and_clear();
    parts
}

/// What a file has of decisions: a record of invocations, or what `leyden policy decisions` printed.
fn read(file: &Path) -> Result<Vec<Decision>, Error> {
    let wrong = |why: String| Error::Usage(format!("{}: {why}", file.display()));
    if file
        .extension()
        .is_some_and(|extension| extension == "lrec")
    {
        return recorded(file).map_err(|error| wrong(error.to_string()));
    }
    let bytes = client::read_file(file, FILE_BYTES_MAX)?;
    let parts: Vec<Part> = serde_json::from_slice(&bytes).map_err(|error| {
        wrong(format!(
            "it holds no decisions as `leyden --json policy decisions` prints them: {error}"
        ))
    })?;
    Ok(decisions_of(parts))
}

fn decisions_of(parts: Vec<Part>) -> Vec<Decision> {
    let decisions = parts.into_iter().flat_map(|part| part.decisions);
    decisions.collect()
}

/// What was decided in the invocations of a record.
fn recorded(file: &Path) -> Result<Vec<Decision>, replay::file::Error> {
    let mut reader = replay::file::Reader::open(BufReader::new(File::open(file)?))?;
    let mut decisions = Vec::new();
    while let Some(line) = reader.next_line()? {
        if let replay::format::Line::Invocation(invocation) = line {
            decisions.extend(invocation.outcome.decisions);
        }
    }
    Ok(decisions)
}

/// Compiles a version here.
fn load(kind: Kind, file: &Path) -> Result<Arc<Loaded>, Error> {
    let bytes = client::read_component(file)?;
    let wrong = |rule: String| Error::Usage(format!("{}: {rule}", file.display()));
    let runtime = Runtime::start(&Options::default()).map_err(|e| Error::Host(format!("{e:#}")))?;
    let culprit = Culprit {
        component: ComponentName::parse(kind.name()).map_err(|rule| wrong(rule.to_string()))?,
        version: Digest::of(&bytes),
    };
    let loaded = runtime
        .load(culprit, &bytes, None)
        .map_err(|e| wrong(e.to_string()))?;
    if !loaded.interface_of(kind).is_empty() {
        return Ok(Arc::new(loaded));
    }
    let other = Kind::ALL
        .into_iter()
        .find(|other| !loaded.interface_of(*other).is_empty());
    Err(wrong(match other {
        Some(other) => format!("it decides {other}, not {kind}"),
        None => format!(
            "it is no policy: a policy exports one leyden:policy interface, here {kind}, and imports nothing"
        ),
    }))
}

async fn compare(kind: Kind, candidate: Arc<Loaded>, decisions: Vec<Decision>) -> Report {
    let bar = progress::rows_bar("compared", decisions.len() as u64);
    let done = Arc::new(AtomicUsize::new(0));
    let comparing = diff(kind, &candidate, Arc::new(decisions), done.clone());
    tokio::pin!(comparing);
    let report = loop {
        tokio::select! {
            report = &mut comparing => break report,
            () = clock::sleep(TICK) => bar.set_position(done.load(Ordering::Relaxed) as u64),
        }
    };
    bar.finish_and_clear();
    report
}

/// The table.
fn show(context: &Context, report: &Report, left_out: usize, took: Duration) -> Result<(), Error> {
    let all = report.decisions;
    if all == 0 {
        let nothing = "no decision is recorded: there is nothing to compare with";
        return Ok(context.screen.line(nothing)?);
    }
    let percent = |count: u64| format!("{:.1} %", count as f64 * 100.0 / all as f64);
    let row =
        |name: &str, count: u64| json!({"": name, "decisions": count, "share": percent(count)});
    let mut rows = vec![row("same", report.same), row("changed", report.changed)];
    rows.extend(of_groups(&report.changes, &row));
    rows.push(row("failed", report.failed));
    rows.extend(of_groups(&report.failures, &row));
    rows.push(row("slower", report.slower));
    context.show(&rows.into())?;
    let weights = report.weights.iter().map(|(unit, weight)| {
        let (before, after) = (rounded(weight.before), rounded(weight.after));
        json!({"in all": unit, "before": before, "after": after,
               "difference": rounded(weight.after - weight.before)})
    });
    let weights: Vec<Value> = weights.collect();
    if !weights.is_empty() {
        context.screen.line("")?;
        context.show(&weights.into())?;
    }
    for (name, group) in report.changes.iter().chain(&report.failures) {
        examples(context, name, group)?;
    }
    let seconds = took.as_secs_f64();
    let left_out = match left_out {
        0 => String::new(),
        other => format!(", left out: {other} of other kinds"),
    };
    Ok(context
        .screen
        .line(&format!("\ncompared: {all}{left_out}, in {seconds:.1} s"))?)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn of_groups(
    groups: &std::collections::BTreeMap<String, Group>,
    row: &impl Fn(&str, u64) -> Value,
) -> Vec<Value> {
    let row = |(name, group): (&String, &Group)| row(&format!("  {name}"), group.count);
    groups.iter().map(row).collect()
}

fn examples(context: &Context, name: &str, group: &Group) -> Result<(), Error> {
    context.screen.line(&format!("\n{name}, for example:"))?;
    for example in &group.examples {
        context.screen.line(&format!("  {}", example.input))?;
        context
            .screen
            .line(&format!("    {} → {}", example.before, example.after))?;
    }
    Ok(())
}

fn too_much(report: &Report, share: Share) -> Error {
    let (differ, all) = (report.changed + report.failed, report.decisions);
    Error::Refused(Box::new(Problem {
        title: "More differs than may".into(),
        detail: format!("{differ} of {all} decisions differ or fail (at most {share})"),
        ..Problem::default()
    }))
}
