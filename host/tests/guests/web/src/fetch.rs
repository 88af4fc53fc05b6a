//! Requests to elsewhere.

use crate::Call;
use crate::answers::{begin, text};
use crate::bindings::wasi::cli::environment;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, Scheme,
};
use crate::bindings::wasi::io::poll::poll;
use crate::bodies::{pass_on, write};

/// Sends a GET to the URL in the query and streams the answer back; 502 and the error where there is none.
pub(crate) fn fetch(call: Call) {
    match send(&call.query) {
        Ok(response) => {
            let incoming = response.consume().expect("its body");
            let input = incoming.stream().expect("a stream");
            let body = begin(call.out, response.status(), "application/octet-stream");
            let output = body.write().expect("a stream");
            let whole = pass_on(&input, &output);
            drop(output);
            match whole {
                Ok(()) => drop(OutgoingBody::finish(body, None)),
                Err(_) => drop(body),
            }
        }
        Err(error) => text(call.out, 502, &format!("{error:?}")),
    }
}

/// Sends a GET to both URLs at once, and answers with which was answered first.
pub(crate) fn race(call: Call) {
    let urls = call.query.split('|');
    let begun = urls.map(|url| begin_request(url, &Method::Get, b""));
    let mut left: Vec<_> = begun
        .map(|pending| pending.expect("sent"))
        .enumerate()
        .collect();
    let mut order = String::new();
    while !left.is_empty() {
        let waits: Vec<_> = left
            .iter()
            .map(|(_, pending)| pending.subscribe())
            .collect();
        let ready = poll(&waits.iter().collect::<Vec<_>>());
        drop(waits);
        let (number, pending) = left.remove(ready[0] as usize);
        let answer = pending
            .get()
            .expect("ready")
            .expect("once")
            .expect("an answer");
        order += &format!("{number}:{} ", answer.status());
    }
    text(call.out, 200, &order);
}

/// Sends the variable KEY to the URL, and answers with it.
pub(crate) fn tell(call: Call) {
    let all = environment::get_environment();
    let key = all.into_iter().find(|(name, _)| name == "KEY");
    let (_, key) = key.expect("the variable");
    let url = format!("{}?key={key}", call.query);
    let pending = begin_request(&url, &Method::Post, key.as_bytes()).expect("sent");
    let told = wait(&pending).expect("an answer").status();
    text(call.out, 200, &format!("{key} {told}"));
}

fn send(url: &str) -> Result<IncomingResponse, ErrorCode> {
    wait(&begin_request(url, &Method::Get, b"")?)
}

fn begin_request(
    url: &str,
    method: &Method,
    content: &[u8],
) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers = Fields::new();
    headers
        .append("user-agent", b"web")
        .map_err(|_| ErrorCode::HttpRequestDenied)?;
    let request = OutgoingRequest::new(headers);
    let scheme = match scheme {
        "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    let refused = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(path)).map_err(refused)?;
    request.set_method(method).map_err(refused)?;
    let body = request.body().map_err(refused)?;
    let pending = outgoing_handler::handle(request, None)?;
    if !content.is_empty() {
        let output = body.write().expect("a stream");
        let _ = write(&output, content);
    }
    OutgoingBody::finish(body, None)?;
    Ok(pending)
}

fn wait(pending: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        match pending.get() {
            Some(Ok(response)) => return response,
            Some(Err(())) => return Err(ErrorCode::InternalError(None)),
            None => pending.subscribe().block(),
        }
    }
}
