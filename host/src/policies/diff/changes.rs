//! How a decision differs from another one, in words and in the units that the policy knows of. Pure.

use serde::Serialize;
use serde_json::Value;

use crate::policies::Kind;

/// What decisions amount to in some unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Weight {
    /// As it was decided.
    pub before: f64,
    /// As it would have been.
    pub after: f64,
}

impl Weight {
    pub(super) fn add(&mut self, other: Self) {
        self.before += other.before;
        self.after += other.after;
    }
}

/// The kind of a change.
pub(super) fn name(kind: Kind, input: &Value, before: &Value, after: &Value) -> String {
    match kind {
        Kind::Access => access(before, after),
        Kind::Assignment => assignment(input, after),
        Kind::PeakLimit => direction(
            number(&before["open-above-w"]),
            number(&after["open-above-w"]),
            ["opens later", "opens earlier", "closes otherwise"],
        ),
        Kind::Schedule => schedule(before, after),
        Kind::Shed => direction(
            shed_w(input, before),
            shed_w(input, after),
            ["stops more", "stops less", "stops others"],
        ),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// Names for more, less, and as much.
fn direction(before: f64, after: f64, [more, less, alike]: [&str; 3]) -> String {
    let name = match after.total_cmp(&before) {
        std::cmp::Ordering::Greater => more,
        std::cmp::Ordering::Less => less,
        std::cmp::Ordering::Equal => alike,
    };
    name.to_owned()
}

fn access(before: &Value, after: &Value) -> String {
    match (price(before), price(after)) {
        (Some(_), None) => "refused now".into(),
        (None, Some(_)) => "granted now".into(),
        (Some(before), Some(after)) => {
            direction(before, after, ["dearer", "cheaper", "priced otherwise"])
        }
        (None, None) => "asks another trust level".into(),
    }
}

/// Datapoints of a read or a billion units of fuel; none where it is refused.
fn price(output: &Value) -> Option<f64> {
    output.as_f64().or_else(|| output["granted"].as_f64())
}

fn assignment(input: &Value, after: &Value) -> String {
    match input["first-free-id"] == *after {
        true => "opens a community".into(),
        false => "joins another community".into(),
    }
}

fn schedule(before: &Value, after: &Value) -> String {
    let starts = |output: &Value| number(&output["slot"]["starts-at-ms"]);
    match starts(after).total_cmp(&starts(before)) {
        std::cmp::Ordering::Greater => "starts later".into(),
        std::cmp::Ordering::Less => "starts earlier".into(),
        std::cmp::Ordering::Equal => direction(
            number(&before["power-w"]),
            number(&after["power-w"]),
            ["runs stronger", "runs weaker", "runs otherwise"],
        ),
    }
}

/// Power that shedding stops, W.
fn shed_w(input: &Value, output: &Value) -> f64 {
    let stopped = output.as_array().into_iter().flatten();
    let power = |index: &Value| {
        let index = usize::try_from(index.as_u64()?).ok()?;
        input["loads"].get(index)?["power-w"].as_f64()
    };
    stopped.filter_map(power).sum()
}

/// What a decision amounts to before and after, by unit.
pub(super) fn weigh(
    kind: Kind,
    function: &str,
    input: &Value,
    before: &Value,
    after: &Value,
) -> Vec<(&'static str, Weight)> {
    let of = |measure: &dyn Fn(&Value) -> f64| Weight {
        before: measure(before),
        after: measure(after),
    };
    match (kind, function) {
        (Kind::Access, "decide") => {
            vec![("datapoints", of(&|output| price(output).unwrap_or(0.0)))]
        }
        (Kind::Access, _) => vec![("datapoints per 10^9 fuel", of(&number))],
        (Kind::PeakLimit, _) => {
            vec![("limit W", of(&|output| number(&output["open-above-w"])))]
        }
        (Kind::Schedule, _) => vec![
            ("planned W", of(&|output| number(&output["power-w"]))),
            ("delay s", of(&|output| delay_s(input, output))),
        ],
        (Kind::Shed, _) => vec![
            ("stopped W", of(&|output| shed_w(input, output))),
            (
                "stopped loads",
                of(&|output| output.as_array().map_or(0, Vec::len) as f64),
            ),
        ],
        (Kind::Assignment, _) => Vec::new(),
    }
}

/// How long a load waits, s.
fn delay_s(input: &Value, output: &Value) -> f64 {
    let starts_ms = number(&output["slot"]["starts-at-ms"]);
    (starts_ms - number(&input["not-before-ms"])) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_have_names_people_understand() {
        let loads = json!({"loads": [{"power-w": 9.0}, {"power-w": 1.0}, {"power-w": 1.0}]});
        let plan = |starts: u64, power: f64| json!({"slot": {"starts-at-ms": starts, "ends-at-ms": 9}, "power-w": power});
        let free = json!({"first-free-id": 7});
        let limits = |open: f64, close: f64| json!({"open-above-w": open, "close-at-w": close});
        let none = Value::Null;
        for (kind, input, before, after, told) in [
            (Kind::Shed, &loads, json!([0, 1]), json!([0]), "stops less"),
            (Kind::Shed, &loads, json!([1]), json!([0]), "stops more"),
            (Kind::Shed, &loads, json!([1]), json!([2]), "stops others"),
            (
                Kind::Schedule,
                &none,
                plan(1, 2.0),
                plan(2, 2.0),
                "starts later",
            ),
            (
                Kind::Schedule,
                &none,
                plan(1, 2.0),
                plan(1, 1.0),
                "runs weaker",
            ),
            (
                Kind::Assignment,
                &free,
                json!(3),
                json!(7),
                "opens a community",
            ),
            (
                Kind::Assignment,
                &free,
                json!(3),
                json!(4),
                "joins another community",
            ),
            (
                Kind::PeakLimit,
                &none,
                limits(2.0, 1.0),
                limits(3.0, 1.0),
                "opens later",
            ),
            (
                Kind::PeakLimit,
                &none,
                limits(2.0, 1.0),
                limits(2.0, 0.0),
                "closes otherwise",
            ),
            (
                Kind::Access,
                &none,
                json!({"granted": 5}),
                json!({"granted": 7}),
                "dearer",
            ),
            (
                Kind::Access,
                &none,
                json!({"granted": 5}),
                json!({"not-trusted": 7}),
                "refused now",
            ),
            (
                Kind::Access,
                &none,
                json!({"not-trusted": 5}),
                json!({"granted": 7}),
                "granted now",
            ),
            (Kind::Access, &none, json!(5), json!(4), "cheaper"),
        ] {
            assert_eq!(name(kind, input, &before, &after), told);
        }
    }

    #[test]
    fn what_it_amounts_to_is_added_up() {
        let loads = json!({"loads": [{"power-w": 9.0}, {"power-w": 1.0}]});
        let weighed = weigh(Kind::Shed, "shed", &loads, &json!([0, 1]), &json!([1]));
        let watts = Weight {
            before: 10.0,
            after: 1.0,
        };
        assert_eq!(weighed[0], ("stopped W", watts));
        let input = json!({"not-before-ms": 1_000});
        let plan = |starts: u64| json!({"slot": {"starts-at-ms": starts}, "power-w": 1.0});
        let weighed = weigh(Kind::Schedule, "decide", &input, &plan(1_000), &plan(4_000));
        assert_eq!(
            weighed[1],
            (
                "delay s",
                Weight {
                    before: 0.0,
                    after: 3.0
                }
            )
        );
    }
}
