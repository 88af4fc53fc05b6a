//! `leyden receipt verify FILE…`: offline, with the public key alone.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client::read_file;
use super::error::{FieldError, Problem};
use super::{Context, Error};
use crate::ids::Digest;
use crate::partners::receipts::{Chain, PublicKey, Receipt, Unsound, verify};

/// Longest receipt, bytes: one of a thousand reads has some 150 KB.
const RECEIPT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Longest file of a key, bytes: PEM of an Ed25519 key has 113.
const KEY_BYTES_MAX: u64 = 4_096;

/// Largest report, bytes; hosts allow a fraction of it.
const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Verifies receipts: that the host signed them and that not a byte has changed since.
///
/// Several are verified as a chain: receipts of one partner that follow on each other, whatever the order of
/// the files; none may be missing between the first and the last.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden receipt verify receipt.json --key leyden.pub
  leyden receipt verify receipt.json --key leyden.pub --report report.html    that it is this report's, too
  leyden receipt verify receipts/*.json --key leyden.pub                      a chain

Exit codes: 0 all are sound; 1 one is not; 2 a file cannot be read.")]
pub(super) struct Verify {
    /// The receipts.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The host's public key, as `leyden receipt key` prints it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The report that the receipt is about.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// A file and what it says, which nobody has vouched for yet.
struct Claim {
    file: PathBuf,
    bytes: Vec<u8>,
    sequence: u64,
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let key = read_key(&self.key)?;
        if self.report.is_some() && self.files.len() > 1 {
            let rule = "--report: is for one receipt";
            return Err(Error::Usage(rule.to_owned()));
        }
        let mut claims = self
            .files
            .iter()
            .map(|file| read(file))
            .collect::<Result<Vec<_>, _>>()?;
        claims.sort_by_key(|claim| claim.sequence);
        let receipts = verified(&claims, &key)?;
        if let (Some(report), [receipt]) = (&self.report, receipts.as_slice()) {
            check_report(report, receipt)?;
        }
        self.tell(context, &receipts)
    }

    fn tell(&self, context: &Context, receipts: &[Receipt]) -> Result<(), Error> {
        if context.global.json {
            return context.show(&json!({ "sound": true, "receipts": receipts }));
        }
        let rows: Vec<Value> = receipts.iter().map(row).collect();
        context.show(&json!(rows))?;
        let total: u64 = receipts.iter().map(|receipt| receipt.total).sum();
        let what = match receipts.len() {
            1 => "The receipt is sound".to_owned(),
            more => format!("All {more} receipts are sound and follow on each other"),
        };
        let report = if self.report.is_some() {
            ", and the report is the one it is about"
        } else {
            ""
        };
        let line = format!("{what}{report}: {total} datapoints.");
        Ok(context.screen.line(&context.screen.green(&line))?)
    }
}

fn read_key(file: &Path) -> Result<PublicKey, Error> {
    let pem = read_file(file, KEY_BYTES_MAX)?;
    let key = PublicKey::from_pem(&String::from_utf8_lossy(&pem));
    key.map_err(|rule| Error::Usage(format!("{}: {rule}", file.display())))
}

fn read(file: &Path) -> Result<Claim, Error> {
    let bytes = read_file(file, RECEIPT_BYTES_MAX)?;
    let claimed: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Claim {
        file: file.to_owned(),
        sequence: claimed["sequence"].as_u64().unwrap_or(0),
        bytes,
    })
}

/// The receipts, if every one is sound; the first that is not, with its file.
fn verified(claims: &[Claim], key: &PublicKey) -> Result<Vec<Receipt>, Error> {
    let mut chain = Chain::new(key);
    let alone = claims.len() == 1;
    let verified = claims.iter().map(|claim| {
        let receipt = match alone {
            true => verify(&claim.bytes, key),
            false => chain.next(&claim.bytes),
        };
        receipt.map_err(|unsound| refusal(&claim.file, &unsound))
    });
    verified.collect()
}

fn check_report(file: &Path, receipt: &Receipt) -> Result<(), Error> {
    let digest = Digest::of(&read_file(file, REPORT_BYTES_MAX)?).to_string();
    if receipt.report_sha256.as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    let named = receipt.report_sha256.as_deref().unwrap_or("none");
    let rule = format!("its SHA-256 is {digest}, and the receipt names {named}");
    Err(failed(file, &rule))
}

fn refusal(file: &Path, unsound: &Unsound) -> Error {
    failed(file, &unsound.to_string())
}

fn failed(file: &Path, rule: &str) -> Error {
    let field = file.display().to_string();
    Error::Refused(Box::new(Problem {
        detail: "not verified".to_owned(),
        document: json!({ "sound": false, "file": field, "rule": rule }),
        errors: vec![FieldError {
            row: None,
            field,
            rule: rule.to_owned(),
        }],
        ..Problem::default()
    }))
}

/// What fits on a screen.
fn row(receipt: &Receipt) -> Value {
    let subject = receipt.plugin.as_ref().or(receipt.component.as_ref());
    json!({
        "sequence": receipt.sequence,
        "at": receipt.at,
        "partner": receipt.partner,
        "plugin": subject.map(|subject| subject.name.as_str()),
        "outcome": receipt.outcome.name(),
        "reads": receipt.reads.len(),
        "datapoints": receipt.total,
        "id": receipt.id,
    })
}
