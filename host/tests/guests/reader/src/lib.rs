//! Reads metered data for partners, step by step as it is told, in one invocation. The body is an array of
//! steps, the answer an array of what came of each; an error is `{"error": <case>, "detail": …}`.
//!
//! It also publishes readings, which is how tests lay down what there is to read.

mod columns;

use leyden_sdk::data::types::{self, Interval, Quality, Query};
use leyden_sdk::data::{
    budget, detailed_consumption, detailed_consumption_columns, global_consumption, production,
    production_columns,
};
use leyden_sdk::http::{self, Request, Response};
use leyden_sdk::{Error, Result, accounts, streams};
use serde_json::{Value, json};

struct Reader;

leyden_sdk::export_http!(Reader);

impl http::Handler for Reader {
    fn handle(request: Request) -> Result<Response> {
        let steps: Vec<Value> = serde_json::from_slice(&request.body)
            .map_err(|error| Error::malformed(error.to_string()))?;
        let done: Result<Vec<Value>> = steps.iter().map(step).collect();
        Ok(http::json(&done?))
    }
}

fn step(step: &Value) -> Result<Value> {
    let text = |name: &str| step[name].as_str().unwrap_or_default();
    let number = |name: &str| step[name].as_u64().unwrap_or_default();
    Ok(match text("do") {
        "find" => account(accounts::find(text("partner")), |found| {
            found.map_or(Value::Null, |partner| {
                json!({
                    "id": partner.id,
                    "trust": partner.trust_level,
                    "datapoints": partner.datapoints,
                })
            })
        }),
        "put" => account(
            accounts::put(text("partner"), number("trust") as u32),
            |()| Value::Null,
        ),
        "credit" => account(
            accounts::credit(text("partner"), number("amount"), text("reference")),
            |()| Value::Null,
        ),
        "act-for" => account(accounts::act_for(text("partner")), |()| Value::Null),
        "left" => budget::left().into(),
        "spent" => budget::spent().into(),
        "read" => read(step),
        "publish" => publish(&step["readings"])?,
        "refuse" => return Err(Error::forbidden("told to refuse")),
        "trap" => panic!("told to trap"),
        other => return Err(Error::malformed(format!("no step is called '{other}'"))),
    })
}

fn publish(readings: &Value) -> Result<Value> {
    for reading in readings.as_array().into_iter().flatten() {
        streams::publish("house.readings", &reading["community"].to_string(), reading)?;
    }
    Ok(Value::Null)
}

fn account<T>(result: Result<T, accounts::Error>, value: impl Fn(T) -> Value) -> Value {
    let error = |case: &str, detail: String| json!({ "error": case, "detail": detail });
    match result {
        Ok(done) => value(done),
        Err(accounts::Error::UnknownPartner(id)) => error("unknown-partner", id),
        Err(accounts::Error::Invalid(rule)) => error("invalid", rule),
        Err(accounts::Error::Budget(what)) => error("budget", what),
    }
}

fn read(step: &Value) -> Value {
    let query = Query {
        from_ms: step["from"].as_u64().unwrap_or_default(),
        to_ms: step["to"].as_u64().unwrap_or_default(),
        community: step["community"].as_u64(),
        cursor: step["cursor"].as_str().map(str::to_owned),
        limit: step["limit"].as_u64().unwrap_or(1_000) as u32,
    };
    match step["dataset"].as_str().unwrap_or_default() {
        "global-consumption" => page(global_consumption::read(&query), |page| {
            let readings: Vec<_> = page.readings.iter().map(sum).collect();
            json!({
                "readings": readings,
                "suppressed": page.suppressed,
                "next": page.next,
                "price": page.price,
            })
        }),
        "production" => page(production::read(&query), |page| {
            let readings: Vec<_> = page.readings.iter().map(produced).collect();
            json!({ "readings": readings, "next": page.next, "price": page.price })
        }),
        "production-columns" => page(production_columns::read(&query), |page| {
            columns::produced(&page)
        }),
        "detailed-consumption-columns" => {
            page(detailed_consumption_columns::read(&query), |page| {
                columns::drawn(&page)
            })
        }
        _ => page(detailed_consumption::read(&query), |page| {
            let readings: Vec<_> = page.readings.iter().map(drawn).collect();
            json!({ "readings": readings, "next": page.next, "price": page.price })
        }),
    }
}

fn page<P>(read: Result<P, types::Error>, value: impl Fn(P) -> Value) -> Value {
    use types::Error as Cause;
    let error = |case: &str, detail: Value| json!({ "error": case, "detail": detail });
    match read {
        Ok(page) => value(page),
        Err(Cause::OutOfCredit(types::Shortfall { price, left })) => {
            error("out-of-credit", json!({ "price": price, "left": left }))
        }
        Err(Cause::NotConsented) => error("not-consented", Value::Null),
        Err(Cause::NotTrusted(needed)) => error("not-trusted", needed.into()),
        Err(Cause::NoData) => error("no-data", Value::Null),
        Err(Cause::Suppressed(rule)) => error("suppressed", rule.into()),
        Err(Cause::Invalid(rule)) => error("invalid", rule.into()),
        Err(Cause::Limit(which)) => error("limit", which.into()),
    }
}

fn sum(reading: &global_consumption::Reading) -> Value {
    json!({
        "interval": interval(&reading.interval),
        "powerW": reading.power_w,
        "households": reading.households,
        "complete": reading.quality == Quality::Complete,
    })
}

fn produced(reading: &production::Reading) -> Value {
    json!({
        "household": reading.household,
        "interval": interval(&reading.interval),
        "powerW": reading.power_w,
        "complete": reading.quality == Quality::Complete,
    })
}

fn drawn(reading: &detailed_consumption::Reading) -> Value {
    let object = |object: &detailed_consumption::ObjectPower| json!([object.name, object.power_w]);
    let objects: Vec<_> = reading.objects.iter().map(object).collect();
    json!({
        "household": reading.household,
        "interval": interval(&reading.interval),
        "powerW": reading.power_w,
        "objects": objects,
        "complete": reading.quality == Quality::Complete,
    })
}

fn interval(interval: &Interval) -> Value {
    json!([interval.starts_at_ms, interval.ends_at_ms])
}
