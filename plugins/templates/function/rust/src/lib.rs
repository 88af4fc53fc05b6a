//! Glue between HTTP and the function: takes a request in, and writes an answer. What is answered is in `hello`, which
//! knows nothing of WebAssembly and is tested natively.

mod hello;

wit_bindgen::generate!({
    path: "wit",
    world: "function",
    generate_all,
});

use exports::wasi::http::incoming_handler::Guest;
use wasi::cli::{environment, stderr};
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::{OutputStream, StreamError};

/// Longest body that is read (bytes).
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of one write, as `wasi:io` has it.
const WRITE_BYTES_MAX: usize = 4096;

struct Function;

impl Guest for Function {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match body_of(&request) {
            Some(body) => (200, hello::greet(&greeting(), &String::from_utf8_lossy(&body))),
            None => (413, format!("at most {BODY_BYTES_MAX} bytes\n")),
        };
        log(&format!("answers {status}"));
        answer(out, status, &text);
    }
}

export!(Function);

/// The variable GREETING of leyden.toml. Secrets are found in the same way.
fn greeting() -> String {
    let variables = environment::get_environment().into_iter();
    let greeting = variables.into_iter().find(|(name, _)| name == "GREETING");
    greeting.map_or_else(|| "Hello".to_owned(), |(_, value)| value)
}

/// The request's body; none where it is too long or was cut off.
fn body_of(request: &IncomingRequest) -> Option<Vec<u8>> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(BODY_BYTES_MAX as u64) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Some(bytes),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
        if bytes.len() > BODY_BYTES_MAX {
            return None;
        }
    }
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::new();
    // Neither can fail: name, value and status are allowed.
    let _ = headers.append("content-type", b"text/plain; charset=utf-8");
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    if let Ok(body) = body {
        if let Ok(stream) = body.write() {
            write(&stream, text);
        }
        // Fails where the client has gone, which is nothing to do anything about.
        let _ = OutgoingBody::finish(body, None);
    }
}

fn write(stream: &OutputStream, text: &str) {
    for piece in text.as_bytes().chunks(WRITE_BYTES_MAX) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
}

/// Writes a line to the function's log.
fn log(line: &str) {
    write(&stderr::get_stderr(), &format!("{line}\n"));
}
