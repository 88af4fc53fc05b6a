//! Streams: delivery to the components that subscribe, time's ticks, and what keeps streams bounded.
//!
//! **Invariants.** A group (one component's subscription to one stream) handles its stream in order, one
//! batch at a time. The cursor moves in the same commit as the batch's effects. A record that
//! cannot be handled ends among the dead letters and the group goes on.

mod delivery;
mod maintenance;
mod time;

pub(crate) use time::restore as restore_clock;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::ids::{ComponentName, StreamName};
use crate::registry::Registry;
use crate::store::{Offset, Store};

/// Longest wait for all groups to be idle, ms: a tick of 100,000 houses takes seconds.
const SETTLE_MS_MAX: u64 = 600_000;

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
    /// The tick could not be recorded.
    #[error(transparent)]
    Commit(#[from] crate::store::CommitError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// How far a group is.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupInfo {
    /// The subscribed component.
    pub group: String,
    /// Last offset it is done with.
    pub offset: Offset,
    /// Records it has still to handle.
    pub lag: u64,
}

/// A stream and its groups.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamInfo {
    /// Its name.
    pub stream: String,
    /// Offset of its newest record.
    pub newest: Offset,
    /// Its groups.
    pub groups: Vec<GroupInfo>,
}

/// One component's subscription to one stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    component: ComponentName,
    stream: StreamName,
}

/// A group that is being delivered to.
struct Running {
    cursor: watch::Receiver<Offset>,
    tail: watch::Receiver<Offset>,
    stop: CancellationToken,
}

impl Running {
    fn lag(&self) -> u64 {
        self.tail.borrow().saturating_sub(*self.cursor.borrow())
    }
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
    groups: Mutex<HashMap<Group, Running>>,
    /// Counts cursor moves, so that waiting for idleness sees every one.
    moves: watch::Sender<u64>,
    /// Held while time moves.
    ticking: tokio::sync::Mutex<()>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Streams {
    /// Starts delivering to whatever is active now and later.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        dispatch: Dispatcher,
        clock: Arc<Clock>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            store,
            registry,
            dispatch,
            clock,
            groups: Mutex::default(),
            moves: watch::channel(0).0,
            ticking: tokio::sync::Mutex::new(()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.follow_generation().await?;
        shared.tasks.spawn(shared.clone().supervise());
        shared.tasks.spawn(maintenance::run(shared.clone()));
        shared.tasks.spawn(time::run(shared.clone()));
        Ok(Self { shared })
    }

    /// Finishes the batches that are being handled and stops.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// All streams and their groups.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn list(&self) -> Result<Vec<StreamInfo>, Error> {
        let streams = self.shared.store.streams().await?;
        let groups = self.shared.groups();
        let mut list: Vec<StreamInfo> = streams
            .into_iter()
            .map(|(stream, newest)| StreamInfo {
                stream: stream.to_string(),
                newest,
                groups: Vec::new(),
            })
            .collect();
        for (group, running) in groups.iter() {
            let info = GroupInfo {
                group: group.component.to_string(),
                offset: *running.cursor.borrow(),
                lag: running.lag(),
            };
            match list.iter_mut().find(|s| s.stream == group.stream.as_str()) {
                Some(stream) => stream.groups.push(info),
                None => list.push(StreamInfo {
                    stream: group.stream.to_string(),
                    newest: 0,
                    groups: vec![info],
                }),
            }
        }
        list.sort_by(|a, b| a.stream.cmp(&b.stream));
        list.iter_mut()
            .for_each(|stream| stream.groups.sort_by(|a, b| a.group.cmp(&b.group)));
        Ok(list)
    }

    /// Waits until every group has handled everything.
    ///
    /// # Errors
    /// Groups are still busy after ten minutes.
    pub async fn settle(&self) -> Result<(), Error> {
        self.shared.settle().await
    }
}

impl Shared {
    fn groups(&self) -> std::sync::MutexGuard<'_, HashMap<Group, Running>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group's cursor is moved only after the tails its commit moved. So if no cursor moved while all
    /// groups were seen idle, all of them were idle at once.
    async fn settle(&self) -> Result<(), Error> {
        let mut moves = self.moves.subscribe();
        let idle = async {
            loop {
                moves.borrow_and_update();
                let lag: u64 = self.groups().values().map(Running::lag).sum();
                if lag == 0 && !moves.has_changed().unwrap_or(false) {
                    return;
                }
                // Time out now and then: a cursor can also be reached by a new group.
                let _ = tokio::time::timeout(Duration::from_millis(100), moves.changed()).await;
            }
        };
        let bound = Duration::from_millis(SETTLE_MS_MAX);
        tokio::time::timeout(bound, idle)
            .await
            .map_err(|_| Error::Busy(SETTLE_MS_MAX))
    }

    /// Keeps the groups in step with what is active.
    async fn supervise(self: Arc<Self>) {
        let mut generation = self.registry.watch();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = generation.changed() => if changed.is_err() { break },
            }
            if let Err(error) = self.follow_generation().await {
                tracing::error!(%error, "subscriptions could not be brought up to date");
            }
        }
        self.groups()
            .values()
            .for_each(|running| running.stop.cancel());
    }

    /// Starts groups that the active generation has and this does not, and stops the others.
    async fn follow_generation(self: &Arc<Self>) -> Result<(), Error> {
        let wanted = self.wanted();
        let missing: Vec<Group> = wanted
            .iter()
            .filter(|group| !self.groups().contains_key(group))
            .cloned()
            .collect();
        for group in missing {
            let cursor = delivery::stored_cursor(self.store.as_ref(), &group).await?;
            let (sender, receiver) = watch::channel(cursor);
            let stop = self.stop.child_token();
            let tail = self.store.tail(&group.stream);
            let running = Running {
                cursor: receiver,
                tail,
                stop: stop.clone(),
            };
            self.groups().insert(group.clone(), running);
            self.tasks
                .spawn(delivery::Delivery::new(self.clone(), group, sender).run(stop));
        }
        self.groups().retain(|group, running| {
            let keep = wanted.contains(group);
            if !keep {
                running.stop.cancel();
            }
            keep
        });
        Ok(())
    }

    fn wanted(&self) -> Vec<Group> {
        let generation = self.registry.generation();
        let of_component = |component: &ComponentName, streams: &[StreamName]| {
            let group = |stream: &StreamName| Group {
                component: component.clone(),
                stream: stream.clone(),
            };
            streams.iter().map(group).collect::<Vec<_>>()
        };
        generation
            .components
            .values()
            .flat_map(|a| of_component(&a.name, &a.manifest.subscribe))
            .collect()
    }
}
