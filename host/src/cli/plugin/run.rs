//! `leyden plugin run NAME`.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::params::Params;
use super::route::Identity;
use super::{Context, Error};

/// Runs a plugin and prints its report; what it cost goes to standard error.
///
/// A run is sent under an idempotency key, so that one whose answer got lost can be sent again and costs once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden plugin run my-report
  leyden plugin run load-curve --params '{\"community\":4}' --max-spend 200 --out curve.html --receipt receipt.json
  leyden plugin run load-curve --params @month.json --idempotency-key july

Exit codes: 0 a report; 1 the host refused, or the run has no report; 2 the command line or a file is wrong; 3 the host
cannot be reached.")]
pub(super) struct Run {
    /// The plugin.
    name: String,
    #[command(flatten)]
    params: Params,
    /// Datapoints that it may spend; it stops exactly there. Without it: what the account holds, 1,000 at most.
    #[arg(long, value_name = "N")]
    max_spend: Option<u64>,
    /// Your name for this run: a second one under it gets the first's answer and costs nothing.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Write the report to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the receipt to this file, for `leyden receipt verify`.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let path = self.identity.plugin(&self.name, &["run"])?;
        let mut body = self.params.body()?;
        if let Some(max_spend) = self.max_spend {
            body["maxSpend"] = json!(max_spend);
        }
        let key = self.key();
        let client = context.client()?;
        let request = client.request(Method::POST, &path)?.json(&body);
        let request = request
            .header("accept", "application/json")
            .header("idempotency-key", &key);
        let answer = client
            .send(request)
            .await
            .inspect_err(|error| self.hint(context, error, &key))?;
        let told = answer.json();
        self.keep_receipt(context, told.as_ref().unwrap_or(&Value::Null))?;
        answer.accepted()?;
        self.tell(context, &told?)
    }

    fn key(&self) -> String {
        let given = self.idempotency_key.clone();
        given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
    }

    /// How a run whose answer got lost is asked for again.
    fn hint(&self, context: &Context, error: &Error, key: &str) {
        if matches!(error, Error::Unreachable { .. }) && self.idempotency_key.is_none() {
            let hint = format!(
                "Should it have run: --idempotency-key {key} gets its answer and costs nothing more."
            );
            context.screen.error_line(&context.screen.dim(&hint));
        }
    }

    /// A run that failed has a receipt too, which its refusal holds.
    fn keep_receipt(&self, context: &Context, told: &Value) -> Result<(), Error> {
        let receipt = &told["receipt"];
        if !receipt.is_object() {
            return Ok(());
        }
        if !context.global.json {
            let line = context.screen.dim(&words(receipt));
            context.screen.error_line(&line);
        }
        match &self.receipt {
            Some(file) => write(file, receipt.to_string().as_bytes()),
            None => Ok(()),
        }
    }

    fn tell(&self, context: &Context, answer: &Value) -> Result<(), Error> {
        let report = report(&answer["report"])?;
        if let Some(file) = &self.out {
            write(file, &report)?;
        }
        match (context.global.json, &self.out) {
            (true, _) => context.show(answer),
            (false, Some(_)) => Ok(()),
            (false, None) => print(&report),
        }
    }
}

/// Writes a file that the command line names.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::unwritable(path, source))
}

/// The bytes of a report as an answer holds it: a text, or base64.
pub(super) fn report(report: &Value) -> Result<Vec<u8>, Error> {
    if let Some(text) = report["body"].as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let encoded = report["bodyBase64"].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(encoded);
    bytes.map_err(|error| Error::Answer(format!("the report's base64: {error}")))
}

/// Prints a report; bytes that are no text do not go to a terminal.
pub(super) fn print(report: &[u8]) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    if output.is_terminal() && std::str::from_utf8(report).is_err() {
        return Err(Error::Usage(
            "the report is no text: write it to a file with --out FILE".to_owned(),
        ));
    }
    output.write_all(report)?;
    if output.is_terminal() && !report.ends_with(b"\n") {
        output.write_all(b"\n")?;
    }
    Ok(output.flush()?)
}

/// One line about a run, by its receipt.
fn words(receipt: &Value) -> String {
    let reads = receipt["reads"].as_array().map_or(0, Vec::len);
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!(
        "{}: {reads} reads, {} datapoints (run {})",
        text(&receipt["outcome"]),
        receipt["total"],
        text(&receipt["id"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_as_text_or_in_base64() {
        let text = report(&json!({ "mediaType": "text/html", "body": "é" })).ok();
        assert_eq!(text.as_deref(), Some("é".as_bytes()));
        let bytes = report(&json!({ "mediaType": "image/png", "bodyBase64": "iVBO" })).ok();
        assert_eq!(bytes.as_deref(), Some(&[0x89, b'P', b'N'][..]));
        assert!(report(&json!({ "bodyBase64": "?" })).is_err());
    }

    #[test]
    fn a_run_is_told_in_a_line() {
        let receipt = json!({ "id": "r1", "outcome": "report", "reads": [{}, {}], "total": 120 });
        assert_eq!(words(&receipt), "report: 2 reads, 120 datapoints (run r1)");
    }
}
