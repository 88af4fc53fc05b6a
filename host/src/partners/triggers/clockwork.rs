//! Runs what schedules say, on the host that leads.
//!
//! **Invariant.** Nothing is known here that a loss of it would make wrong: which instants were run stands in the
//! store, written by the commits that settled them, and an instant that is tried twice has one key.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::receipts::Outcome;
use super::super::runs;
use super::super::started::{RunRequest, Started};
use super::super::{Error, Operation, perform};
use super::Options;
use super::record::{self, Key, Trigger};
use crate::clock;
use crate::dispatch::work::{self, Work};
use crate::ids::Instant;

/// Between two looks at the clock: a simulated one may be moved at any time.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Schedules are due at whole minutes, ms.
const MINUTE_MS: u64 = 60_000;

/// Triggers looked at in one scan.
const PAGE_MAX: usize = 500;

/// Runs of schedules at once: they wait for places like all others, and many are due at the full hour.
const FIRING_MAX: usize = 64;

/// The clock's look at schedules.
pub(super) struct Clockwork {
    options: Options,
    /// Triggers whose runs are under way.
    firing: Arc<Mutex<HashSet<Key>>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// How far a host has looked while it led.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Everything up to here was looked after.
    seen: Instant,
    /// When something that waits is to be looked at, whatever the minute.
    next: Instant,
}

impl Clockwork {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            firing: Arc::default(),
            places: Arc::new(Semaphore::new(FIRING_MAX)),
            tasks: TaskTracker::new(),
        }
    }

    /// Looks until told to stop, then lets what was started end.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut look: Option<Look> = None;
        while !stop.is_cancelled() {
            let now = self.options.clock.now();
            look = match (self.options.streams.leads(), look) {
                (false, _) => None,
                (true, Some(look)) if !is_time(look, now) => Some(look),
                (true, look) => {
                    let seen = look.map_or(now, |look| look.seen);
                    Some(self.looked(seen, now).await)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(LOOK_EVERY) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A look; one that fails is made again at the next opportunity.
    async fn looked(&self, seen: Instant, now: Instant) -> Look {
        match self.look(seen, now).await {
            Ok(next) => Look { seen: now, next },
            Err(error) => {
                tracing::warn!(%error, "schedules of plugins could not be looked at");
                Look { seen, next: now }
            }
        }
    }

    /// Fires what is due; when to look again at the latest.
    async fn look(&self, seen: Instant, now: Instant) -> Result<Instant, work::Error> {
        let (mut next, mut after) = (Instant::MAX, None);
        loop {
            let mut work = self.work();
            let page = record::page(&mut work, after.as_ref(), PAGE_MAX).await?;
            let is_last = page.len() < PAGE_MAX;
            after = page.last().map(|(key, _)| key.clone());
            for (key, trigger) in page {
                next = next.min(self.consider(&mut work, key, trigger, seen, now).await?);
            }
            if is_last {
                return Ok(next);
            }
        }
    }

    /// Fires a trigger if it is due; when it is to be looked at again, if it waits.
    async fn consider(
        &self,
        work: &mut Work,
        key: Key,
        trigger: Trigger,
        seen: Instant,
        now: Instant,
    ) -> Result<Instant, work::Error> {
        let Some(cron) = trigger.cron() else {
            return Ok(Instant::MAX);
        };
        let state = record::state(work, &key).await?;
        if state.waits_until_ms > now.0 {
            return Ok(Instant(state.waits_until_ms));
        }
        let run_up_to = Instant(state.run_up_to_ms.max(trigger.changed_at_ms));
        // What became due while it waited or ran was missed: the last of it is made up for.
        let seen = seen.max(Instant(state.waits_until_ms));
        let due = cron.due(run_up_to, seen, now);
        if due.is_empty() {
            return Ok(Instant::MAX);
        }
        self.fire(key, trigger, due);
        Ok(Instant::MAX)
    }

    fn work(&self) -> Box<Work> {
        super::super::operation::blank(&self.options.store, self.options.clock.now())
    }

    /// Starts a trigger's runs one after the other, unless some are under way.
    fn fire(&self, key: Key, trigger: Trigger, due: Vec<Instant>) {
        let firing = self.firing.clone();
        if !lock(&firing).insert(key.clone()) {
            return;
        }
        let (options, places) = (self.options.clone(), self.places.clone());
        self.tasks.spawn(async move {
            let _ended = Ended(firing, key.clone());
            let _place = places.acquire_owned().await;
            for at in due {
                if !run(&options, &key, &trigger, at).await {
                    break;
                }
            }
        });
    }
}

/// Whether there is something to look at: a minute has begun, something waits no more, or a run has ended that was
/// longer than the time between two instants.
fn is_time(look: Look, now: Instant) -> bool {
    now.0 / MINUTE_MS != look.seen.0 / MINUTE_MS || now >= look.next
}

/// A trigger whose runs have ended, when this is dropped.
struct Ended(Arc<Mutex<HashSet<Key>>>, Key);

impl Drop for Ended {
    fn drop(&mut self) {
        lock(&self.0).remove(&self.1);
    }
}

fn lock(firing: &Mutex<HashSet<Key>>) -> std::sync::MutexGuard<'_, HashSet<Key>> {
    firing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one instant of a schedule; whether its next may follow at once.
async fn run(options: &Options, key: &Key, trigger: &Trigger, due: Instant) -> bool {
    let request = RunRequest {
        params: trigger.params.clone(),
        max_spend: trigger.max_spend,
        key: None,
        started: Started::BySchedule(key.name.clone(), due),
    };
    let ran = options.runs.run(&key.partner, &key.plugin, request).await;
    let error = match ran {
        Ok(ended) => return ended.outcome == Outcome::Report,
        Err(error) => error,
    };
    tracing::warn!(partner = %key.partner, plugin = %key.plugin, trigger = %key.name, %due, %error, "a trigger failed");
    note(options, key, &error).await;
    false
}

/// Notes why a run was not carried out, so that it waits and is shown.
pub(super) async fn note(options: &Options, key: &Key, error: &runs::Error) {
    let note = Note {
        key,
        why: error.to_string(),
    };
    let noted = perform(&options.store, options.clock.now(), &note).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "what became of a trigger could not be noted");
    }
}

struct Note<'a> {
    key: &'a Key,
    why: String,
}

impl Operation for Note<'_> {
    type Done = ();

    async fn apply(&self, work: &mut Work) -> Result<(), Error> {
        if record::find(work, self.key).await?.is_none() {
            return Ok(());
        }
        let (state, now) = (record::state(work, self.key).await?, work.now());
        Ok(record::put_state(
            work,
            self.key,
            &state.failed(&self.why, now),
        )?)
    }
}
