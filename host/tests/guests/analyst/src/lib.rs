//! A partner's component that does on request what such components must not do. Parameters are a JSON
//! object; `do` says what:
//!
//! | `do` | does |
//! |---|---|
//! | `echo` | reports its parameters, what started it and the time |
//! | `report` | reports `n` bytes of the media type `text` |
//! | `refuse`, `fail` | ends with that error and `text`, repeated `n` times |
//! | `loop`, `recurse`, `memory`, `panic`, `trap` | never reports |
//! | `logs` | logs `n` lines of `bytes` bytes |
//! | `calls` | asks for the time `n` times |
//! | `hand-over` | logs a line of `n` bytes |
//! | `budget` | reports what is left and what was spent |
//! | `read` | reads `dataset` `n` times from `from` to `to`, and reports how each read ended |
//! | `read-then-trap`, `read-then-fail`, `read-then-loop` | the same, then ends so |
//! | `read-cursor` | reads with a cursor of `n` bytes |

mod misdeeds;

use leyden_sdk::analytics::{
    self, Document, Failure, Params, Query, ReadError, Trigger, budget, detailed_consumption,
    global_consumption, produced,
};
use leyden_sdk::log::{Level, write};
use serde::Deserialize;
use serde_json::{Value, json};

/// What is asked for.
#[derive(Deserialize)]
#[serde(default)]
struct Wish {
    r#do: String,
    n: u64,
    bytes: usize,
    text: String,
    dataset: String,
    from: u64,
    to: u64,
    community: Option<u64>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            r#do: "echo".to_owned(),
            n: 1,
            bytes: 10,
            text: "text/plain".to_owned(),
            dataset: "global-consumption".to_owned(),
            from: 1_636_300_000_000,
            to: 1_636_390_000_000,
            community: None,
        }
    }
}

struct Analyst;

impl analytics::Report for Analyst {
    fn report(params: Params) -> Result<Document, Failure> {
        let wish: Wish = params.parse()?;
        match wish.r#do.as_str() {
            "echo" => echo(&params),
            "report" => Ok(Document::new(&wish.text, vec![b'x'; size(wish.n)])),
            "refuse" => Err(Failure::InvalidParams(wish.text.repeat(size(wish.n)))),
            "fail" => Err(Failure::Failed(wish.text.repeat(size(wish.n)))),
            "loop" => misdeeds::endless(),
            "recurse" => Ok(Document::text(misdeeds::recurse(0, u64::MAX).to_string())),
            "memory" => misdeeds::memory(),
            "panic" => panic!("the analyst was asked to panic"),
            "trap" => std::process::abort(),
            "logs" | "calls" | "hand-over" => flood(&wish),
            "budget" => Document::json(&json!({"left": budget::left(), "spent": budget::spent()})),
            "read-cursor" => Document::json(&read(&wish, Some("c".repeat(size(wish.n))))),
            _ => reads(&wish),
        }
    }
}

leyden_sdk::export_report!(Analyst);

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn echo(params: &Params) -> Result<Document, Failure> {
    let trigger = match &params.trigger {
        Trigger::Request => json!("request"),
        Trigger::Schedule(due) => json!({ "schedule": due }),
        Trigger::Batch(batch) => {
            json!({"stream": batch.stream, "records": batch.records, "from": batch.from_ms, "to": batch.to_ms})
        }
    };
    Document::json(&json!({"params": params.json, "trigger": trigger, "now": analytics::now_ms()}))
}

fn flood(wish: &Wish) -> Result<Document, Failure> {
    match wish.r#do.as_str() {
        "hand-over" => write(Level::Info, &"x".repeat(size(wish.n))),
        "logs" => {
            let line = "x".repeat(wish.bytes);
            (0..wish.n).for_each(|_| write(Level::Info, &line));
        }
        _ => (0..wish.n).for_each(|_| {
            std::hint::black_box(analytics::now_ms());
        }),
    }
    Ok(Document::text("done"))
}

fn reads(wish: &Wish) -> Result<Document, Failure> {
    let ends: Vec<Value> = (0..wish.n).map(|_| read(wish, None)).collect();
    match wish.r#do.as_str() {
        "read" => Document::json(&ends),
        "read-then-trap" => std::process::abort(),
        "read-then-fail" => Err(Failure::Failed("It has read and fails.".to_owned())),
        "read-then-loop" => misdeeds::endless(),
        other => Err(Failure::InvalidParams(format!("do: knows no `{other}`"))),
    }
}

/// How a read ended: how many readings it had and what it cost, or its error's name.
fn read(wish: &Wish, cursor: Option<String>) -> Value {
    let query = Query {
        cursor,
        community: wish.community,
        ..Query::of(wish.from..wish.to)
    };
    let ended = match wish.dataset.as_str() {
        "production" => produced::read(&query).map(|page| (page.readings.len(), page.price)),
        "detailed-consumption" => {
            detailed_consumption::read(&query).map(|page| (page.readings.len(), page.price))
        }
        _ => global_consumption::read(&query).map(|page| (page.readings.len(), page.price)),
    };
    match ended {
        Ok((readings, price)) => json!({"readings": readings, "price": price}),
        Err(error) => json!({ "error": name(&error) }),
    }
}

fn name(error: &ReadError) -> String {
    match error {
        ReadError::OutOfCredit(_) => "out-of-credit".to_owned(),
        ReadError::NotConsented => "not-consented".to_owned(),
        ReadError::NotTrusted(_) => "not-trusted".to_owned(),
        ReadError::NoData => "no-data".to_owned(),
        ReadError::Suppressed(rule) => format!("suppressed: {rule}"),
        ReadError::Invalid(rule) => format!("invalid: {rule}"),
        ReadError::Limit(which) => format!("limit: {which}"),
    }
}
