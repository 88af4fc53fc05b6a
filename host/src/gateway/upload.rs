//! Uploads of any length: the body is cut into batches of rows while it arrives, and each batch is
//! one transaction, in order. Memory stays flat: one batch and one row are held.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::body::Arriving;
use super::problem::{Kind, Problem};
use super::rows::Splitter;
use super::{Gateway, body};
use crate::dispatch::types::{RequestHead, RowBatch, RowFormat, Tally};
use crate::dispatch::{self, GENERATION_HEADER, IdempotencyKey};
use crate::registry::{Active, Generation};

/// Uploads at a time: each holds a batch, and more would only wait for each other's commits.
pub(super) const UPLOADS_MAX: usize = 64;
/// Different counts that an answer can hold.
const TALLIES_MAX: usize = 64;

/// Where an upload goes.
pub(super) struct Target<'a> {
    pub(super) generation: &'a Arc<Generation>,
    pub(super) active: &'a Arc<Active>,
    pub(super) head: &'a RequestHead,
    pub(super) key: Option<&'a IdempotencyKey>,
}

/// What has become of an upload so far.
#[derive(Default)]
struct Progress {
    /// Rows of committed batches.
    rows: u64,
    /// Committed batches.
    batches: u64,
    /// Bytes that came.
    bytes: u64,
    /// What the component counts.
    tallies: Vec<Tally>,
}

/// The answer: `rows`, then the component's counts.
impl Serialize for Progress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rows", &self.rows)?;
        for tally in self.tallies.iter().filter(|tally| tally.name != "rows") {
            map.serialize_entry(&tally.name, &tally.count)?;
        }
        map.end()
    }
}

impl Progress {
    fn add(&mut self, rows: u64, tallies: Vec<Tally>) {
        self.rows += rows;
        self.batches += 1;
        for tally in tallies {
            let known = self
                .tallies
                .iter()
                .position(|known| known.name == tally.name);
            match known {
                Some(at) => {
                    self.tallies[at].count = self.tallies[at].count.saturating_add(tally.count);
                }
                None if self.tallies.len() < TALLIES_MAX => self.tallies.push(tally),
                None => tracing::warn!(
                    tally = tally.name,
                    "more different counts than an answer holds"
                ),
            }
        }
    }
}

/// Takes in an upload. A problem says how many rows were kept before it.
pub(super) async fn answer(
    gateway: &Gateway,
    target: Target<'_>,
    format: RowFormat,
    body: &mut Arriving,
) -> Result<Response<Full<Bytes>>, Problem> {
    let place = gateway.uploads.try_acquire();
    let _place = place.map_err(|_| Problem::new(Kind::Busy, "too many uploads at a time"))?;
    let mut progress = Progress::default();
    let result = take_in(gateway, &target, format, body, &mut progress).await;
    // Batches that are repeated under a key may come from an earlier generation.
    let generation =
        (target.key.is_none()).then(|| dispatch::generation_of(target.generation, target.active));
    result.map_err(|problem| {
        let problem = problem.after(progress.rows);
        match generation.clone() {
            Some(generation) => problem.of_generation(generation),
            None => problem,
        }
    })?;
    let mut response = Response::new(Full::new(
        serde_json::to_vec(&progress).unwrap_or_default().into(),
    ));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(Ok(generation)) = generation.map(HeaderValue::try_from) {
        response.headers_mut().insert(GENERATION_HEADER, generation);
    }
    Ok(response)
}

async fn take_in(
    gateway: &Gateway,
    target: &Target<'_>,
    format: RowFormat,
    body: &mut Arriving,
    progress: &mut Progress,
) -> Result<(), Problem> {
    let mut splitter = Splitter::new(format);
    while let Some(chunk) = body::next_chunk(body).await? {
        progress.bytes += chunk.len() as u64;
        if let Some(limit_bytes) = gateway
            .upload_bytes_max
            .filter(|limit| progress.bytes > *limit)
        {
            return Err(body::Error::TooLarge { limit_bytes }.into());
        }
        let mut input = &chunk[..];
        while let Some(batch) = splitter.next_batch(&mut input)? {
            commit(gateway, target, batch, progress).await?;
        }
    }
    for batch in splitter.finish()? {
        commit(gateway, target, batch, progress).await?;
    }
    Ok(())
}

/// Runs one batch. Its key is the upload's with the batch's number, so that a repeated upload
/// repeats nothing.
async fn commit(
    gateway: &Gateway,
    target: &Target<'_>,
    batch: RowBatch,
    progress: &mut Progress,
) -> Result<(), Problem> {
    if gateway.stopping.is_cancelled() {
        return Err(dispatch::Error::Stopping.into());
    }
    let rows = batch.rows.len() as u64;
    let key = target
        .key
        .map(|key| IdempotencyKey(format!("{}/{}", key.0, progress.batches)));
    let head = target.head.clone();
    let tallies = gateway
        .host
        .dispatch
        .rows(target.generation, target.active, head, batch, key)
        .await?;
    progress.add(rows, tallies);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_over_batches() {
        let tally = |name: &str, count| Tally {
            name: name.to_owned(),
            count,
        };
        let mut progress = Progress::default();
        progress.add(1_000, vec![tally("new", 990), tally("same", 10)]);
        progress.add(
            5,
            vec![tally("same", 4), tally("corrected", 1), tally("rows", 9)],
        );
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(text, r#"{"rows":1005,"new":990,"same":14,"corrected":1}"#);
    }
}
