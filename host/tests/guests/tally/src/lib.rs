//! Counts: the records of a key carry 1, 2, 3 and so on, so every record that is lost, handled twice or
//! out of order shows. What was counted goes on to a second stage under another key, hence through
//! another partition, and is counted there again. Requests book one each.
//!
//! Nothing here repairs anything: what is wrong is noted and stays noted.

use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::state::{self, Key, Order};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where counted records go on.
const SECOND_STAGE: &str = "proof.out";

/// Keys that a report lists at most, of each kind.
const LISTED_MAX: u32 = 10_000;

struct Tally;

leyden_sdk::export_http!(Tally);
leyden_sdk::export_streams!(Tally);

impl streams::Handler for Tally {
    fn handle(stream: &str, batch: Vec<Event>) -> Result<()> {
        batch.iter().try_for_each(|event| count(stream, event))
    }
}

fn count(stream: &str, event: &Event) -> Result<()> {
    if event.payload == b"poison" {
        std::process::abort();
    }
    let number = number(&event.payload)
        .ok_or_else(|| Error::malformed("The payload must be a whole number."))?;
    let stage = if stream == SECOND_STAGE {
        "out/"
    } else {
        "in/"
    };
    let place = Key::new(stage).text(&event.key);
    let last = state::get_u64(&place)?.unwrap_or(0);
    if number != last + 1 {
        let note = format!("{stage}{}: {number} after {last}", event.key);
        state::set(&Key::new("wrong/").text(&note), &[])?;
    }
    state::set_u64(&place, number.max(last))?;
    if stream == SECOND_STAGE {
        return Ok(());
    }
    let next = format!("{}-on", event.key);
    streams::publish_bytes(SECOND_STAGE, &next, &event.payload)
}

fn number(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

impl http::Handler for Tally {
    fn handle(request: Request) -> Result<Response> {
        match request.head.route.as_str() {
            "/tally/book" => book(&Params::of(&request)?.string("key")?),
            "/tally/report" => report(),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

fn book(key: &str) -> Result<Response> {
    let place = Key::new("booked/").text(key);
    let count = state::get_u64(&place)?.unwrap_or(0) + 1;
    state::set_u64(&place, count)?;
    Ok(http::json(&count))
}

/// Everything that was counted.
#[derive(Serialize)]
struct Report {
    /// Last number of each key, first stage.
    r#in: BTreeMap<String, u64>,
    /// Last number of each key, second stage.
    out: BTreeMap<String, u64>,
    /// Requests booked, by key.
    booked: BTreeMap<String, u64>,
    /// What was lost, doubled or out of order.
    wrong: Vec<String>,
}

fn report() -> Result<Response> {
    let wrong = state::scan_prefix(b"wrong/", Order::Ascending, LISTED_MAX)?;
    Ok(http::json(&Report {
        r#in: numbers("in/")?,
        out: numbers("out/")?,
        booked: numbers("booked/")?,
        wrong: wrong
            .iter()
            .map(|entry| name("wrong/", &entry.key))
            .collect(),
    }))
}

fn numbers(prefix: &str) -> Result<BTreeMap<String, u64>> {
    let entries = state::scan_prefix(prefix.as_bytes(), Order::Ascending, LISTED_MAX)?;
    let number = |value: Vec<u8>| value.try_into().map_or(0, u64::from_be_bytes);
    Ok(entries
        .into_iter()
        .map(|entry| (name(prefix, &entry.key), number(entry.value)))
        .collect())
}

fn name(prefix: &str, key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leyden_sdk::testing;

    fn event(key: &str, payload: &str) -> Event {
        Event {
            partition: 0,
            offset: 1,
            key: key.to_owned(),
            payload: payload.as_bytes().to_vec(),
            published_at_ms: 0,
        }
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_noted() {
        for payload in ["1", "2", "2", "4", "3"] {
            count("proof.in", &event("k", payload)).expect("counted");
        }
        let wrong = state::scan_prefix(b"wrong/", Order::Ascending, 10).expect("notes");
        let notes: Vec<_> = wrong
            .iter()
            .map(|entry| name("wrong/", &entry.key))
            .collect();
        assert_eq!(
            notes,
            ["in/k: 2 after 2", "in/k: 3 after 4", "in/k: 4 after 2"]
        );
        assert_eq!(testing::take_published().len(), 5);
        count("proof.out", &event("k-on", "1")).expect("counted");
        assert!(testing::take_published().is_empty());
        assert!(count("proof.in", &event("k", "x")).is_err());
    }
}
