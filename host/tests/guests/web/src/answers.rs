//! Answers that are known whole.

use crate::Call;
use crate::bindings::wasi::http::types::{
    Fields, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use crate::bodies::write;

/// Begins an answer; what follows is written to the body.
pub(crate) fn begin(out: ResponseOutparam, status: u16, media_type: &str) -> OutgoingBody {
    let headers = Fields::new();
    headers
        .append("content-type", media_type.as_bytes())
        .expect("a header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    body
}

/// Answers with a text.
pub(crate) fn text(out: ResponseOutparam, status: u16, text: &str) {
    let body = begin(out, status, "text/plain");
    let stream = body.write().expect("a stream");
    let _ = write(&stream, text.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Answers with what the request looks like from here.
pub(crate) fn request(call: Call) {
    let request = &call.request;
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        Some(Scheme::Other(_)) | None => "other",
    };
    let target = request.path_with_query().unwrap_or_default();
    let authority = request.authority().unwrap_or_default();
    let method = format!("{:?}", request.method());
    let mut seen = format!("{method} {scheme} {authority} {target}\n");
    let headers = request.headers();
    for (name, value) in headers.entries() {
        seen.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    drop(headers);
    text(call.out, 200, &seen);
}

/// Answers with the status that the query names, and no body.
pub(crate) fn status(call: Call) {
    let status = u16::try_from(call.number()).unwrap_or(0);
    let response = OutgoingResponse::new(Fields::new());
    if response.set_status_code(status).is_err() {
        return text(call.out, 200, "no such status");
    }
    let body = response.body().expect("its body");
    ResponseOutparam::set(call.out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}
