//! Who subscribes to what, over all partitions, as the active generation has it.
//!
//! **Invariant.** A subscription is known to the store before anybody waits for it to be idle.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::watch;

use super::{Error, Shared};
use crate::ids::StreamName;
use crate::store::{Partition, Subscription};

/// Wait before subscriptions are tried again that could not be made known.
const RETRY: Duration = Duration::from_millis(500);

/// Groups made known to the store at once.
const SUBSCRIBING_MAX: usize = 32;

/// All subscriptions of the active generation.
pub(super) struct Subscriptions {
    all: Mutex<Arc<Vec<Subscription>>>,
    /// Those the store knows.
    known: Mutex<HashSet<Subscription>>,
    /// The generation they are of.
    generation: watch::Sender<u64>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            known: Mutex::default(),
            generation: watch::channel(0).0,
        }
    }
}

impl Subscriptions {
    /// All of them, over all partitions.
    pub(super) fn all(&self) -> Arc<Vec<Subscription>> {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Those to one stream.
    pub(super) fn of(&self, stream: &StreamName) -> Vec<Subscription> {
        let all = self.all();
        let of_stream = all.iter().filter(|s| s.partition.stream == *stream);
        of_stream.cloned().collect()
    }

    fn is_known(&self, subscription: &Subscription) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(subscription)
    }

    /// Replaces them all, when the store knows them.
    fn set(&self, wanted: Vec<Subscription>, generation: u64) {
        let known = wanted.iter().cloned().collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(wanted);
        self.generation.send_replace(generation);
    }

    /// Waits until they are those of a generation or of a later one.
    pub(super) async fn reach(&self, generation: u64) {
        let mut reached = self.generation.subscribe();
        // It never closes: the sender lives as long as what waits here.
        let _ = reached.wait_for(|reached| *reached >= generation).await;
    }
}

impl Shared {
    /// Keeps the groups in step with what is active.
    pub(super) async fn supervise(self: Arc<Self>) {
        let mut generation = self.registry.watch();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = generation.changed() => if changed.is_err() { return },
            }
            while let Err(error) = self.follow_generation().await {
                tracing::warn!(%error, "subscriptions could not be brought up to date");
                if !self.rest(RETRY).await {
                    return;
                }
            }
        }
    }

    /// Makes the groups of the active generation known, starts those that this host is to see to, and stops
    /// those that are gone.
    pub(super) async fn follow_generation(self: &Arc<Self>) -> Result<(), Error> {
        let generation = self.registry.generation();
        let mut wanted = Vec::new();
        for active in generation.components.values() {
            for stream in &active.manifest.subscribe {
                wanted.extend(self.of_group(active.name.as_str().into(), stream).await?);
            }
        }
        for link in &self.options.links {
            wanted.extend(self.of_group(link.group(), &link.stream).await?);
        }
        self.make_known(&wanted).await?;
        self.subscriptions.set(wanted, generation.number);
        self.reconcile();
        Ok(())
    }

    /// A group's subscriptions to all partitions of a stream.
    pub(super) async fn of_group(
        &self,
        group: Arc<str>,
        stream: &StreamName,
    ) -> Result<impl Iterator<Item = Subscription>, Error> {
        let count = self.store.partitions(stream).await?;
        let stream = stream.clone();
        Ok((0..count).map(move |number| Subscription {
            group: group.clone(),
            partition: Partition {
                stream: stream.clone(),
                number,
            },
        }))
    }

    async fn make_known(&self, wanted: &[Subscription]) -> Result<(), Error> {
        let mut unknown = Vec::new();
        for subscription in wanted {
            if !self.subscriptions.is_known(subscription) {
                unknown.push(self.store.subscribe(subscription));
            }
        }
        let mut subscribing = stream::iter(unknown).buffer_unordered(SUBSCRIBING_MAX);
        while let Some(subscribed) = subscribing.next().await {
            subscribed?;
        }
        Ok(())
    }
}
