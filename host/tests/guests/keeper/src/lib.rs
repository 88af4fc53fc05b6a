//! A `wasi:http` function that keeps values; the query is a key.
//!
//! | path | does |
//! |---|---|
//! | `/get`, `/set`, `/delete` | reads, writes the request's body, removes |
//! | `/add` | adds one to a number and answers with it |
//! | `/add-then-trap` | adds one and traps |
//! | `/add-then-answer-long` | adds one and answers with 17 MiB |
//! | `/swap` | swaps a value that it has changed itself in between, then tries again; answers with both outcomes |
//! | `/list` | answers with all keys |
//! | `/many` | writes 2,500 keys at once, reads three of them back, and removes one |
//! | `/elsewhere` | opens a bucket that is not there |
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    reason = "the exports are generated; a test component that cannot go on should stop"
)]

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../../plugins/templates/function/wit", "../../../wit/keyvalue.wit"],
        inline: "package leyden:keeper@0.1.0; world keeper {
            include wasi:http/proxy@0.2.10;
            include wasi:keyvalue/imports@0.2.0-draft2;
        }",
        world: "leyden:keeper/keeper",
        generate_all,
    });
}

use bindings::exports::wasi::http::incoming_handler::Guest;
use bindings::wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use bindings::wasi::io::streams::StreamError;
use bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use bindings::wasi::keyvalue::batch;
use bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// Bytes that are written at a time.
const CHUNK: usize = 4096;

struct Keeper;

impl Guest for Keeper {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, key) = target.split_once('?').unwrap_or((&target, ""));
        let bucket = store::open("default").expect("the bucket");
        let answer = match path {
            "/get" => bucket
                .get(key)
                .map(|value| value.unwrap_or_else(|| b"nothing".to_vec())),
            "/set" => bucket.set(key, &body(&request)).map(|()| Vec::new()),
            "/delete" => bucket.delete(key).map(|()| Vec::new()),
            "/add" => atomics::increment(&bucket, key, 1).map(|sum| sum.to_string().into_bytes()),
            "/add-then-trap" => {
                atomics::increment(&bucket, key, 1).expect("a number");
                std::process::abort()
            }
            "/add-then-answer-long" => {
                atomics::increment(&bucket, key, 1).map(|_| vec![b'x'; 17 << 20])
            }
            "/swap" => swap(&bucket, key),
            "/list" => list(&bucket),
            "/many" => many(&bucket),
            "/elsewhere" => store::open("elsewhere").map(|_| b"opened".to_vec()),
            _ => Ok(b"no such path".to_vec()),
        };
        match answer {
            Ok(bytes) => respond(out, 200, &bytes),
            Err(error) => respond(out, 400, explained(&error).as_bytes()),
        }
    }
}

fn explained(error: &Error) -> String {
    match error {
        Error::NoSuchStore => "no such store".into(),
        Error::AccessDenied => "access denied".into(),
        Error::Other(why) => why.clone(),
    }
}

fn swap(bucket: &Bucket, key: &str) -> Result<Vec<u8>, Error> {
    let seen = Cas::new(bucket, key)?;
    bucket.set(key, b"changed")?;
    let Err(CasError::CasFailed(again)) = atomics::swap(seen, b"first") else {
        return Ok(b"swapped what had changed".to_vec());
    };
    let current = again.current()?;
    let outcome = atomics::swap(again, b"second").is_ok();
    Ok(format!("{:?} {outcome}", current.map(String::from_utf8)).into_bytes())
}

fn list(bucket: &Bucket) -> Result<Vec<u8>, Error> {
    let (mut all, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let page = bucket.list_keys(cursor.as_deref())?;
        all.extend(page.keys);
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(format!("{pages} {} {}", all.len(), all.join(",")).into_bytes());
        }
    }
}

fn many(bucket: &Bucket) -> Result<Vec<u8>, Error> {
    let all: Vec<_> = (0..2_500).map(|n| (format!("k{n:04}"), vec![1])).collect();
    batch::set_many(bucket, &all)?;
    batch::delete_many(bucket, &["k0001".to_owned()])?;
    let asked = ["k0000".to_owned(), "k0001".to_owned(), "k2499".to_owned()];
    Ok(format!("{:?}", batch::get_many(bucket, &asked)?).into_bytes())
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("its body");
    let stream = body.stream().expect("a stream");
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return all,
            Err(StreamError::LastOperationFailed(_)) => std::process::abort(),
        }
    }
}

fn respond(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for piece in bytes.chunks(CHUNK) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

bindings::export!(Keeper with_types_in bindings);
