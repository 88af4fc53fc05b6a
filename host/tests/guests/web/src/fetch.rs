//! Requests to elsewhere.

use crate::Call;
use crate::answers::{begin, text};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::bodies::pass_on;

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

fn send(url: &str) -> Result<IncomingResponse, ErrorCode> {
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
    let body = request.body().map_err(refused)?;
    let pending = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    loop {
        match pending.get() {
            Some(Ok(response)) => return response,
            Some(Err(())) => return Err(ErrorCode::InternalError(None)),
            None => pending.subscribe().block(),
        }
    }
}
