//! Where a watch stands in the partitions of its stream: read off the request, told as the id of each
//! event. Pure.
//!
//! An offset is told as a number below 2^53 and otherwise as Redis tools write it (`1700000000000-3`).
//! Of a stream with several partitions an id names one offset for each, separated by commas. A single
//! offset stands for all of them: in Redis it is an instant, and what was copied there kept its number.

use http::HeaderValue;
use serde_json::{Value, json};

use super::super::problem::{Kind, Problem};
use crate::store::{Offset, offset_of};
use crate::streams::status::OffsetValue;

/// How the client wants its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// `data:` is the record's payload.
    #[default]
    Payload,
    /// `data:` is an object with the record's place, key and time as well.
    Record,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// For each partition the offset after which to begin.
    pub(super) after: Vec<Offset>,
    /// How to tell.
    pub(super) form: Form,
}

/// An offset in JSON.
pub(super) fn value(offset: Offset) -> Value {
    json!(OffsetValue(offset))
}

/// An offset in text, written like [`value`].
pub(super) fn label(offset: Offset) -> String {
    match value(offset) {
        Value::String(text) => text,
        number => number.to_string(),
    }
}

/// Where to begin, by the query and by what a returning client saw last, which counts more. `newest` has
/// the newest offset of each partition.
pub(super) fn start(
    query: Option<&str>,
    last: Option<&HeaderValue>,
    newest: &[Offset],
) -> Result<Start, Problem> {
    let mut start = Start {
        after: newest.to_vec(),
        form: Form::default(),
    };
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("from", from) => start.after = first(from, newest)?,
            ("format", "payload") => start.form = Form::Payload,
            ("format", "record") => start.form = Form::Record,
            ("format", _) => return Err(invalid("format", "must be payload or record")),
            (name, _) => return Err(invalid(name, "is not a parameter of this path")),
        }
    }
    if let Some(last) = last {
        let offsets = last
            .to_str()
            .ok()
            .and_then(|text| offsets(text, newest.len()));
        let rule = || invalid("Last-Event-ID", &rule("must be", newest.len()));
        start.after = offsets.ok_or_else(rule)?;
    }
    Ok(start)
}

/// For each partition the offset before the first one to send.
fn first(text: &str, newest: &[Offset]) -> Result<Vec<Offset>, Problem> {
    match text {
        "latest" => return Ok(newest.to_vec()),
        "earliest" => return Ok(vec![0; newest.len()]),
        _ => {}
    }
    // Clients may encode the commas.
    let text = text.replace("%2C", ",").replace("%2c", ",");
    let offsets = offsets(&text, newest.len()).filter(|offsets| offsets.iter().any(|at| *at > 0));
    let offsets = offsets
        .ok_or_else(|| invalid("from", &rule("must be earliest, latest or", newest.len())))?;
    Ok(offsets.into_iter().map(|at| at.saturating_sub(1)).collect())
}

/// One offset for each partition, or one for all.
fn offsets(text: &str, partitions: usize) -> Option<Vec<Offset>> {
    let offsets: Option<Vec<Offset>> = text.split(',').map(|at| offset_of(at.trim())).collect();
    match offsets?.as_slice() {
        [all] => Some(vec![*all; partitions]),
        each if each.len() == partitions => Some(each.to_vec()),
        _ => None,
    }
}

fn rule(begin: &str, partitions: usize) -> String {
    match partitions {
        1 => format!("{begin} an offset from 1"),
        many => format!("{begin} an offset, or one for each of {many} partitions"),
    }
}

fn invalid(field: &str, rule: &str) -> Problem {
    Problem::field(Kind::Invalid, field, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(query: &str, newest: &[Offset]) -> Result<Vec<Offset>, u16> {
        start(Some(query), None, newest)
            .map(|start| start.after)
            .map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_watch_begins_where_it_is_told_to() {
        let from = |query: &str| after(query, &[7]);
        assert_eq!(from(""), Ok(vec![7]));
        assert_eq!(from("from=latest"), Ok(vec![7]));
        assert_eq!(from("from=earliest"), Ok(vec![0]));
        assert_eq!(from("from=5"), Ok(vec![4]));
        assert_eq!(from("from=900"), Ok(vec![899]));
        for wrong in [
            "from=0",
            "from=",
            "from=-1",
            "from=x",
            "from=1,2",
            "from",
            "form=1",
            "from=18446744073709551616",
            "format=x",
        ] {
            assert_eq!(from(wrong), Err(422), "{wrong}");
        }
    }

    #[test]
    fn several_partitions_have_a_place_each_or_one_for_all() {
        let from = |query: &str| after(query, &[7, 0, 9]);
        assert_eq!(from("from=latest"), Ok(vec![7, 0, 9]));
        assert_eq!(from("from=earliest"), Ok(vec![0, 0, 0]));
        assert_eq!(from("from=5"), Ok(vec![4, 4, 4]));
        assert_eq!(from("from=5,0,6"), Ok(vec![4, 0, 5]));
        assert_eq!(from("from=5%2C0%2c6"), Ok(vec![4, 0, 5]));
        let entry = (1_700_000_000_000 << 20) + 3;
        assert_eq!(from("from=1700000000000-3"), Ok(vec![entry - 1; 3]));
        for wrong in ["from=1,2", "from=0,0,0", "from=1,2,3,4", "from=1,,2"] {
            assert_eq!(from(wrong), Err(422), "{wrong}");
        }
    }

    #[test]
    fn a_returning_client_goes_on_after_its_last_event() {
        let last = |text: &'static str, newest: &[Offset]| {
            let last = HeaderValue::from_static(text);
            start(Some("from=earliest"), Some(&last), newest).map(|start| start.after)
        };
        assert_eq!(last("3", &[7]), Ok(vec![3]));
        assert_eq!(last("3,0", &[7, 7]), Ok(vec![3, 0]));
        assert_eq!(last("x", &[7]).unwrap_err().status(), 422);
        assert_eq!(last("3,4", &[7]).unwrap_err().status(), 422);
    }

    #[test]
    fn what_is_told_is_understood_when_it_comes_back() {
        for offset in [1, 17, (1 << 53) - 1, 1 << 53, 1_700_000_000_000 << 20] {
            assert_eq!(offset_of(&label(offset)), Some(offset));
            assert_eq!(value(offset).as_u64().is_some(), offset < 1 << 53);
        }
    }

    #[test]
    fn the_form_is_chosen_by_the_query() {
        let form = |query| start(Some(query), None, &[0]).map(|start| start.form);
        assert_eq!(form("from=latest"), Ok(Form::Payload));
        assert_eq!(form("format=record&from=1"), Ok(Form::Record));
    }
}
