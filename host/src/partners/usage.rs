//! What partners used in a month, by plugin and dataset: counted by the transactions that write the receipts, so
//! that a report costs the same however many receipts there are and never says anything else than they do.
//!
//! **Invariant.** The datapoints of a partner's month are the totals of its receipts of that month.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use super::archive::Month;
use super::receipts::{Facts, Reader};
use crate::dispatch::work::{self, Work};
use crate::ids::PartnerId;
use crate::store::{Entry, Order, Range, Space};

/// Usage: month, 0, partner, 0, kind and name of what read, 0, dataset or `compute` → [`Used`].
const USAGE: &str = "leyden.usage";

/// Most rows of a report.
pub const ROWS_MAX: usize = 1_000;

/// What computing is counted under, where datasets stand.
const COMPUTE: &str = "compute";

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// Runs or invocations; beside a dataset, those that read it.
    pub runs: u64,
    /// Reads that were charged, or would have been without a fault of the host.
    pub reads: u64,
    /// Readings that they handed over.
    pub rows: u64,
    /// Units of fuel.
    pub fuel: u64,
    /// What it cost.
    pub datapoints: u64,
}

impl Used {
    fn add(&mut self, more: Self) {
        self.runs += more.runs;
        self.reads += more.reads;
        self.rows += more.rows;
        self.fuel = self.fuel.saturating_add(more.fuel);
        self.datapoints += more.datapoints;
    }
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The month.
    pub month: String,
    /// Who.
    pub partner: String,
    /// `plugin` for a plugin of the partner's own, `component` for one of the operator's.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The dataset, or `compute`.
    pub dataset: String,
    /// What was used.
    #[serde(flatten)]
    pub used: Used,
}

/// A page of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By partner, plugin and dataset.
    pub rows: Vec<Row>,
    /// What the next page begins after; none at the end.
    pub next: Option<String>,
}

/// Counts what a receipt tells of.
///
/// # Errors
/// The store did not answer, or the transaction's budget is used up.
pub(crate) async fn count(
    work: &mut Work,
    month: &Month,
    facts: &Facts,
) -> Result<(), work::Error> {
    let space = Space::from(USAGE);
    let (kind, name) = match &facts.reader {
        Reader::Plugin(subject) => ("plugin", &subject.name),
        Reader::Component(subject) => ("component", &subject.name),
    };
    let prefix = format!("{month}\0{}\0{kind} {name}\0", facts.partner);
    for (what, more) in counted(facts) {
        let key = format!("{prefix}{what}").into_bytes();
        let stored = work.read(&space, &key).await?;
        let mut used: Used = stored
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        used.add(more);
        work.write(&space, key, serde_json::to_vec(&used).ok())?;
    }
    Ok(())
}

/// What a receipt adds to each dataset and to `compute`.
fn counted(facts: &Facts) -> BTreeMap<&'static str, Used> {
    let mut counted = BTreeMap::new();
    let compute = Used {
        runs: 1,
        fuel: facts.fuel,
        datapoints: facts.compute,
        ..Used::default()
    };
    counted.insert(COMPUTE, compute);
    for read in &facts.reads {
        let used: &mut Used = counted.entry(read.dataset.name()).or_default();
        used.runs = 1;
        used.reads += 1;
        used.rows += u64::from(read.rows);
        used.datapoints += read.datapoints;
    }
    counted
}

/// What a partner, or everybody, used in a month.
///
/// # Errors
/// `after` is none that a report gave, or the store did not answer.
pub(crate) async fn report(
    work: &mut Work,
    month: &Month,
    partner: Option<&PartnerId>,
    after: Option<&str>,
) -> Result<Report, Error> {
    let prefix = match partner {
        Some(partner) => format!("{}\0{partner}", month.as_str()),
        None => month.as_str().to_owned(),
    };
    let start = match after {
        None => format!("{prefix}\0"),
        Some(after) => format!("{prefix}\0{}\0", after.replace('/', "\0")),
    };
    let range = Range {
        start: start.into_bytes(),
        end: Some(format!("{prefix}\x01").into_bytes()),
    };
    let space = Space::from(USAGE);
    let found = work.scan(&space, range, Order::Ascending, ROWS_MAX);
    let entries = found.await?;
    let rows: Option<Vec<Row>> = entries.iter().map(row).collect();
    let rows = rows.ok_or_else(Error::broken)?;
    let last = rows.last().filter(|_| rows.len() == ROWS_MAX);
    Ok(Report {
        next: last.map(|last| place(last, partner.is_some())),
        rows,
    })
}

/// Names the place after a row. Neither ids nor names have a slash.
fn place(row: &Row, of_one: bool) -> String {
    let own = format!("{} {}/{}", row.kind, row.name, row.dataset);
    match of_one {
        true => own,
        false => format!("{}/{own}", row.partner),
    }
}

fn row(entry: &Entry) -> Option<Row> {
    let key = std::str::from_utf8(&entry.key).ok()?;
    let parts: Vec<&str> = key.split('\0').collect();
    let [month, partner, reader, dataset] = parts.as_slice() else {
        return None;
    };
    let (kind, name) = reader.split_once(' ')?;
    let text = |text: &str| text.to_owned();
    Some(Row {
        month: text(month),
        partner: text(partner),
        kind: text(kind),
        name: text(name),
        dataset: text(dataset),
        used: serde_json::from_slice(&entry.value).ok()?,
    })
}

/// A report as CSV (RFC 4180), with its heads.
#[must_use]
pub fn csv(rows: &[Row]) -> String {
    let mut text =
        String::from("month,partner,kind,name,dataset,runs,reads,rows,fuel,datapoints\r\n");
    for row in rows {
        let Used {
            runs,
            reads,
            rows,
            fuel,
            datapoints,
        } = row.used;
        let words = [&row.month, &row.partner, &row.kind, &row.name, &row.dataset];
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let words = words.join(",");
        text.push_str(&format!(
            "{words},{runs},{reads},{rows},{fuel},{datapoints}\r\n"
        ));
    }
    text
}

/// A field in quotes where it needs them. One that a spreadsheet would take for a formula gets a quote mark
/// before it: partners choose their ids.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use super::super::receipts::{Outcome, Subject};
    use super::*;
    use crate::ids::Instant;
    use crate::metering::{Dataset, ReadEntry};

    fn read(dataset: Dataset, rows: u32, datapoints: u64) -> ReadEntry {
        ReadEntry {
            dataset,
            from_ms: 0,
            to_ms: 1,
            rows,
            datapoints,
        }
    }

    #[test]
    fn a_receipt_counts_once_for_each_dataset_and_for_computing() {
        let facts = Facts {
            id: "r".into(),
            partner: PartnerId::parse("acme").expect("an id"),
            reader: Reader::Plugin(Subject {
                name: "p".into(),
                digest: String::new(),
            }),
            policy: None,
            generation: None,
            trust_level: 1,
            at: Instant(0),
            trigger: "request".into(),
            reads: vec![
                read(Dataset::Production, 3, 70),
                read(Dataset::GlobalConsumption, 5, 50),
                read(Dataset::Production, 4, 70),
            ],
            fuel: 9,
            compute: 2,
            outcome: Outcome::Report,
            report: None,
        };
        let used = |runs, reads, rows, fuel, datapoints| Used {
            runs,
            reads,
            rows,
            fuel,
            datapoints,
        };
        let expected = BTreeMap::from([
            ("compute", used(1, 0, 0, 9, 2)),
            ("global-consumption", used(1, 1, 5, 0, 50)),
            ("production", used(1, 2, 7, 0, 140)),
        ]);
        assert_eq!(counted(&facts), expected);
    }

    #[test]
    fn csv_fields_hold_whatever_ids_hold() {
        let row = |partner: &str| Row {
            month: "2026-11".into(),
            partner: partner.into(),
            kind: "plugin".into(),
            name: "p".into(),
            dataset: "production".into(),
            used: Used::default(),
        };
        let text = csv(&[row("a,\"b\""), row("=1+1"), row("plain")]);
        let lines: Vec<_> = text.split("\r\n").collect();
        assert_eq!(
            lines[1],
            "2026-11,\"a,\"\"b\"\"\",plugin,p,production,0,0,0,0,0"
        );
        assert!(lines[2].starts_with("2026-11,'=1+1,"));
        assert!(lines[3].starts_with("2026-11,plain,"));
        assert_eq!((lines.len(), lines[4]), (5, ""));
    }

    #[test]
    fn rows_are_read_off_their_keys() {
        let entry = Entry {
            key: b"2026-11\0acme\0plugin daily peaks\0compute".to_vec(),
            value: br#"{"runs":1,"reads":2,"rows":3,"fuel":4,"datapoints":5}"#.to_vec(),
        };
        let row = row(&entry).expect("a row");
        assert_eq!(
            (row.kind.as_str(), row.name.as_str()),
            ("plugin", "daily peaks")
        );
        assert_eq!(place(&row, true), "plugin daily peaks/compute");
        assert_eq!(place(&row, false), "acme/plugin daily peaks/compute");
        assert_eq!(row.used.datapoints, 5);
    }
}
