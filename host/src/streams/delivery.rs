//! Delivers one stream to one component, batch by batch.
//!
//! A batch that fails is halved until the record at fault stands alone; that one is tried a bounded
//! number of times and then put among the dead letters. Afterwards batches grow again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Group, Shared};
use crate::clock;
use crate::dispatch::{Acknowledgement, Error};
use crate::ids::StreamName;
use crate::store::{
    Append, CommitError, Offset, ReadSet, Record, Space, Store, Transaction, Write,
};

/// Space of the groups' cursors: component, 0, stream → offset (8 bytes).
const CURSORS: &str = "leyden.cursors";

/// Stream of records that could not be handled.
pub(super) const DEAD_LETTERS: &str = "leyden.dead-letters";

/// Most deliveries of a record that fails alone.
const DELIVERIES_MAX: u32 = 5;

/// Most payload bytes of a batch; one record may be longer.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// First wait after a failure, ms; doubled up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS: u64 = 50;

/// Longest wait after a failure, ms.
const BACKOFF_MS_MAX: u64 = 5_000;

/// Delivery to one group.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    group: Group,
    cursor: watch::Sender<Offset>,
    /// Records of the next batch at most.
    limit: usize,
    /// Failures since the last success.
    failures: u32,
}

/// What a failed batch calls for.
enum Verdict {
    /// The records are at fault, or one of them.
    Poison {
        /// Trying again cannot help.
        certain: bool,
    },
    /// The moment is at fault.
    Transient,
    /// The cursor is not where this delivery thought.
    Fenced,
}

impl Delivery {
    pub(super) fn new(shared: Arc<Shared>, group: Group, cursor: watch::Sender<Offset>) -> Self {
        Self {
            shared,
            group,
            cursor,
            limit: usize::MAX,
            failures: 0,
        }
    }

    /// Delivers until told to stop, finishing the batch at hand.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tail = self.shared.store.tail(&self.group.stream);
        while !stop.is_cancelled() {
            let at = *self.cursor.borrow();
            tokio::select! {
                () = stop.cancelled() => return,
                more = tail.wait_for(|tail| *tail > at) => if more.is_err() { return },
            }
            if let Err(error) = self.step(at).await {
                tracing::warn!(group = %self.group.component, stream = %self.group.stream, %error, "delivery waits");
                self.back_off(&stop).await;
            }
        }
    }

    /// Reads a batch, has it handled, and draws the consequences.
    async fn step(&mut self, at: Offset) -> Result<(), Error> {
        let generation = self.shared.registry.generation();
        let Some(active) = generation.components.get(&self.group.component) else {
            return Err(Error::Stopping);
        };
        let limit = self.limit.min(active.manifest.limits.batch).max(1);
        let batch = self.read(at, limit).await?;
        let Some(last) = batch.last() else {
            return Err(Error::Stopping);
        };
        let (count, to) = (batch.len(), last.offset);
        let alone = (count == 1).then(|| batch[0].clone());
        let ack = Acknowledgement {
            space: CURSORS.into(),
            key: cursor_key(&self.group),
            from: at,
            to,
        };
        let component = &self.group.component;
        let handled = self.shared.dispatch.events(
            &generation,
            component,
            self.group.stream.clone(),
            batch,
            &ack,
        );
        match handled.await {
            Ok(()) => {
                self.limit = count.saturating_mul(2);
                self.moved(to);
                Ok(())
            }
            Err(error) => self.failed(error, at, count, alone).await,
        }
    }

    async fn failed(
        &mut self,
        error: Error,
        at: Offset,
        count: usize,
        alone: Option<Record>,
    ) -> Result<(), Error> {
        match (verdict(&error), alone) {
            (Verdict::Fenced, _) => {
                let stored = stored_cursor(self.shared.store.as_ref(), &self.group).await?;
                self.moved(stored);
                Ok(())
            }
            (Verdict::Poison { .. }, None) => {
                self.limit = count / 2;
                Ok(())
            }
            (Verdict::Poison { certain }, Some(record))
                if certain || self.failures + 1 >= DELIVERIES_MAX =>
            {
                self.bury(at, record, &error).await
            }
            (Verdict::Poison { .. } | Verdict::Transient, _) => Err(error),
        }
    }

    /// Puts a record among the dead letters and moves past it, in one commit.
    async fn bury(&mut self, at: Offset, record: Record, error: &Error) -> Result<(), Error> {
        let to = record.offset;
        tracing::error!(
            group = %self.group.component, stream = %self.group.stream, offset = to, %error,
            "a record could not be handled and is now a dead letter"
        );
        let Some(transaction) = self.burial(at, record, error).await? else {
            return Err(Error::Fenced);
        };
        match self.shared.store.commit(transaction).await {
            Ok(_) => {
                self.moved(to);
                Ok(())
            }
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(_) => Err(Error::Fenced),
        }
    }

    /// The commit that buries a record; none where the cursor has moved on without this delivery.
    async fn burial(
        &self,
        at: Offset,
        record: Record,
        error: &Error,
    ) -> Result<Option<Transaction>, crate::store::Error> {
        let (space, key) = (Space::from(CURSORS), cursor_key(&self.group));
        let mut snapshot = self.shared.store.snapshot().await?;
        if offset_in(snapshot.read(&space, &key).await?) != at {
            return Ok(None);
        }
        let reads = ReadSet {
            version: snapshot.version(),
            keys: vec![(space.clone(), key.clone())],
            ranges: Vec::new(),
        };
        let to = record.offset.to_be_bytes().to_vec();
        Ok(Some(Transaction {
            reads,
            writes: vec![Write {
                space,
                key,
                value: Some(to),
            }],
            appends: self.letter(record, error).into_iter().collect(),
            postings: Vec::new(),
            at: self.shared.clock.now().0,
        }))
    }

    fn letter(&self, record: Record, error: &Error) -> Option<Append> {
        let letter = serde_json::json!({
            "group": self.group.component.as_str(),
            "stream": self.group.stream.as_str(),
            "offset": record.offset,
            "key": record.key,
            "payload": String::from_utf8_lossy(&record.payload),
            "reason": error.to_string(),
            "deliveries": self.failures + 1,
        });
        let stream = StreamName::parse(DEAD_LETTERS).ok()?;
        Some(Append {
            stream,
            key: record.key,
            payload: letter.to_string().into_bytes(),
        })
    }

    async fn read(&self, at: Offset, limit: usize) -> Result<Vec<Record>, Error> {
        let mut snapshot = self.shared.store.snapshot().await?;
        Ok(snapshot
            .read_log(&self.group.stream, at, limit, BATCH_BYTES_MAX)
            .await?)
    }

    fn moved(&mut self, to: Offset) {
        self.failures = 0;
        self.cursor.send_replace(to);
        self.shared.moves.send_modify(|moves| *moves += 1);
    }

    async fn back_off(&mut self, stop: &CancellationToken) {
        let wait = (BACKOFF_MS << self.failures.min(10)).min(BACKOFF_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock::sleep(Duration::from_millis(wait)) => {}
        }
    }
}

fn verdict(error: &Error) -> Verdict {
    match error {
        Error::Rejected(_) => Verdict::Poison { certain: true },
        Error::Trapped(..) | Error::Deadline(..) | Error::Misbehaved(..) | Error::Retry(..) => {
            Verdict::Poison { certain: false }
        }
        Error::Fenced => Verdict::Fenced,
        Error::Contended(_)
        | Error::Busy
        | Error::Stopping
        | Error::KeyReused
        | Error::Store(_) => Verdict::Transient,
    }
}

fn cursor_key(group: &Group) -> Vec<u8> {
    format!("{}\0{}", group.component, group.stream).into_bytes()
}

/// Where a group stands; 0 for a new one, which begins with the oldest record that is kept.
pub(super) async fn stored_cursor(
    store: &dyn Store,
    group: &Group,
) -> Result<Offset, crate::store::Error> {
    let space = Space::from(CURSORS);
    let stored = store
        .snapshot()
        .await?
        .read(&space, &cursor_key(group))
        .await?;
    Ok(offset_in(stored))
}

fn offset_in(stored: Option<Vec<u8>>) -> Offset {
    stored
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, Offset::from_be_bytes)
}
