//! Bodies that are streamed.

use crate::Call;
use crate::answers::{begin, text};
use crate::bindings::wasi::http::types::{
    Fields, FutureTrailers, IncomingBody, InputStream, OutgoingBody, OutputStream,
};
use crate::bindings::wasi::io::streams::StreamError;

/// Bytes that are read or written at a time.
const CHUNK: u64 = 64 * 1024;

/// Writes everything, waiting for room.
pub(crate) fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = stream.check_write()?;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, rest) =
            bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        stream.write(now)?;
        bytes = rest;
    }
    stream.blocking_flush()
}

/// The next bytes of a stream; none at its end.
fn read(stream: &InputStream) -> Result<Option<Vec<u8>>, StreamError> {
    match stream.blocking_read(CHUNK) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StreamError::Closed) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Carries a stream on to its end.
pub(crate) fn pass_on(from: &InputStream, to: &OutputStream) -> Result<(), StreamError> {
    while let Some(bytes) = read(from)? {
        write(to, &bytes)?;
    }
    Ok(())
}

/// Streams the request's body back. An end that is none breaks the answer off.
pub(crate) fn echo(call: Call) {
    let incoming = call.request.consume().expect("its body");
    let input = incoming.stream().expect("a stream");
    let body = begin(call.out, 200, "application/octet-stream");
    let output = body.write().expect("a stream");
    let whole = pass_on(&input, &output);
    drop(output);
    match whole {
        Ok(()) => drop(OutgoingBody::finish(body, None)),
        Err(_) => drop(body),
    }
}

/// Answers with the length of the body.
pub(crate) fn count(call: Call) {
    let incoming = call.request.consume().expect("its body");
    let input = incoming.stream().expect("a stream");
    let mut length = 0;
    loop {
        match read(&input) {
            Ok(Some(bytes)) => length += bytes.len(),
            Ok(None) => return text(call.out, 200, &length.to_string()),
            Err(error) => return text(call.out, 400, &format!("{error:?}")),
        }
    }
}

/// Reads the body and its trailers, and answers with them as trailers.
pub(crate) fn trailers(call: Call) {
    let incoming = call.request.consume().expect("its body");
    let input = incoming.stream().expect("a stream");
    let mut sum = 0_u64;
    while let Ok(Some(bytes)) = read(&input) {
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    drop(input);
    let received = received(&IncomingBody::finish(incoming));
    let body = begin(call.out, 200, "text/plain");
    let output = body.write().expect("a stream");
    let _ = write(&output, b"with trailers");
    drop(output);
    received
        .append("x-sum", sum.to_string().as_bytes())
        .expect("a trailer");
    let _ = OutgoingBody::finish(body, Some(received));
}

/// Trailers that came, as fields of one's own.
fn received(trailers: &FutureTrailers) -> Fields {
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Ok(Some(fields)))) => fields.clone(),
        _ => Fields::new(),
    }
}

/// Streams zeros.
pub(crate) fn zeros(call: Call) {
    let mut left = call.number();
    let body = begin(call.out, 200, "application/octet-stream");
    let output = body.write().expect("a stream");
    let zeros = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
    while left > 0 {
        let now = left.min(CHUNK);
        if write(&output, &zeros[..usize::try_from(now).unwrap_or(0)]).is_err() {
            return;
        }
        left -= now;
    }
    drop(output);
    let _ = OutgoingBody::finish(body, None);
}
