//! A component that does on request what components must not do: traps, endless loops, endless
//! memory, broken answers, floods of calls. It also keeps counters, so that tests can tell whether
//! an effect happened never, once or twice. Parameters come as query, form or JSON.
//!
//! | `/probe/…` | does |
//! |---|---|
//! | `trap`, `panic`, `loop`, `allocate`, `recurse` | never answers |
//! | `write-then-trap` | sets `key` to `value`, publishes it to `probe.out`, then traps |
//! | `write-then-reject`, `write-then-retry` | the same, then refuses or asks to be run again |
//! | `reject?kind=`, `retry` | refuses with that problem kind, asks to be run again |
//! | `set?key=&value=`, `get?key=`, `delete?key=`, `scan?prefix=&limit=` | state |
//! | `increment?key=&busy-ms=` | reads a counter, works so long, writes it plus one; the new count |
//! | `counter/{key}` | the counter, `null` where there is none |
//! | `publish?n=&key=&payload=&stream=` | publishes `n` records (to `probe.in` unless told otherwise) |
//! | `calls?n=`, `effects?n=`, `logs?n=` | so many reads, writes, log lines |
//! | `busy?ms=` | works about so long (there is no clock to ask) |
//! | `huge?bytes=`, `status?status=`, `header?name=&value=` | odd answers |
//! | `now`, `random` | what clock and randomness say, twice each |
//!
//! The stream handler adds one to the counter of each record's key and publishes the record to
//! `probe.out`; the payload `poison` makes it trap, `reject` and `retry` make it end so. The row
//! handler stores each row under its number; `poison` traps and `bad` is refused.

mod actions;
mod logic;

use leyden_sdk::http::{self, FieldError, Problem, ProblemKind, Request, RequestHead, Response};
use leyden_sdk::rows::{self, Batch, Tally};
use leyden_sdk::state::{self, Key};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result};

struct Probe;

impl http::Handler for Probe {
    fn handle(request: Request) -> Result<Response> {
        actions::handle(&request)
    }
}

impl streams::Handler for Probe {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        batch.iter().try_for_each(record)
    }
}

impl rows::Handler for Probe {
    fn handle_rows(_head: RequestHead, batch: Batch) -> Result<Vec<Tally>> {
        for (number, row) in (batch.first_row..).zip(&batch.rows) {
            take_row(number, row)?;
        }
        let count = batch.rows.len() as u64;
        Ok(vec![Tally {
            name: "rows".to_owned(),
            count,
        }])
    }
}

leyden_sdk::export_http!(Probe);
leyden_sdk::export_streams!(Probe);
leyden_sdk::export_rows!(Probe);

fn record(event: &Event) -> Result<()> {
    match event.payload.as_slice() {
        b"poison" => std::process::abort(),
        b"reject" => Err(Error::malformed("The record asks to be refused.")),
        b"retry" => Err(Error::Retry(
            "The record asks to be handled later.".to_owned(),
        )),
        payload => {
            actions::increment(&event.key, 0)?;
            streams::publish_bytes("probe.out", &event.key, payload)
        }
    }
}

fn take_row(number: u64, row: &[u8]) -> Result<()> {
    match row {
        b"poison" => std::process::abort(),
        b"bad" => Err(bad_row(number)),
        row => state::set(&Key::new("row/").u64(number), row),
    }
}

fn bad_row(number: u64) -> Error {
    let rule = "must not be `bad`".to_owned();
    Error::Reject(Problem {
        kind: ProblemKind::Invalid,
        detail: "A row is bad.".to_owned(),
        errors: vec![FieldError {
            row: Some(number),
            field: "row".to_owned(),
            rule,
        }],
    })
}
