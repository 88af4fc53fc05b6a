//! Keeps the log of decisions inside its bounds: runs on a timer on the host that leads, takes no input, may run twice.
//!
//! Sizes are not kept in the store, where every commit would have to change them. Whoever keeps the log inside its bounds reads what
//! is new and remembers how much it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Kind, SPACE, of_kind, prefix, scan};
use crate::clock;
use crate::store::{CommitError, Order, Space, Store, Transaction, Write};
use crate::streams::Streams;

/// What the log may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Oldest decision, ms.
    pub age_ms: u64,
    /// Keys and values of one kind, bytes.
    pub bytes: u64,
}

impl Default for Bounds {
    /// Thirty days; and 64 MiB of each kind, some 200,000 decisions.
    fn default() -> Self {
        Self {
            age_ms: 30 * 86_400_000,
            bytes: 64 << 20,
        }
    }
}

/// Between two rounds: what comes in between is little beside the bounds.
const ROUND: Duration = Duration::from_secs(10);

/// Keeps the log inside its bounds, on the host that leads, until told to stop.
pub async fn keep(
    store: Arc<dyn Store>,
    streams: Streams,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut retention = Retention::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(ROUND) => {}
        }
        if !streams.leads() {
            retention.clear();
            continue;
        }
        let round = retention.round(store.as_ref(), bounds, clock::system_now().0);
        if let Err(error) = round.await {
            tracing::warn!(%error, "old decisions could not be removed");
        }
    }
}

/// A part of the log, as it is remembered.
#[derive(Debug)]
struct Known {
    key: Vec<u8>,
    bytes: u64,
}

/// What is remembered between rounds. It begins with reading the log once.
#[derive(Debug, Default)]
pub struct Retention {
    kinds: HashMap<Kind, VecDeque<Known>>,
}

impl Retention {
    /// Forgets everything: another host keeps the log now.
    pub fn clear(&mut self) {
        self.kinds.clear();
    }

    /// Removes what is too old at `now_ms` or too much; how many parts went.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn round(
        &mut self,
        store: &dyn Store,
        bounds: Bounds,
        now_ms: u64,
    ) -> Result<usize, CommitError> {
        let mut gone = 0;
        for kind in Kind::ALL {
            let known = self.kinds.entry(kind).or_default();
            look(store, kind, known).await?;
            let oldest_ms = now_ms.saturating_sub(bounds.age_ms);
            let excess = excess(known, prefix(kind).len(), oldest_ms, bounds.bytes);
            for chunk in known.drain(..excess).collect::<Vec<_>>().chunks(1_000) {
                remove(store, chunk).await?;
            }
            gone += excess;
        }
        Ok(gone)
    }
}

/// Reads what has come since the last part that is known. What is committed late with an earlier instant is found by
/// the next host that begins.
async fn look(
    store: &dyn Store,
    kind: Kind,
    known: &mut VecDeque<Known>,
) -> Result<(), CommitError> {
    loop {
        let mut range = of_kind(kind);
        if let Some(last) = known.back() {
            range.start = [last.key.as_slice(), &[0]].concat();
        }
        let entries = {
            let mut snapshot = store.snapshot().await?;
            scan(snapshot.as_mut(), &range, Order::Ascending).await?
        };
        let is_end = entries.len() < super::PARTS_MAX;
        known.extend(entries.into_iter().map(|entry| Known {
            bytes: (entry.key.len() + entry.value.len()) as u64,
            key: entry.key,
        }));
        if is_end {
            return Ok(());
        }
    }
}

/// How many of the oldest parts are too old or too much.
fn excess(known: &VecDeque<Known>, prefix: usize, oldest_ms: u64, bytes_max: u64) -> usize {
    let mut bytes: u64 = known.iter().map(|part| part.bytes).sum();
    let mut excess = 0;
    for part in known {
        let committed_ms = part.key[prefix..].first_chunk::<8>();
        let is_old = committed_ms.is_none_or(|ms| u64::from_be_bytes(*ms) < oldest_ms);
        if !is_old && bytes <= bytes_max {
            break;
        }
        bytes -= part.bytes;
        excess += 1;
    }
    excess
}

async fn remove(store: &dyn Store, parts: &[Known]) -> Result<(), CommitError> {
    let space = Space::from(SPACE);
    let writes = parts.iter().map(|part| Write {
        space: space.clone(),
        key: part.key.clone(),
        value: None,
    });
    let removal = Transaction {
        writes: writes.collect(),
        ..Transaction::default()
    };
    store.commit(removal).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(parts: &[(u64, u64)]) -> VecDeque<Known> {
        let part = |&(ms, bytes): &(u64, u64)| Known {
            key: [b"shed\0".as_slice(), &ms.to_be_bytes()].concat(),
            bytes,
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn the_oldest_go_first_until_both_bounds_hold() {
        let parts = known(&[(10, 5), (20, 5), (30, 5)]);
        assert_eq!(excess(&parts, 5, 0, 15), 0);
        assert_eq!(excess(&parts, 5, 0, 14), 1);
        assert_eq!(excess(&parts, 5, 0, 9), 2);
        assert_eq!(excess(&parts, 5, 0, 0), 3);
        assert_eq!(excess(&parts, 5, 25, 15), 2);
        assert_eq!(excess(&parts, 5, 100, 15), 3);
    }
}
