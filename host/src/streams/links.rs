//! Links: streams that are carried on to other installations, which lie under hash tags, hence perhaps on
//! nodes, of their own. The source's log is the outbox: what is to be carried is there by the commit that
//! caused it. A relay reads it like any group, and the receiver's own commit drops what it has had.
//!
//! **Invariants.** A record reaches the other installation exactly once, however often it is sent: the
//! receiver keeps the last offset of each source partition in the commit that appends. Records of one key
//! keep their order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::clock;
use crate::ids::StreamName;
use crate::store::{
    Acknowledgement, Append, Claim, CommitError, Offset, ReadSet, Record, Space, Store,
    Subscription, Transaction, Write,
};

/// Space of the receiver: source, 0, stream, 0, partition → last offset that was taken over.
const RECEIVED: &str = "leyden.links";

/// Most records carried at a time.
const BATCH_RECORDS_MAX: usize = 500;

/// Most payload bytes carried at a time; one record may be longer.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// First wait after a failure, ms; doubled up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS: u64 = 50;

/// Longest wait after a failure, ms.
const BACKOFF_MS_MAX: u64 = 5_000;

/// Longest time without asking the store, in case news of a record was lost.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// A stream that is carried on.
#[derive(Clone)]
pub struct Link {
    /// The stream; it has the same name on both sides.
    pub stream: StreamName,
    /// The installation it comes from.
    pub source: Arc<str>,
    /// The installation it goes to.
    pub target: Arc<str>,
    /// The target's store.
    pub store: Arc<dyn Store>,
}

impl Link {
    /// The group that reads the source. No component is named so: their names have no dot.
    pub(super) fn group(&self) -> Arc<str> {
        format!("link.{}", self.target).into()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            stream,
            source,
            target,
            ..
        } = self;
        write!(f, "{stream}: {source} to {target}")
    }
}

/// Carries one partition.
pub(super) struct Relay {
    shared: Arc<Shared>,
    link: Link,
    claim: Claim,
    /// Everything up to here is carried.
    seen: watch::Sender<Offset>,
}

impl Relay {
    /// The relay of a subscription, if it is a link's.
    pub(super) fn new(
        shared: &Arc<Shared>,
        subscription: &Subscription,
        seen: &watch::Sender<Offset>,
    ) -> Option<Self> {
        let is_its = |link: &&Link| {
            link.stream == subscription.partition.stream && link.group() == subscription.group
        };
        let link = shared.options.links.iter().find(is_its)?.clone();
        Some(Self {
            shared: shared.clone(),
            link,
            claim: Claim {
                subscription: subscription.clone(),
                holder: shared.options.holder.clone(),
            },
            seen: seen.clone(),
        })
    }

    /// Carries until told to stop.
    pub(super) async fn run(self, mut tail: watch::Receiver<Offset>, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let newest = *tail.borrow_and_update();
            let wait = match self.step().await {
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                Ok(false) => {
                    failures = 0;
                    self.seen.send_replace(newest);
                    None
                }
                Err(error) => {
                    let (link, partition) = (&self.link, self.claim.subscription.partition.number);
                    tracing::warn!(?link, partition, %error, "a link waits");
                    failures = (failures + 1).min(10);
                    Some((BACKOFF_MS << failures).min(BACKOFF_MS_MAX))
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = pause(wait, newest, &mut tail) => {}
            }
        }
    }

    /// Carries a batch; whether there was one.
    async fn step(&self) -> Result<bool, CommitError> {
        let source = &self.shared.store;
        let batch = source
            .fetch(&self.claim, 0, BATCH_RECORDS_MAX, BATCH_BYTES_MAX)
            .await?;
        let Some(last) = batch
            .last()
            .map(|record| (record.offset, record.published_at))
        else {
            return Ok(false);
        };
        let offsets = batch.iter().map(|record| record.offset).collect();
        self.hand_over(batch, last.0, last.1.0).await?;
        let acknowledgement = Acknowledgement {
            claim: self.claim.clone(),
            offsets,
        };
        let done = Transaction {
            acknowledgement: Some(acknowledgement),
            at: last.1.0,
            ..Transaction::default()
        };
        source.commit(done).await?;
        self.seen.send_replace(last.0);
        self.shared.moves.send_modify(|moves| *moves += 1);
        Ok(true)
    }

    /// Appends at the target what it has not had, and notes how far it is, in one commit.
    async fn hand_over(
        &self,
        batch: Vec<Record>,
        last: Offset,
        at: u64,
    ) -> Result<(), CommitError> {
        let target = &self.link.store;
        let (space, key) = (Space::from(RECEIVED), self.place());
        let mut snapshot = target.snapshot().await?;
        let had = received(snapshot.read(&space, &key).await?);
        let appends: Vec<_> = batch
            .into_iter()
            .filter(|record| record.offset > had)
            .map(|record| Append {
                stream: self.link.stream.clone(),
                key: record.key,
                payload: record.payload,
            })
            .collect();
        if appends.is_empty() {
            return Ok(());
        }
        let taken = Transaction {
            reads: ReadSet {
                version: snapshot.version(),
                keys: vec![(space.clone(), key.clone())],
                ranges: Vec::new(),
            },
            writes: vec![Write {
                space,
                key,
                value: Some(last.to_be_bytes().to_vec()),
            }],
            appends,
            at,
            ..Transaction::default()
        };
        target.commit(taken).await.map(|_| ())
    }

    fn place(&self) -> Vec<u8> {
        let partition = &self.claim.subscription.partition;
        let (stream, number) = (&partition.stream, partition.number);
        format!("{}\0{stream}\0{number}", self.link.source).into_bytes()
    }
}

fn received(stored: Option<Vec<u8>>) -> Offset {
    stored
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, Offset::from_be_bytes)
}

/// Waits so long (ms), or where there was no failure until there is something new.
async fn pause(wait_ms: Option<u64>, seen: Offset, tail: &mut watch::Receiver<Offset>) {
    let Some(wait_ms) = wait_ms else {
        let news = tail.wait_for(|tail| *tail > seen);
        let _ = tokio::time::timeout(ASK_EVERY, news).await;
        return;
    };
    clock::sleep(Duration::from_millis(wait_ms)).await;
}
