//! `leyden plugin check FILE`: what a host would say to an upload, without one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::error::{FieldError, Problem};
use super::client::read_component;
use super::{Context, Error};
use crate::metering::Dataset;
use crate::runtime::inspect::{Import, Need, Reason, trust_by_default};
use crate::runtime::{Inspection, Refused, inspect};

/// Says offline what a component imports, what each import needs, and what a host would refuse.
///
/// The trust levels are those of the access policy that Leyden comes with; the one that is active on a host may ask for
/// others, which `leyden plugin quote` and the host's own refusal tell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin check plugin.wasm
  leyden plugin check plugin.wasm --trust 2       refused if it needs more than that
  leyden --json plugin check plugin.wasm

Exit codes: 0 it would be taken; 1 it would be refused; 2 the file cannot be read.")]
pub(super) struct Check {
    /// The component.
    file: PathBuf,
    /// Your trust level: also check that it opens every dataset that is imported.
    #[arg(long, value_name = "N")]
    trust: Option<u32>,
}

impl Check {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let bytes = read_component(&self.file)?;
        let inspection = inspect(&bytes).map_err(|refused| broken(&self.file, &refused))?;
        let shown = match context.global.json {
            true => document(&inspection, self.trust),
            false => summary(&inspection, self.trust),
        };
        context.show(&shown)?;
        match withheld(&inspection, self.trust) {
            missing if missing.is_empty() => Ok(()),
            missing => Err(not_trusted(&self.file, &missing, self.trust)),
        }
    }
}

/// The least trust level that opens a dataset, where an import needs one.
fn trust_needed(import: &Import) -> Option<u32> {
    match import.needs {
        Need::Dataset(dataset) => Some(trust_by_default(dataset)),
        Need::Nothing | Need::EmptyWasi => None,
    }
}

/// Imports that this trust level does not open.
fn withheld(inspection: &Inspection, trust: Option<u32>) -> Vec<&Import> {
    let is_withheld = |import: &&Import| trust_needed(import) > trust;
    let imports = inspection.imports.iter();
    match trust {
        None => Vec::new(),
        Some(_) => imports.filter(is_withheld).collect(),
    }
}

fn words(need: Need) -> String {
    match need {
        Need::Nothing => "nothing".to_owned(),
        Need::Dataset(dataset) => {
            format!("trust level {}", trust_by_default(dataset))
        }
        Need::EmptyWasi => "nothing: it is linked with nothing behind it".to_owned(),
    }
}

/// What is told of a component in JSON.
fn document(inspection: &Inspection, trust: Option<u32>) -> Value {
    let withheld = withheld(inspection, trust);
    let import = |import: &Import| {
        json!({
            "name": import.name,
            "needs": import.needs,
            "trustLevel": trust_needed(import),
            "granted": !withheld.contains(&import),
        })
    };
    let imports: Vec<_> = inspection.imports.iter().map(import).collect();
    let datasets: Vec<_> = inspection.datasets().map(Dataset::name).collect();
    json!({
        "digest": inspection.digest.to_string(),
        "bytes": inspection.bytes,
        "imports": imports,
        "datasets": datasets,
        "trustLevel": inspection.imports.iter().filter_map(trust_needed).max().unwrap_or(0),
        "counts": inspection.counts,
    })
}

/// The same for a screen.
fn summary(inspection: &Inspection, trust: Option<u32>) -> Value {
    let withheld = withheld(inspection, trust);
    let row = |import: &Import| {
        let mut row = json!({ "import": import.name, "needs": words(import.needs) });
        if trust.is_some() {
            let granted = if withheld.contains(&import) {
                "NO"
            } else {
                "yes"
            };
            row["granted"] = json!(granted);
        }
        row
    };
    let imports: Vec<_> = inspection.imports.iter().map(row).collect();
    json!({
        "digest": inspection.digest.to_string(),
        "bytes": inspection.bytes,
        "imports": imports,
    })
}

/// What is no component for a host at all.
fn broken(file: &Path, refused: &Refused) -> Error {
    let line = |reason: &Reason| FieldError {
        row: None,
        field: reason
            .import
            .clone()
            .unwrap_or_else(|| "component".to_owned()),
        rule: reason.to_string(),
    };
    refusal(
        file,
        refused.reasons.iter().map(line).collect(),
        &json!(refused.reasons),
    )
}

fn not_trusted(file: &Path, missing: &[&Import], trust: Option<u32>) -> Error {
    let level = trust.unwrap_or_default();
    let line = |import: &&Import| FieldError {
        row: None,
        field: import.name.clone(),
        rule: format!("needs {}, not {level}", words(import.needs)),
    };
    let lines: Vec<_> = missing.iter().map(line).collect();
    let reasons = lines.iter().map(|line| {
        json!({
            "import": line.field,
            "problem": line.rule,
            "remedy": "ask the operator for more trust, or leave the dataset out of the world",
        })
    });
    let reasons: Value = reasons.collect();
    refusal(file, lines, &reasons)
}

fn refusal(file: &Path, lines: Vec<FieldError>, reasons: &Value) -> Error {
    let detail = format!("{} would be refused", file.display());
    Error::Refused(Box::new(Problem {
        document: json!({ "error": detail, "reasons": reasons }),
        detail,
        errors: lines,
        ..Problem::default()
    }))
}
