//! Rows of every format, good and broken, and what is said of the broken ones.

use leyden_sdk::Error;
use leyden_sdk::http::Problem;

use super::*;

const HEADER: &str = "household,startsAt,endsAt,kind,energyWh";
const GOOD: &str = "h,2013-06-30T14:00:00Z,2013-06-30T14:30:00Z,consumption,392.5";

fn batch(format: Format, header: &str, rows: &[&str]) -> Batch {
    let header = (format == Format::Csv).then(|| header.as_bytes().to_vec());
    Batch {
        format,
        header,
        first_row: 11,
        rows: rows.iter().map(|row| row.as_bytes().to_vec()).collect(),
    }
}

fn csv(header: &str, rows: &[&str]) -> Batch {
    batch(Format::Csv, header, rows)
}

fn good(batch: &Batch) -> Vec<Row<'_>> {
    let mut faults = Faults::default();
    let rows = read(batch, &mut faults);
    assert_eq!(faults.into_result(), Ok(()));
    rows
}

fn refused(batch: &Batch) -> Problem {
    let mut faults = Faults::default();
    read(batch, &mut faults);
    match faults.into_result() {
        Err(Error::Reject(problem)) => problem,
        other => panic!("a refusal, not {other:?}"),
    }
}

/// Row, field and rule of every fault.
fn faults(batch: &Batch) -> Vec<(Option<u64>, String, String)> {
    refused(batch)
        .errors
        .into_iter()
        .map(|error| (error.row, error.field, error.rule))
        .collect()
}

fn fields(batch: &Batch) -> Vec<(Option<u64>, String)> {
    faults(batch)
        .into_iter()
        .map(|(row, field, _)| (row, field))
        .collect()
}

#[test]
fn the_same_row_in_every_format() {
    let json = r#"{"energyWh":392.5,"household":"h","kind":"consumption",
        "startsAt":"2013-07-01T00:00:00+10:00","endsAt":"2013-06-30T14:30:00.000Z"}"#;
    let batches = [
        csv(HEADER, &[GOOD]),
        csv(HEADER, &[&format!("{GOOD}\r")]),
        csv(
            "\u{feff}\"kind\",energyWh,household,startsAt,endsAt",
            &["consumption,392.50,\"h\",2013-06-30T14:00:00Z,2013-06-30T14:30:00Z"],
        ),
        batch(Format::Json, "", &[json]),
        batch(Format::Ndjson, "", &[json]),
    ];
    for batch in &batches {
        let rows = good(batch);
        let starts_at_ms = 1_372_600_800_000;
        let interval = Interval {
            starts_at_ms,
            ends_at_ms: starts_at_ms + 1_800_000,
        };
        let energy_uj = 392 * 3_600_000_000 + 1_800_000_000;
        let expected = Row {
            number: 11,
            household: "h".into(),
            interval,
            kind: Kind::Consumption,
            energy_uj,
        };
        assert_eq!(rows, [expected]);
    }
}

#[test]
fn blank_rows_are_passed_over_and_keep_their_number() {
    let batch = csv(HEADER, &["", GOOD, " \r", GOOD]);
    assert_eq!(
        good(&batch)
            .iter()
            .map(|row| row.number)
            .collect::<Vec<_>>(),
        [12, 14]
    );
}

#[test]
fn quoted_fields_hold_commas_quotes_and_line_ends() {
    let batch = csv(
        HEADER,
        &["\"a,\"\"b\"\"\nc\",2013-06-30T14:00:00Z,2013-06-30T14:30:00Z,production,0"],
    );
    let rows = good(&batch);
    assert_eq!(
        (rows[0].household.as_ref(), rows[0].kind),
        ("a,\"b\"\nc", Kind::Production)
    );
}

#[test]
fn a_header_that_does_not_fit_is_told_by_column() {
    let problem = refused(&csv("household,start,endsAt,kind,kind", &[GOOD, GOOD]));
    assert_eq!(problem.kind, ProblemKind::Invalid);
    let told: Vec<_> = problem
        .errors
        .iter()
        .map(|error| (error.row, error.field.as_str(), error.rule.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (None, "start", "is an unknown column"),
            (None, "startsAt", "is a missing column"),
            (None, "kind", "is a column that stands there twice"),
            (None, "energyWh", "is a missing column"),
        ]
    );
    assert_eq!(
        fields(&csv("\"household", &[]))[0],
        (None, "header".to_owned())
    );
    assert_eq!(fields(&csv("", &[GOOD])).len(), 5);
}

#[test]
fn all_faults_of_a_row_are_told() {
    let batch = csv(HEADER, &[GOOD, ",yesterday,2013-06-31T00:00:00Z,both,-1"]);
    assert_eq!(refused(&batch).kind, ProblemKind::Invalid);
    let all = ["household", "startsAt", "endsAt", "kind", "energyWh"];
    assert_eq!(
        fields(&batch),
        all.map(|field| (Some(12), field.to_owned()))
    );
}

#[test]
fn intervals_have_their_rules() {
    let row = |start: &str, end: &str| format!("h,{start},{end},consumption,1");
    for (start, end, rule) in [
        (
            "2013-06-30T14:30:00Z",
            "2013-06-30T14:30:00Z",
            "must end after it starts",
        ),
        (
            "2013-06-30T14:30:00Z",
            "2013-06-30T14:00:00Z",
            "must end after it starts",
        ),
        (
            "2013-06-30T14:00:00Z",
            "2013-06-30T14:00:00.999Z",
            "must be at least 1 s after `startsAt`",
        ),
        (
            "2013-06-30T14:00:00Z",
            "2013-07-01T14:00:00.001Z",
            "must be at most 24 h long",
        ),
    ] {
        let batch = csv(HEADER, &[&row(start, end)]);
        assert_eq!(
            faults(&batch),
            [(Some(11), "endsAt".to_owned(), rule.to_owned())]
        );
    }
    good(&csv(
        HEADER,
        &[&row("2013-06-30T14:00:00Z", "2013-07-01T14:00:00Z")],
    ));
    good(&csv(
        HEADER,
        &[&row("2013-06-30T14:00:00Z", "2013-06-30T14:00:01Z")],
    ));
}

#[test]
fn a_broken_csv_row_is_told_and_leaves_the_next_alone() {
    let batch = csv(HEADER, &["h,x", "\"h,2013", &format!("{GOOD},"), GOOD]);
    assert_eq!(refused(&batch).kind, ProblemKind::Malformed);
    let row = |number| (Some(number), "row".to_owned());
    assert_eq!(fields(&batch), [row(11), row(12), row(13)]);
    let mut noted = Faults::default();
    assert_eq!(read(&batch, &mut noted).len(), 1);
}

#[test]
fn text_that_is_not_utf8_is_told() {
    let mut batch = csv(HEADER, &[]);
    batch.rows = vec![b"\xff,2013-06-30T14:00:00Z,2013-06-30T14:30:00Z,consumption,1".to_vec()];
    assert_eq!(
        faults(&batch),
        [(Some(11), "row".to_owned(), "is not UTF-8".to_owned())]
    );
}

#[test]
fn members_are_told_by_name() {
    let row = r#"{"household":7,"startsAt":"2013-06-30T14:00:00Z","kind":"production","kind":"production","energyWh":"5","unit":"Wh"}"#;
    let batch = batch(Format::Ndjson, "", &[row]);
    assert_eq!(refused(&batch).kind, ProblemKind::Invalid);
    let rules = [
        ("unit", "is an unknown member"),
        ("household", "must be a string"),
        ("endsAt", "is missing"),
        ("kind", "stands there twice"),
        ("energyWh", "must be a number"),
    ];
    assert_eq!(
        faults(&batch),
        rules.map(|(field, rule)| (Some(11), field.to_owned(), rule.to_owned()))
    );
}

#[test]
fn broken_json_is_malformed() {
    for row in [
        "{",
        "[1]",
        "7",
        "null",
        "{\"household\":\"h\"} x",
        "{\"energyWh\":1e}",
    ] {
        let problem = refused(&batch(Format::Ndjson, "", &[row]));
        assert_eq!(problem.kind, ProblemKind::Malformed, "{row}");
        assert_eq!(
            (problem.errors[0].row, problem.errors[0].field.as_str()),
            (Some(11), "row")
        );
    }
}

#[test]
fn a_number_keeps_its_text() {
    let row = r#"{"household":"h","startsAt":"2013-06-30T14:00:00Z","endsAt":"2013-06-30T14:30:00Z","kind":"consumption","energyWh":0.30000000}"#;
    assert_eq!(
        good(&batch(Format::Json, "", &[row]))[0].energy_uj,
        1_080_000_000
    );
    let null = row.replace("0.30000000", "null");
    assert_eq!(
        faults(&batch(Format::Json, "", &[&null]))[0].2,
        "must be a number"
    );
}
