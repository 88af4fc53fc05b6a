//! Answers any request with "Hello, world!" (13 bytes), built as anybody would build it for `wasi:http`: with no
//! allocator of ours and nothing of Leyden. What is measured with it is the host.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    reason = "the exports are generated; a test component that cannot go on should stop"
)]

wit_bindgen::generate!({
    path: "../../../../plugins/templates/function/wit",
    inline: "package leyden:hello@0.1.0; world hello { include wasi:http/proxy@0.2.10; }",
    world: "leyden:hello/hello",
    generate_all,
});

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// What every request gets.
const GREETING: &[u8] = b"Hello, world!";

struct Hello;

impl Guest for Hello {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        let _ = headers.append("content-type", b"text/plain; charset=utf-8");
        let response = OutgoingResponse::new(headers);
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(out, Ok(response));
        if let Ok(stream) = body.write() {
            let _ = stream.blocking_write_and_flush(GREETING);
        }
        let _ = OutgoingBody::finish(body, None);
    }
}

export!(Hello);
