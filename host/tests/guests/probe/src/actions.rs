//! The HTTP routes of the probe, one function per action.

use crate::logic;
use leyden_sdk::grid::client_registry;
use leyden_sdk::http::{self, Params, ProblemKind, Request, Response};
use leyden_sdk::policy::peak_limit;
use leyden_sdk::state::{self, Key, Order};
use leyden_sdk::streams;
use leyden_sdk::{Error, Result, debug, time, uuid};
use serde_json::json;

/// Largest body that is asked for without complaint (bytes); tests ask for what the host refuses.
const BYTES_MAX: u64 = 512 << 20;

pub(crate) fn handle(request: &Request) -> Result<Response> {
    let params = Params::of(request)?;
    if request.head.route == "/probe/counter/{key}" {
        return Ok(http::json(&state::get_u64(&counter_key(
            &params.string("key")?,
        ))?));
    }
    let action = params.string("action")?;
    match action.as_str() {
        "trap" => std::process::abort(),
        "panic" => panic!("the probe was asked to panic"),
        "loop" => logic::endless(),
        "allocate" => logic::allocate(),
        "recurse" => Ok(http::json(&logic::recurse(0, u64::MAX))),
        "write-then-trap" | "write-then-reject" | "write-then-retry" => {
            write_then(&params, &action)
        }
        "set" | "get" | "delete" | "scan" => state_action(&params, &action),
        "calls" | "effects" | "logs" | "publish" => flood(&params, &action),
        "huge" | "status" | "header" => odd_answer(&params, &action),
        "call-others" | "ask-policy" => others(&params, &action),
        _ => plain(&params, &action, request),
    }
}

fn plain(params: &Params, action: &str, request: &Request) -> Result<Response> {
    match action {
        "reject" => Err(reject(params)),
        "retry" => Err(Error::Retry("The request asks to be run again.".to_owned())),
        "increment" => {
            let busy_ms = params.optional("busy-ms", Params::u64)?.unwrap_or(0);
            Ok(http::json(&increment(&params.string("key")?, busy_ms)?))
        }
        "busy" => Ok(http::json(&logic::busy(params.u64("ms")?))),
        "now" => Ok(http::json(&[time::now_ms(), time::now_ms()])),
        "random" => Ok(http::json(&[uuid::new_v4(), uuid::new_v4()])),
        _ => Err(http::unknown_route(request)),
    }
}

fn reject(params: &Params) -> Error {
    let kind = params
        .string("kind")
        .ok()
        .and_then(|name| logic::problem_kind(&name));
    Error::reject(
        kind.unwrap_or(ProblemKind::Invalid),
        "The request asks to be refused.",
    )
}

fn value_key(key: &str) -> Key {
    Key::new("value/").text(key)
}

fn counter_key(key: &str) -> Key {
    Key::new("counter/").text(key)
}

/// Reads a counter, works for about so long, and writes it plus one: two at a time conflict.
pub(crate) fn increment(key: &str, busy_ms: u64) -> Result<u64> {
    let key = counter_key(key);
    let count = state::get_u64(&key)?.unwrap_or(0) + 1;
    std::hint::black_box(logic::busy(busy_ms));
    state::set_u64(&key, count)?;
    Ok(count)
}

fn write_then(params: &Params, action: &str) -> Result<Response> {
    let (key, value) = (params.string("key")?, params.string("value")?);
    state::set(&value_key(&key), value.as_bytes())?;
    streams::publish_bytes("probe.out", &key, value.as_bytes())?;
    match action {
        "write-then-reject" => Err(Error::invalid("value", "is refused after it was written")),
        "write-then-retry" => Err(Error::Retry(
            "The request was written and asks to be run again.".to_owned(),
        )),
        _ => std::process::abort(),
    }
}

fn state_action(params: &Params, action: &str) -> Result<Response> {
    match action {
        "set" => state::set(
            &value_key(&params.string("key")?),
            params.string("value")?.as_bytes(),
        )?,
        "delete" => state::delete(&value_key(&params.string("key")?))?,
        "get" => {
            let value = state::get(&value_key(&params.string("key")?))?;
            return Ok(http::json(
                &value.map(|value| String::from_utf8_lossy(&value).into_owned()),
            ));
        }
        _ => return scan(params),
    }
    Ok(http::no_content())
}

fn scan(params: &Params) -> Result<Response> {
    let prefix = params
        .optional("prefix", Params::string)?
        .unwrap_or_default();
    let limit = params.optional("limit", |p, name| p.u64_within(name, 0, u32::MAX.into()))?;
    let limit = limit
        .and_then(|limit| u32::try_from(limit).ok())
        .unwrap_or(100);
    let entries = state::scan_prefix(prefix.as_bytes(), Order::Ascending, limit)?;
    let keys = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.key).into_owned());
    Ok(http::json(&keys.collect::<Vec<_>>()))
}

fn flood(params: &Params, action: &str) -> Result<Response> {
    let n = params.u64("n")?;
    for at in 0..n {
        match action {
            "calls" => drop(state::get(&value_key("flood"))?),
            "effects" => state::set(&Key::new("flood/").u64(at), &[1])?,
            "logs" => debug!("line {at} of {n}"),
            _ => publish(params)?,
        }
    }
    Ok(http::json(&json!({ "n": n })))
}

/// Calls another component so many times, for nothing.
fn others(params: &Params, action: &str) -> Result<Response> {
    let n = params.u64("n")?;
    for community in 0..n {
        if action == "ask-policy" {
            let input = peak_limit::Input {
                community,
                at_ms: community,
                houses: 3,
            };
            std::hint::black_box(peak_limit::limit(input));
        } else {
            client_registry::find(&[])?;
        }
    }
    Ok(http::json(&json!({ "n": n })))
}

fn publish(params: &Params) -> Result<()> {
    let stream = params
        .optional("stream", Params::string)?
        .unwrap_or_else(|| "probe.in".to_owned());
    let payload = params
        .optional("payload", Params::string)?
        .unwrap_or_else(|| "{}".to_owned());
    streams::publish_bytes(&stream, &params.string("key")?, payload.as_bytes())
}

fn odd_answer(params: &Params, action: &str) -> Result<Response> {
    let mut answer = http::text("odd");
    match action {
        "huge" => {
            let bytes = params.u64_within("bytes", 0, BYTES_MAX)?;
            answer.body = vec![b'x'; usize::try_from(bytes).unwrap_or(0)];
        }
        "status" => {
            let status = params.u64_within("status", 0, u16::MAX.into())?;
            answer.status = u16::try_from(status).unwrap_or(0);
        }
        _ => {
            let field = (params.string("name")?, params.string("value")?);
            answer.headers.push(field);
        }
    }
    Ok(answer)
}
