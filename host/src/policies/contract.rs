//! What a decision must keep, by its kind: the rules that the WIT package states in words. Pure.
//!
//! Who asks a policy may check more; what is checked here is what no version may break, so that a version that does is
//! recognised, and the one before it decides.

use serde_json::Value;

use super::Kind;

/// By which part of the energy that is asked for a plan may miss it: what rounding of its power amounts to.
const ENERGY_TOLERANCE: f64 = 1e-9;

/// Checks a decision of a kind's function.
///
/// # Errors
/// The rule that it breaks.
pub fn check(kind: Kind, function: &str, input: &Value, output: &Value) -> Result<(), String> {
    match (kind, function) {
        (Kind::Assignment, _) => match output.as_u64() {
            Some(0) | None => Err("a community's id is at least 1".into()),
            Some(_) => Ok(()),
        },
        (Kind::PeakLimit, _) => limits(output),
        (Kind::Schedule, _) => plan(input, output),
        (Kind::Shed, _) => indices(input, output),
        // Every price and every level is a decision.
        (Kind::Access, _) => Ok(()),
    }
}

/// A number's member; a missing one or one that JSON does not have is not a number.
fn number(value: &Value, member: &str) -> f64 {
    value[member].as_f64().unwrap_or(f64::NAN)
}

fn limits(output: &Value) -> Result<(), String> {
    let (open, close) = (number(output, "open-above-w"), number(output, "close-at-w"));
    if !open.is_finite() || !close.is_finite() {
        return Err("thresholds are numbers".into());
    }
    match close <= open {
        true => Ok(()),
        false => Err(format!(
            "a peak would close at {close} W, above the {open} W that it opens at"
        )),
    }
}

fn plan(input: &Value, output: &Value) -> Result<(), String> {
    let at = |slot: &str| output["slot"][slot].as_u64().unwrap_or(0);
    let (starts, ends) = (at("starts-at-ms"), at("ends-at-ms"));
    let not_before = input["not-before-ms"].as_u64().unwrap_or(0);
    if starts < not_before {
        return Err(format!("it starts at {starts} ms, before {not_before} ms"));
    }
    if ends <= starts {
        return Err(format!("it ends at {ends} ms and starts at {starts} ms"));
    }
    let (given, asked) = (number(output, "power-w"), number(input, "power-w"));
    if !(given > 0.0 && given <= asked) {
        return Err(format!(
            "its power is {given} W where the load has {asked} W"
        ));
    }
    let duration = input["duration-ms"].as_u64().unwrap_or(0);
    energy(asked * duration as f64, given, (ends - starts) as f64)
}

/// The slot delivers the energy that is asked for, to the millisecond.
fn energy(asked_w_ms: f64, power_w: f64, length_ms: f64) -> Result<(), String> {
    let given_w_ms = power_w * length_ms;
    if (given_w_ms - asked_w_ms).abs() <= power_w + asked_w_ms * ENERGY_TOLERANCE {
        return Ok(());
    }
    let wh = |w_ms: f64| w_ms / 3_600_000.0;
    let (given, asked) = (wh(given_w_ms), wh(asked_w_ms));
    Err(format!(
        "it delivers {given} Wh where {asked} Wh are asked for"
    ))
}

fn indices(input: &Value, output: &Value) -> Result<(), String> {
    let loads = input["loads"].as_array().map_or(0, Vec::len);
    let mut stopped = vec![false; loads];
    for index in output.as_array().into_iter().flatten() {
        let place = index.as_u64().and_then(|index| usize::try_from(index).ok());
        match place.and_then(|place| stopped.get_mut(place)) {
            None => return Err(format!("it stops load {index} of {loads}")),
            Some(true) => return Err(format!("it stops load {index} twice")),
            Some(stopped) => *stopped = true,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(kind: Kind, input: &Value, output: &Value) -> String {
        check(kind, "decide", input, output).expect_err("it breaks a rule")
    }

    #[test]
    fn shedding_names_each_load_at_most_once() {
        let input = json!({"loads": [{}, {}]});
        let sound = |output: Value| check(Kind::Shed, "shed", &input, &output);
        assert_eq!(sound(json!([])), Ok(()));
        assert_eq!(sound(json!([1, 0])), Ok(()));
        assert!(broken(Kind::Shed, &input, &json!([2])).contains("2 of 2"));
        assert!(broken(Kind::Shed, &input, &json!([1, 1])).contains("twice"));
    }

    #[test]
    fn a_plan_keeps_its_time_and_power() {
        let input = json!({"not-before-ms": 10, "power-w": 100.0, "duration-ms": 1});
        let plan = |starts: u64, ends: u64, power: f64| {
            let slot = json!({"starts-at-ms": starts, "ends-at-ms": ends});
            json!({"slot": slot, "power-w": power})
        };
        check(Kind::Schedule, "decide", &input, &plan(10, 11, 100.0)).expect("sound");
        assert!(broken(Kind::Schedule, &input, &plan(9, 11, 1.0)).contains("before"));
        assert!(broken(Kind::Schedule, &input, &plan(10, 10, 1.0)).contains("ends at"));
        assert!(broken(Kind::Schedule, &input, &plan(10, 13, 100.0)).contains("delivers"));
        check(Kind::Schedule, "decide", &input, &plan(10, 12, 50.0)).expect("sound");
        for power in [0.0, -1.0, 101.0, f64::NAN] {
            assert!(broken(Kind::Schedule, &input, &plan(10, 11, power)).contains("power"));
        }
    }

    #[test]
    fn thresholds_are_in_order_and_communities_have_ids() {
        let limits = |open: f64, close: f64| json!({"open-above-w": open, "close-at-w": close});
        let none = Value::Null;
        check(Kind::PeakLimit, "limit", &none, &limits(2.0, 2.0)).expect("sound");
        assert!(broken(Kind::PeakLimit, &none, &limits(1.0, 2.0)).contains("close at 2"));
        let nan = json!({"open-above-w": "NaN", "close-at-w": 0.0});
        assert!(broken(Kind::PeakLimit, &none, &nan).contains("numbers"));
        assert!(broken(Kind::Assignment, &none, &json!(0)).contains("at least 1"));
        check(Kind::Assignment, "assign", &none, &json!(1)).expect("sound");
    }
}
