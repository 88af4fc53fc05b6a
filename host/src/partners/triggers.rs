//! Triggers: plugins that run by themselves, on a schedule or on each batch of a stream.
//!
//! **Invariants.** A schedule's instant is run once, whatever hosts start or stop meanwhile: that it was is noted in
//! the commit that settles the run. A batch of a stream is acknowledged in the commit that settles its run,
//! whatever came of it. A trigger whose runs fail waits longer and longer, and is shown with the reason. What was
//! missed while no host ran is made up for once at most.

mod clockwork;
mod cron;
mod operations;
mod record;
mod streamwork;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::runs::Runs;
use super::{Error, perform};
use crate::clock::Clock;
use crate::ids::{ComponentName, PartnerId};
use crate::operators::audit::By;
use crate::store::Store;
use crate::streams::Streams;

pub use cron::{CRON_BYTES_MAX, Cron};
pub(crate) use record::{Fired, forget, settled};
pub use record::{Key, On, Shown, State, Trigger, level_of};

/// Most triggers of a plugin.
pub const TRIGGERS_MAX: usize = 8;

/// Most triggers of a partner that listen to streams: each is a group in every partition of its stream.
pub const LISTENING_MAX: usize = 16;

/// What triggers need.
#[derive(Clone)]
pub struct Options {
    /// Keeps them.
    pub store: Arc<dyn Store>,
    /// Tells when they are due.
    pub clock: Arc<Clock>,
    /// Runs what they start.
    pub runs: Runs,
    /// Hands over streams, and knows whether this host leads.
    pub streams: Streams,
}

/// Triggers of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Triggers {
    options: Options,
}

impl Triggers {
    /// Triggers in a store; [`Triggers::watch`] makes them run.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Sets a trigger of a plugin, in place of one of the same name.
    ///
    /// # Errors
    /// It breaks a rule, the partner may not listen to the stream, or see [`Error`].
    pub async fn put(&self, by: &By, key: &Key, trigger: Wanted) -> Result<Shown, Error> {
        let put = operations::Put {
            by,
            key,
            wanted: &trigger,
        };
        self.perform(&put).await
    }

    /// Removes a trigger.
    ///
    /// # Errors
    /// There is none of this name, or see [`Error`].
    pub async fn remove(&self, by: &By, key: &Key) -> Result<(), Error> {
        self.perform(&operations::Remove { by, key }).await
    }

    /// A trigger, and what became of its last runs.
    ///
    /// # Errors
    /// There is none of this name, or see [`Error`].
    pub async fn show(&self, key: &Key) -> Result<Shown, Error> {
        self.perform(&operations::Look { key }).await
    }

    /// All triggers of a plugin, by name.
    ///
    /// # Errors
    /// There is no such plugin, or see [`Error`].
    pub async fn list(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
    ) -> Result<Vec<Shown>, Error> {
        self.perform(&operations::List { partner, plugin }).await
    }

    async fn perform<O: super::Operation>(&self, operation: &O) -> Result<O::Done, Error> {
        perform(&self.options.store, self.options.clock.now(), operation).await
    }

    /// Runs what is due, until told to stop.
    pub async fn watch(self, stop: CancellationToken) {
        let listeners = streamwork::Streamwork::new(self.options.clone());
        let clockwork = clockwork::Clockwork::new(self.options);
        tokio::join!(clockwork.run(stop.clone()), listeners.run(stop));
    }
}

/// What a trigger is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What starts it.
    pub on: WantedOn,
    /// The parameters of its runs, a JSON document.
    pub params: String,
    /// What each run may spend.
    pub max_spend: Option<u64>,
}

/// What starts a trigger that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedOn {
    /// A schedule.
    Schedule(Box<Cron>),
    /// Batches of a stream.
    Stream(crate::ids::StreamName),
}
