//! What a function must not do.

use std::hint::black_box;

use crate::Call;
use crate::answers::{begin, text};
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::types::{ErrorCode, ResponseOutparam};
use crate::bodies::write;

/// Ends with a trap.
pub(crate) fn trap() {
    std::process::abort()
}

/// Computes for ever.
pub(crate) fn endless() {
    loop {
        black_box(0);
    }
}

/// Answers with a few bytes, then does something else.
pub(crate) fn after(call: Call, then: fn()) {
    let body = begin(call.out, 200, "text/plain");
    let stream = body.write().expect("a stream");
    let _ = write(&stream, b"the beginning");
    // The host gets a chance to send it.
    monotonic_clock::subscribe_duration(20_000_000).block();
    then();
}

/// Answers with a few bytes and drops the body unfinished.
pub(crate) fn abort(call: Call) {
    let body = begin(call.out, 200, "text/plain");
    let stream = body.write().expect("a stream");
    let _ = write(&stream, b"the beginning");
    monotonic_clock::subscribe_duration(20_000_000).block();
    drop(stream);
    drop(body);
}

/// Answers with an error.
pub(crate) fn refuse(call: Call) {
    ResponseOutparam::set(call.out, Err(ErrorCode::LoopDetected));
}

/// Computes for so many milliseconds, then answers.
pub(crate) fn spin(call: Call) {
    let until = monotonic_clock::now() + call.number() * 1_000_000;
    while monotonic_clock::now() < until {
        for turn in 0..10_000 {
            black_box(turn);
        }
    }
    text(call.out, 200, "done");
}

/// Takes memory until there is none.
pub(crate) fn memory(call: Call) {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
        if taken.len() > 4_096 {
            return text(call.out, 200, "four GiB");
        }
    }
}
