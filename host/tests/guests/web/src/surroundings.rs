//! Time, environment and log.

use crate::Call;
use crate::answers::text;
use crate::bindings::wasi::cli::{environment, stderr, stdout};
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::random::random;
use crate::bodies::write;

fn wait(ms: u64) {
    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
}

/// Waits, then answers.
pub(crate) fn sleep(call: Call) {
    wait(call.number());
    text(call.out, 200, "awake");
}

/// Answers, then waits and writes to its log.
pub(crate) fn afterwards(call: Call) {
    let ms = call.number();
    text(call.out, 200, "answered");
    wait(ms);
    let _ = write(&stdout::get_stdout(), b"afterwards\n");
}

/// Answers with what clocks and randomness tell.
pub(crate) fn draw(call: Call) {
    let wall = wall_clock::now();
    let begun = monotonic_clock::now();
    wait(1);
    let waited = monotonic_clock::now() - begun;
    let (bits, few) = (random::get_random_u64(), random::get_random_bytes(3));
    let all = format!("{wall:?} {waited} {bits} {few:?}");
    text(call.out, 200, &all);
}

/// Answers with a variable of the environment.
pub(crate) fn env(call: Call) {
    let all = environment::get_environment();
    let value = all.into_iter().find(|(name, _)| *name == call.query);
    match value {
        Some((_, value)) => text(call.out, 200, &value),
        None => text(call.out, 404, "no such variable"),
    }
}

/// Writes a variable to the log.
pub(crate) fn say(call: Call) {
    let all = environment::get_environment();
    let value = all.into_iter().find(|(name, _)| *name == call.query);
    let value = value.map(|(_, value)| value).unwrap_or_default();
    let line = format!("{} is {value}\n", call.query);
    let _ = write(&stdout::get_stdout(), line.as_bytes());
    text(call.out, 200, "said");
}

/// Answers with a value of the configuration.
pub(crate) fn config(call: Call) {
    match store::get(&call.query) {
        Ok(Some(value)) => text(call.out, 200, &value),
        _ => text(call.out, 404, "no such value"),
    }
}

/// Writes lines to both outputs; the last has no end.
pub(crate) fn log(call: Call) {
    let (out, err) = (stdout::get_stdout(), stderr::get_stderr());
    for line in 0..call.number() {
        let _ = write(&out, format!("out {line}\n").as_bytes());
        let _ = write(&err, format!("err {line}\n").as_bytes());
    }
    let _ = write(&out, b"without an end");
    text(call.out, 200, "written");
}
