//! Streams for guests: a handler's trait, records in and out as typed JSON.

#[cfg(target_arch = "wasm32")]
use crate::bindings::leyden::streams::publisher as backend;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as backend;

use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::leyden::streams::types::Event;

/// Handles batches of records; exported with [`export_streams!`](crate::export_streams).
pub trait Handler {
    /// Handles a batch of one partition of `stream` in its order. Effects and the batch's acknowledgement are one
    /// commit.
    ///
    /// # Errors
    /// A refusal (the host narrows it down to the record at fault) or a wish to be run again.
    fn handle(stream: &str, batch: Vec<Event>) -> Result<()>;
}

impl<T: Handler> crate::exports::stream_handler::Guest for T {
    fn handle(
        stream: String,
        batch: Vec<Event>,
    ) -> Result<(), crate::exports::stream_handler::HandlerError> {
        crate::init();
        T::handle(&stream, batch).map_err(Into::into)
    }
}

/// The partition that a batch's records are in: all are in one.
#[must_use]
pub fn partition(batch: &[Event]) -> u32 {
    batch.first().map_or(0, |event| event.partition)
}

/// Reads a record's content.
///
/// # Errors
/// A refusal where the content is not such a document: it will never be one.
pub fn decode<T: DeserializeOwned>(event: &Event) -> Result<T> {
    serde_json::from_slice(&event.payload).map_err(|error| {
        Error::malformed(format!(
            "Record {} is not what its stream carries: {error}.",
            event.offset
        ))
    })
}

/// Appends one record to `stream`. It appears when the invocation commits.
///
/// # Errors
/// A refusal where the manifest does not grant it, it is too large or the budget is used up.
///
/// # Panics
/// Where `event` cannot be JSON.
pub fn publish(stream: &str, key: &str, event: &impl Serialize) -> Result<()> {
    let payload = serde_json::to_vec(event).expect("the event's type is JSON");
    Ok(backend::publish(stream, key, &payload)?)
}

/// Appends one record of raw bytes, for what is not one of the grid's events.
///
/// # Errors
/// As [`publish`].
pub fn publish_bytes(stream: &str, key: &str, payload: &[u8]) -> Result<()> {
    Ok(backend::publish(stream, key, payload)?)
}
