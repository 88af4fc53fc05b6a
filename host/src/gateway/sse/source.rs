//! One partition of a stream that is watched: where the client is in it, and what to read next.

use serde_json::Value;
use tokio::sync::watch;

use super::positions::{label, value};
use crate::ids::{Instant, StreamName};
use crate::store::{Error, Offset, Partition, Record, Store};

/// Most records read from the store at a time.
const RECORDS_MAX: usize = 500;
/// Most payload bytes read from the store at a time; a slow client holds no more.
const RECORDS_BYTES_MAX: usize = 256 * 1024;

/// One partition of the stream that is watched.
pub(super) struct Source {
    pub(super) partition: Partition,
    pub(super) tail: watch::Receiver<Offset>,
    /// The last offset that was sent or passed over.
    pub(super) after: Offset,
    /// The same as the client is told.
    pub(super) label: String,
    /// Whether the next read may find that what comes after `after` is not kept any more.
    pub(super) unsure: bool,
}

/// What was read of one partition.
pub(super) struct Piece {
    /// Which source.
    pub(super) source: usize,
    /// The newest offset that was known when reading began.
    pub(super) newest: Offset,
    pub(super) records: Vec<Record>,
    /// What the client is told that it cannot have.
    pub(super) gap: Option<String>,
}

impl Source {
    pub(super) fn new(store: &dyn Store, stream: &StreamName, number: u16, after: Offset) -> Self {
        let stream = stream.clone();
        let partition = Partition { stream, number };
        Self {
            tail: store.tail(&partition),
            partition,
            after,
            label: label(after),
            unsure: true,
        }
    }

    /// The newest offset, if there is something new.
    pub(super) fn news(&mut self) -> Option<Offset> {
        let newest = *self.tail.borrow_and_update();
        (newest > self.after).then_some(newest)
    }

    pub(super) fn moved(&mut self, to: Offset) {
        self.after = to;
        self.label = label(to);
    }

    /// Reads on, one of `share` partitions that do so together; and says what is not kept any more.
    pub(super) async fn read(
        &self,
        store: &dyn Store,
        newest: Offset,
        share: usize,
        alone: bool,
    ) -> Result<(Vec<Record>, Option<String>), Error> {
        let first = match self.unsure && self.after > 0 {
            true => store.first_offset(&self.partition).await?,
            false => None,
        };
        let (limit, bytes_max) = (RECORDS_MAX / share, RECORDS_BYTES_MAX / share);
        let records = store.read_log(&self.partition, self.after, limit.max(1), bytes_max);
        let records = records.await?;
        let next = records.first().map_or(newest + 1, |record| record.offset);
        Ok((records, self.gap(first, next, alone)))
    }

    /// What is missing between the last record and the next. The only partition of the embedded store
    /// counts its records, so that a hole shows; otherwise only the oldest record tells.
    fn gap(&self, first: Option<Offset>, next: Offset, alone: bool) -> Option<String> {
        let counted = alone && matches!(value(next), Value::Number(_));
        if counted && next > self.after + 1 {
            let (from, to) = (self.after + 1, next - 1);
            return Some(format!("offsets {from} to {to} are not kept any more"));
        }
        let oldest = first.filter(|first| !counted && *first > self.after + 1)?;
        let (number, oldest) = (self.partition.number, label(oldest));
        Some(format!(
            "records before {oldest} of partition {number} are not kept any more"
        ))
    }
}

/// The records of several partitions in the order of their time, as far as the order within each
/// partition allows.
pub(super) fn merged(pieces: Vec<Piece>) -> Vec<(usize, Record)> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut latest = Instant(0);
        for record in piece.records {
            latest = latest.max(record.published_at);
            all.push((latest, piece.source, record));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    all.into_iter()
        .map(|(_, source, record)| (source, record))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: Offset, at: u64) -> Record {
        Record {
            offset,
            key: "k".to_owned(),
            payload: Vec::new(),
            published_at: Instant(at),
        }
    }

    #[test]
    fn partitions_are_merged_by_time_and_keep_their_order() {
        let piece = |source, records| Piece {
            source,
            newest: 9,
            records,
            gap: None,
        };
        let pieces = vec![
            piece(0, vec![record(1, 10), record(2, 5), record(3, 30)]),
            piece(1, vec![record(1, 7), record(2, 20)]),
        ];
        let order: Vec<(usize, Offset)> = merged(pieces)
            .iter()
            .map(|(source, record)| (*source, record.offset))
            .collect();
        assert_eq!(order, [(1, 1), (0, 1), (0, 2), (1, 2), (0, 3)]);
    }
}
