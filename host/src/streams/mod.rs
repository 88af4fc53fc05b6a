//! Streams: delivery to the components that subscribe, time's ticks, and what keeps streams bounded; and
//! which partitions this host sees to.
//!
//! **Invariants.** A group (one component's subscription to one stream) handles each partition in order, one
//! batch at a time, on the host that holds the partition's unit. A batch is acknowledged in the same
//! commit as its effects. A record that cannot be handled ends among the dead letters and the group
//! goes on.

mod delivery;
mod letters;
mod links;
mod listeners;
mod maintenance;
mod ownership;
mod settle;
mod shares;
pub mod status;
mod subscriptions;
mod time;
mod trimming;
mod units;

pub use links::Link;
pub use listeners::{Handle, Handled, Listener, PREFIX as LISTENER_PREFIX};
pub(crate) use time::restore as restore_clock;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, Clock};
use crate::dispatch::Dispatcher;
use crate::registry::Registry;
use crate::store::{Holder, Members, Store};
use listeners::Listeners;
use status::{Counters, HostStatus, StreamInfo};
use subscriptions::Subscriptions;
use units::Units;

/// Batches that are handled at once for each core: enough to keep the cores busy while others wait for
/// the store, and few enough for memory.
const BATCHES_PER_CORE: usize = 2;

/// Batches that are handled at once, at least: a store across a network answers slowly.
const BATCHES_MIN: usize = 8;

/// Why time or streams could not be moved on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host's clock is the system's: it cannot be set.
    #[error("the clock is the system's: start the host with --clock simulated to set it")]
    SystemClock,
    /// The clock would go back.
    #[error("the clock stands at {0}: it cannot go back")]
    Backwards(crate::ids::Instant),
    /// The next tick would come before the last one's interval is over.
    #[error("the next tick would come before {0}, when the last one's interval ends")]
    Overlapping(crate::ids::Instant),
    /// The time between ticks (ms) is out of bounds.
    #[error("the time between ticks must be {min} to {max} ms, not {0}", min = crate::clock::TICK_MS_MIN, max = crate::clock::TICK_MS_MAX)]
    TickLength(u64),
    /// Groups are still busy after the longest wait (ms).
    #[error("streams are still busy after {0} ms")]
    Busy(u64),
    /// No dead letter has this name.
    #[error("there is no dead letter {0}")]
    NoLetter(String),
    /// A dead letter's group is not active any more.
    #[error("no active component is named {0}, which this dead letter is for")]
    NoGroup(String),
    /// A dead letter failed again, and stays.
    #[error("it failed again")]
    FailedAgain(#[source] crate::dispatch::Error),
    /// The tick could not be recorded.
    #[error(transparent)]
    Commit(#[from] crate::store::CommitError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// How a host takes part.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name, which no other start of a host ever has.
    pub holder: Holder,
    /// Where others reach it.
    pub url: String,
    /// How long it counts as alive after its last sign of life, ms.
    pub lease_ms: u64,
    /// Whether other hosts may serve the same store.
    pub shared: bool,
    /// Streams that are carried on to other installations.
    pub links: Vec<Link>,
}

/// Delivers streams and moves time. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    registry: Registry,
    dispatch: Dispatcher,
    clock: Arc<Clock>,
    options: Options,
    started_at_ms: u64,
    url: Mutex<String>,
    counters: Counters,
    subscriptions: Subscriptions,
    listeners: Mutex<Listeners>,
    units: Units,
    /// Everyone, as last seen.
    members: watch::Sender<Members>,
    /// Asks for a look at who holds what.
    look: Notify,
    /// Places for batches.
    places: Semaphore,
    /// Counts batches that ended, so that waiting for idleness sees every one.
    moves: watch::Sender<u64>,
    /// Held while time moves.
    ticking: tokio::sync::Mutex<()>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Streams {
    /// Joins the hosts of the store and starts delivering to whatever is active now and later.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        dispatch: Dispatcher,
        clock: Arc<Clock>,
        options: Options,
    ) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            store,
            registry,
            dispatch,
            clock,
            started_at_ms: clock::system_now().0,
            url: Mutex::new(options.url.clone()),
            options,
            counters: Counters::default(),
            subscriptions: Subscriptions::default(),
            listeners: Mutex::default(),
            units: Units::default(),
            members: watch::channel(Members::default()).0,
            look: Notify::new(),
            places: Semaphore::new((cores * BATCHES_PER_CORE).max(BATCHES_MIN)),
            moves: watch::channel(0).0,
            ticking: tokio::sync::Mutex::new(()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.follow_generation().await?;
        let ownership = ownership::Ownership::join(shared.clone()).await?;
        shared.tasks.spawn(ownership.run());
        shared.tasks.spawn(shared.clone().supervise());
        shared.tasks.spawn(maintenance::run(shared.clone()));
        shared.tasks.spawn(time::run(shared.clone()));
        Ok(Self { shared })
    }

    /// Finishes the batches that are being handled, gives up what this host holds, and stops.
    pub async fn stop(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
        let patience = Duration::from_millis(shared.options.lease_ms);
        let left = shared.store.release(&shared.options.holder, None);
        match tokio::time::timeout(patience, left).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "left without saying so: the lease has to end");
            }
            Err(_) => tracing::warn!("left without saying so: the store does not answer"),
        }
    }

    /// Tells others where they reach this host, once that is known.
    pub fn advertise(&self, url: String) {
        *self
            .shared
            .url
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = url;
        self.shared.look.notify_one();
    }

    /// All streams, their partitions and their groups.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn list(&self) -> Result<Vec<StreamInfo>, Error> {
        let partitions = self.shared.store.streams().await?;
        let owners = self.shared.members.borrow().owners.clone();
        let now = self.shared.clock.now();
        let mut list = Vec::new();
        for of_stream in partitions.chunk_by(|a, b| a.partition.stream == b.partition.stream) {
            let stream = &of_stream[0].partition.stream;
            let count = self.shared.store.partitions(stream).await?;
            let info = status::stream_info(stream.as_str(), count, of_stream, &owners, now);
            list.push(info);
        }
        Ok(list)
    }

    /// All hosts that are alive or still hold something, as last seen.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostStatus> {
        let (members, me) = (self.shared.members.borrow(), &self.shared.options.holder);
        let status = |member| status::host_status(member, &members.owners, me);
        members.hosts.iter().map(status).collect()
    }

    /// Units that nobody alive holds, as last seen: their records wait.
    #[must_use]
    pub fn ownerless(&self) -> usize {
        shares::ownerless(&self.shared.options.holder, &self.shared.members.borrow())
    }

    /// Whether this host sees to what one host does for all: the one that holds unit 0.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.shared.units.holds(0)
    }

    /// Hosts that were alive when last seen, this one among them.
    #[must_use]
    pub fn living(&self) -> HashSet<Holder> {
        let members = self.shared.members.borrow();
        let others = members.hosts.iter().filter(|host| host.lease_ms > 0);
        let others = others.map(|host| host.info.holder.clone());
        others.chain([self.shared.options.holder.clone()]).collect()
    }

    /// Units that this host holds.
    #[must_use]
    pub fn units_held(&self) -> usize {
        self.shared.units.count()
    }

    /// What has happened since the host started.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Waits until every group has handled everything, on whatever host.
    ///
    /// # Errors
    /// Groups are still busy after ten minutes, or the store failed.
    pub async fn settle(&self) -> Result<(), Error> {
        self.shared.settle().await
    }
}

impl Shared {
    /// Waits, unless the host stops before: whether it does not.
    async fn rest(&self, duration: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = clock::sleep(duration) => true,
        }
    }
}
