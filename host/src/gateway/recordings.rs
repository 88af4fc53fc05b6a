//! Recordings: what runs on this host, as a record that the caller keeps, and dead letters as records. Recording itself
//! is `replay`'s.
//!
//! **Invariant.** A record tells personal data and partners' secrets: it takes an admin, the audit says who it was, and no
//! copy stays here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::sync::mpsc;

use super::Gateway;
use super::admin::{members, reply};
use super::control::Parameter;
use super::installation::letter_id;
use super::members::Members;
use super::principal::Acting;
use super::problem::{Kind, Problem};
use crate::operators::Role;
use crate::operators::audit::{Change, Entry};
use crate::replay::{
    LIMIT_MAX, MIB_MAX, Name, RecordOptions, Recorder, SECONDS_MAX, export as exported,
};

/// Invocations of a recording, unless told otherwise.
const LIMIT: u64 = 1_000;
/// MiB of a recording, unless told otherwise.
const MIB: u64 = 256;
/// Seconds of a recording, unless told otherwise.
const SECONDS: u64 = 600;

/// The media type of JSON Lines, as far as there is one.
const JSON_LINES: &str = "application/x-ndjson";

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Records what runs here until something ends it; the answer is the record, line by line. Who goes away ends it.
pub(super) async fn start(Acting(by): Acting, State(gateway): Shared, request: Request) -> Answer {
    let known = ["component", "failing", "limit", "maxMib", "seconds"];
    let options = options(&members(&gateway, request, &known).await?)?;
    let subject = options.component.as_ref().map(Name::to_string);
    let entry = Entry::of(&by, Change::Record, subject.as_deref().unwrap_or("*"));
    let host = &gateway.host;
    let recorder = host.dispatch.recorder().clone();
    let pieces = recorder.start(options, &host.sources).await?;
    // Nothing is told before it is known who asked.
    entry.commit(host.store.as_ref()).await?;
    Ok(told(&gateway, recorder, pieces))
}

fn options(members: &Members) -> Result<RecordOptions, Problem> {
    let component = members.text("component")?.map(Name::parse);
    let component = component
        .transpose()
        .map_err(|rule| Problem::field(Kind::Invalid, "component", rule.0))?;
    let mib = members.number("maxMib", 1..=MIB_MAX)?.unwrap_or(MIB);
    let seconds = members.number("seconds", 1..=SECONDS_MAX)?;
    Ok(RecordOptions {
        component,
        is_failing: members.flag("failing")?,
        limit: members.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT),
        bytes_max: mib << 20,
        time: Duration::from_secs(seconds.unwrap_or(SECONDS)),
    })
}

/// The record as it comes; when the host stops, the recording is ended and told to its end.
fn told(gateway: &Gateway, recorder: Recorder, pieces: mpsc::Receiver<Bytes>) -> Response {
    let state = (gateway.stopping.clone(), recorder, pieces);
    let lines = stream::unfold(state, |(stopping, recorder, mut pieces)| async move {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            () = stopping.cancelled() => {
                let _ = recorder.stop();
                pieces.recv().await
            }
        };
        piece.map(|piece| (Ok::<_, Infallible>(piece), (stopping, recorder, pieces)))
    });
    record(Body::from_stream(lines))
}

fn record(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let lines = HeaderValue::from_static(JSON_LINES);
    headers.insert(header::CONTENT_TYPE, lines);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}

/// Ends the recording, whoever started it; how far it is.
pub(super) async fn stop(State(gateway): Shared) -> Answer {
    reply(&gateway.host.dispatch.recorder().stop())
}

/// How far the recording is.
pub(super) async fn status(State(gateway): Shared) -> Answer {
    reply(&gateway.host.dispatch.recorder().status())
}

/// Has a dead letter's component handle it without keeping what that does; the answer is the record of that.
pub(super) async fn export(Acting(by): Acting, State(gateway): Shared, id: Parameter) -> Answer {
    let id = letter_id(id)?;
    let host = &gateway.host;
    let taken = host.streams.try_dead(id).await?;
    if taken.tells_of_partners() && by.role < Role::Admin {
        let why = "its record would tell partners' secrets; this takes the role admin";
        return Err(Problem::new(Kind::Forbidden, why));
    }
    let subject = taken.name().to_string();
    let written = exported(taken, &host.sources).await?;
    let entry = Entry::of(&by, Change::Record, &subject);
    entry.commit(host.store.as_ref()).await?;
    Ok(record(Body::from(written)))
}
