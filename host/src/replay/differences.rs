//! What differs between two outcomes, field by field, the first first. Pure.

use serde_json::{Map, Value, json};

use super::format::Outcome;
use crate::policies::Decision;

/// Most differences of one invocation that are told; whoever has seen so many looks at the first.
const TOLD_MAX: usize = 100;

/// Longest text that is told whole, characters.
const SHOWN_MAX: usize = 160;

/// What is told of a text before the place where it differs, characters.
const LEAD: usize = 60;

/// Outcomes differ in this field.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Which, such as `output.http.status` or `effects.writes[house h/1]`.
    pub field: String,
    /// What the record says; null where it has nothing there.
    pub recorded: Value,
    /// What the replay says.
    pub replayed: Value,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (recorded, replayed) = (text(&self.recorded), text(&self.replayed));
        let same = recorded.chars().zip(replayed.chars());
        let same = same.take_while(|(one, other)| one == other).count();
        let skipped = same.saturating_sub(LEAD);
        let (recorded, replayed) = (brief(&recorded, skipped), brief(&replayed, skipped));
        write!(f, "{}: {recorded} -> {replayed}", self.field)
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// A text from a little before where it begins to differ.
fn brief(text: &str, skipped: usize) -> String {
    let rest: String = text.chars().skip(skipped).collect();
    match skipped {
        0 => shortened(&rest),
        _ => format!("...{}", shortened(&rest)),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Bytes for people.
pub(super) fn shown(bytes: &[u8]) -> String {
    shortened(&bytes.escape_ascii().to_string())
}

/// Where two outcomes differ; in fuel, and in what follows from it, only where both know it.
#[must_use]
pub fn differences(recorded: &Outcome, replayed: &Outcome) -> Vec<Difference> {
    let (mut one, mut other) = (comparable(recorded), comparable(replayed));
    for place in incomparable(recorded, replayed) {
        let outcomes = [&mut one, &mut other];
        let values = outcomes
            .into_iter()
            .filter_map(|all| all.pointer_mut(place));
        values.for_each(|value| *value = Value::Null);
    }
    let mut found = Vec::new();
    compare("", &one, &other, &mut found);
    found
}

/// Where a difference says nothing, as JSON pointers.
fn incomparable(recorded: &Outcome, replayed: &Outcome) -> &'static [&'static str] {
    let both = |is: fn(&Outcome) -> bool| is(recorded) && is(replayed);
    let are_runs = both(|one| one.output.is_of_run());
    let know_fuel = both(|one| one.fuel.is_some());
    let know_cost = both(|one| one.plugin_fuel.is_some());
    match (are_runs, know_cost, know_fuel) {
        // How far a run got by its deadline is no certain place.
        (true, _, _) if both(|one| one.output.is_late()) => &[
            "/fuel",
            "/pluginFuel",
            "/metered",
            "/effects",
            "/datapoints",
        ],
        (false, ..) if both(|one| one.output.is_too_deep()) => &["/fuel"],
        (false, ..) if both(|one| one.output.is_late()) => &["/fuel", "/effects/sent"],
        // What computing cost goes by it.
        (true, ..) if !know_cost || both(|one| one.output.is_too_deep()) => {
            &["/fuel", "/pluginFuel", "/effects/postings", "/datapoints"]
        }
        (_, _, false) => &["/fuel"],
        (_, _, true) => &[],
    }
}

/// An outcome whose writes have their places as names: what is written matters, not in which order.
fn comparable(outcome: &Outcome) -> Value {
    let writes = outcome.effects.writes.iter().map(|write| {
        let name = format!("{} {}", write.space, shown_whole(&write.key.0));
        (name, json!({ "value": write.value }))
    });
    let writes: Map<String, Value> = writes.collect();
    json!({
        "output": outcome.output,
        "effects": {
            "writes": writes,
            "appends": outcome.effects.appends,
            "postings": outcome.effects.postings,
            "sent": outcome.effects.sent,
        },
        "datapoints": outcome.datapoints,
        "metered": outcome.metered,
        "decisions": outcome.decisions.iter().map(decided).collect::<Vec<_>>(),
        "fuel": outcome.fuel,
        "pluginFuel": outcome.plugin_fuel,
    })
}

/// A decision without who made it and how long it took: another version that decides alike is no difference.
fn decided(decision: &Decision) -> Value {
    let asked = format!("{} {}", decision.interface, decision.function);
    json!({ "asked": asked, "input": decision.input, "output": decision.output })
}

fn shown_whole(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn compare(field: &str, recorded: &Value, replayed: &Value, found: &mut Vec<Difference>) {
    if recorded == replayed || found.len() == TOLD_MAX {
        return;
    }
    match (recorded, replayed) {
        (Value::Object(one), Value::Object(other)) if same_kind(field, one, other) => {
            let in_other = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(in_other) {
                let inner = named(field, name);
                compare(&inner, member(one, name), member(other, name), found);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let at = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                compare(&format!("{field}[{index}]"), &at(one), &at(other), found);
            }
        }
        _ => found.push(Difference {
            field: field.to_owned(),
            recorded: recorded.clone(),
            replayed: replayed.clone(),
        }),
    }
}

/// Outputs of different kinds are told whole: their members have nothing to do with each other.
fn same_kind(field: &str, one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    field != "output" || one.keys().eq(other.keys())
}

fn named(field: &str, name: &str) -> String {
    match field {
        "" => name.to_owned(),
        "effects.writes" => format!("{field}[{name}]"),
        _ => format!("{field}.{name}"),
    }
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::format::{Blob, Effects, Output, Write};

    fn outcome(status: u16, keys: &[&str], fuel: Option<u64>) -> Outcome {
        let write = |key: &&str| Write {
            space: "s".into(),
            key: Blob(key.as_bytes().to_vec()),
            value: Some(Blob(b"v".to_vec())),
        };
        Outcome {
            output: Output::Http {
                status,
                headers: Vec::new(),
                body: Blob(b"text".to_vec()),
            },
            effects: Effects {
                writes: keys.iter().map(write).collect(),
                ..Effects::default()
            },
            datapoints: Default::default(),
            metered: Vec::new(),
            decisions: Vec::new(),
            fuel,
            plugin_fuel: None,
        }
    }

    fn fields(one: &Outcome, other: &Outcome) -> Vec<String> {
        let found = differences(one, other).into_iter();
        found.map(|one| one.to_string()).collect()
    }

    #[test]
    fn the_first_difference_comes_first_and_names_its_field() {
        let one = outcome(200, &["a", "b"], Some(5));
        assert_eq!(fields(&one, &one), [""; 0]);
        assert_eq!(fields(&one, &outcome(200, &["b", "a"], None)), [""; 0]);
        let other = outcome(404, &["a", "c"], Some(6));
        let told = [
            "output.http.status: 200 -> 404",
            "effects.writes[s b]: {\"value\":\"v\"} -> nothing",
            "effects.writes[s c]: nothing -> {\"value\":\"v\"}",
            "fuel: 5 -> 6",
        ];
        assert_eq!(fields(&one, &other), told);
        let failed = Outcome {
            output: Output::NotRecorded("reads s 'x'".into()),
            ..other
        };
        let first = &differences(&one, &failed)[0];
        assert_eq!(first.field, "output");
    }

    /// A run that was paid for so much, where that is known.
    fn run(kind: &str, plugin_fuel: Option<u64>, paid: i64) -> Outcome {
        Outcome {
            output: Output::NoReport {
                kind: kind.to_owned(),
                reason: String::new(),
            },
            datapoints: [("revenue".to_owned(), paid)].into(),
            plugin_fuel,
            ..outcome(200, &[], None)
        }
    }

    #[test]
    fn what_a_run_costs_is_compared_where_its_fuel_is_known() {
        let known = |fuel, paid| run("trapped", Some(fuel), paid);
        let told = ["datapoints.revenue: 5 -> 6", "pluginFuel: 1 -> 2"];
        assert_eq!(fields(&known(1, 5), &known(2, 6)), told);
        let deep = |fuel, paid| {
            let mut one = known(fuel, paid);
            one.output = Output::NoReport {
                kind: "trapped".to_owned(),
                reason: "it called too deep: its stack is used up".to_owned(),
            };
            one
        };
        assert_eq!(fields(&deep(1, 5), &deep(2, 6)), [""; 0]);
        let unknown = run("trapped", None, 6);
        assert_eq!(fields(&known(1, 5), &unknown), [""; 0]);
        // How far it got by its deadline is no certain place; that it ran into it is.
        let (late, later) = (run("deadline", None, 5), run("deadline", None, 6));
        let later = Outcome {
            effects: outcome(200, &["a"], None).effects,
            ..later
        };
        assert_eq!(fields(&late, &later), [""; 0]);
        assert_eq!(fields(&late, &unknown).len(), 1);
    }
}
