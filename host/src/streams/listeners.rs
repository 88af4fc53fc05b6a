//! Listeners: groups that are no component's. What is handed to one, its handler acknowledges in a commit of its
//! own.
//!
//! **Invariants.** A listener is handed a partition's records in order, one batch at a time, on the host that holds
//! the partition's unit. It never holds anybody up: streams are trimmed without asking it, and nobody waits for
//! it to be idle. What it has not handled by then it will not see.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Error, Shared, Streams};
use crate::clock;
use crate::ids::StreamName;
use crate::store::{self, Acknowledgement, Claim, Offset, Record, Subscription};

/// What the names of listeners' groups begin with. No component is named so: their names have no dot.
pub const PREFIX: &str = "partner.";

/// Most records of a batch: more would only wait longer for those who come after.
const BATCH_RECORDS_MAX: usize = 1_000;

/// Most payload bytes of a batch; one record may be longer.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Wait after the store failed.
const STORE_WAIT: Duration = Duration::from_millis(500);

/// Longest time without asking the store, in case news of a record was lost.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It is acknowledged.
    Done,
    /// It is not, and is to be handed over again after a while.
    Later(Duration),
}

/// Handles a listener's batches.
pub trait Handle: Send + Sync {
    /// Handles a batch, and acknowledges it in the commit of what follows from it.
    fn handle(
        &self,
        records: Vec<Record>,
        acknowledgement: Acknowledgement,
    ) -> BoxFuture<'_, Handled>;
}

/// A listener to one stream.
#[derive(Clone)]
pub struct Listener {
    /// Its group; begins with [`PREFIX`].
    pub group: Arc<str>,
    /// What it listens to.
    pub stream: StreamName,
    /// What handles it.
    pub handler: Arc<dyn Handle>,
}

impl Listener {
    fn is_of(&self, subscription: &Subscription) -> bool {
        self.group == subscription.group && self.stream == subscription.partition.stream
    }
}

impl Streams {
    /// Listens with these, and no others, from now on.
    ///
    /// # Errors
    /// The store did not answer; what was listened with before stays.
    pub async fn listen(&self, listeners: Vec<Listener>) -> Result<(), Error> {
        let shared = &self.shared;
        let mut wanted = Vec::new();
        for listener in &listeners {
            let group = listener.group.clone();
            wanted.extend(shared.of_group(group, &listener.stream).await?);
        }
        for subscription in &wanted {
            shared.store.subscribe(subscription).await?;
        }
        let mut current = shared
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Listeners {
            all: listeners,
            subscriptions: wanted,
        };
        drop(current);
        shared.reconcile();
        Ok(())
    }
}

/// All listeners, and their groups in all partitions.
#[derive(Default)]
pub(super) struct Listeners {
    all: Vec<Listener>,
    pub(super) subscriptions: Vec<Subscription>,
}

/// A listener at one partition.
pub(super) struct Listening {
    shared: Arc<Shared>,
    handler: Arc<dyn Handle>,
    claim: Claim,
}

impl Listening {
    /// The listening of a subscription, if it is a listener's.
    pub(super) fn new(shared: &Arc<Shared>, subscription: &Subscription) -> Option<Self> {
        let listeners = shared
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let listener = listeners.all.iter().find(|l| l.is_of(subscription))?;
        Some(Self {
            shared: shared.clone(),
            handler: listener.handler.clone(),
            claim: Claim {
                subscription: subscription.clone(),
                holder: shared.options.holder.clone(),
            },
        })
    }

    /// Hands over until told to stop. A batch that is being handled then is handled to its end.
    pub(super) async fn run(self, mut tail: watch::Receiver<Offset>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let newest = *tail.borrow_and_update();
            let wait = match self.step().await {
                Ok(Some(Handled::Done)) => continue,
                Ok(Some(Handled::Later(wait))) => Some(wait),
                Ok(None) => None,
                Err(error) => {
                    let group = &self.claim.subscription.group;
                    tracing::debug!(%group, %error, "a listener waits");
                    Some(STORE_WAIT)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = pause(wait, newest, &mut tail) => {}
            }
        }
    }

    async fn step(&self) -> Result<Option<Handled>, store::Error> {
        let store = &self.shared.store;
        let fetched = store.fetch(&self.claim, 0, BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
        let batch = fetched.await?;
        if batch.is_empty() {
            return Ok(None);
        }
        let acknowledgement = Acknowledgement {
            claim: self.claim.clone(),
            offsets: batch.iter().map(|record| record.offset).collect(),
        };
        Ok(Some(self.handler.handle(batch, acknowledgement).await))
    }
}

/// Waits so long, or, where everything is handled, until there is something new.
async fn pause(wait: Option<Duration>, seen: Offset, tail: &mut watch::Receiver<Offset>) {
    if let Some(wait) = wait {
        return clock::sleep(wait).await;
    }
    let news = tail.wait_for(|tail| *tail > seen);
    let _ = tokio::time::timeout(ASK_EVERY, news).await;
}
