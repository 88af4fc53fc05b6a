//! Takes part among the hosts of a store: tells that this one is alive, sees who else is, and does what
//! `shares` decides.
//!
//! **Invariants.** What is given up has been finished before, within a bound. A host that could not tell for
//! as long as its lease that it is alive handles nothing until it could; others may have taken over, and
//! the store refuses its commits then.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::shares::{self, Actions};
use super::status::Counters;
use super::units::Stopping;
use super::{Error, Shared};
use crate::clock::{self, Monotonic};
use crate::store::{self, Holder, HostInfo, Members};

/// Signs of life in a lease: some may be lost before others take over.
const BEATS_PER_LEASE: u64 = 5;

/// Longest time between two looks while shares are uneven, ms: what is given up is taken soon.
const UNEVEN_MS: u64 = 100;

/// Shortest time between two looks, ms, however often one is asked for.
const LOOK_MS_MIN: u64 = 20;

/// This host among the others.
pub(super) struct Ownership {
    shared: Arc<Shared>,
    /// When the last sign of life was sent that was answered.
    told_at: Monotonic,
    /// Whether everybody held their share at the last look.
    even: bool,
    /// Whether the last look failed.
    blind: bool,
    /// Until when nobody is taken for dead: where the store was away, nobody could tell that they live.
    patient_until: Option<Monotonic>,
}

impl Ownership {
    /// Joins: tells for the first time, and takes what is this host's.
    ///
    /// # Errors
    /// The store did not answer.
    pub(super) async fn join(shared: Arc<Shared>) -> Result<Self, Error> {
        let mut ownership = Self {
            shared,
            told_at: clock::monotonic(),
            even: false,
            blind: false,
            patient_until: None,
        };
        ownership.look().await?;
        Ok(ownership)
    }

    /// Takes part until the host stops. Units are given up together when everything has ended.
    pub(super) async fn run(mut self) {
        loop {
            let shared = self.shared.clone();
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = clock::sleep(self.pause()) => {}
                () = asked(&shared) => {}
            }
            // A look takes no longer than a bound, but the host is not to wait for it when it stops.
            tokio::select! {
                () = shared.stop.cancelled() => return,
                looked = self.look() => self.draw(looked),
            }
        }
    }

    fn pause(&self) -> Duration {
        let beat = self.shared.options.lease_ms / BEATS_PER_LEASE;
        Duration::from_millis(if self.even { beat } else { beat.min(UNEVEN_MS) })
    }

    /// Tells, looks, and acts on what is seen.
    async fn look(&mut self) -> Result<(), store::Error> {
        let (info, sent_at) = (self.shared.info(), clock::monotonic());
        let lease_ms = self.shared.options.lease_ms;
        let beat = self.shared.store.beat(&info, lease_ms);
        let late = store::Error::Unavailable("it does not answer within the lease");
        let mut members = tokio::time::timeout(Duration::from_millis(lease_ms), beat)
            .await
            .map_err(|_| late)??;
        self.told_at = sent_at;
        let me = self.shared.options.holder.clone();
        self.shared.hold_what_is_owned(&members);
        let mut actions = shares::decide(&me, &members);
        if self.is_patient() {
            actions.take.retain(|(_, from)| from.is_none());
        }
        self.even = actions.is_empty() && shares::is_even(&me, &members);
        let taken = self.act(actions).await;
        for unit in &taken {
            if let Some(owner) = members.owners.get_mut(usize::from(*unit)) {
                *owner = Some(me.clone());
            }
        }
        self.shared.members.send_replace(members);
        self.shared.hold(taken);
        Ok(())
    }

    /// Whether those whose lease has ended may still come back.
    fn is_patient(&mut self) -> bool {
        let now = clock::monotonic();
        if self.blind {
            let lease = Duration::from_millis(self.shared.options.lease_ms);
            self.patient_until = Some(now + lease);
        }
        self.patient_until.is_some_and(|until| now < until)
    }

    /// What a failed look means: nothing at first, and after a lease that everything may be lost.
    fn draw(&mut self, looked: Result<(), store::Error>) {
        let Err(error) = looked else {
            if std::mem::take(&mut self.blind) {
                tracing::info!("this host is among the others again");
            }
            return;
        };
        if !std::mem::replace(&mut self.blind, true) {
            tracing::warn!(%error, "this host could not tell that it is alive");
        }
        self.even = false;
        let lease = Duration::from_millis(self.shared.options.lease_ms);
        if clock::monotonic().saturating_duration_since(self.told_at) >= lease {
            let lost = self.shared.units.keep(&HashSet::new());
            if !lost.is_empty() {
                tracing::warn!(units = ?lost, "handling nothing: the lease has ended");
            }
        }
    }

    /// Does what was decided; the units that were taken.
    async fn act(&self, actions: Actions) -> Vec<u16> {
        for unit in actions.release {
            if let Some(stopping) = self.shared.units.leave(unit) {
                let shared = self.shared.clone();
                self.shared.tasks.spawn(give_up(shared, unit, stopping));
            }
        }
        let taking = actions.take.iter().map(|(unit, from)| {
            let me = &self.shared.options.holder;
            let take = self.shared.store.take(*unit, from.as_ref(), me);
            async move { (*unit, from.as_ref(), take.await) }
        });
        let mut taken = Vec::new();
        for (unit, from, outcome) in join_all(taking).await {
            match outcome {
                Ok(true) => {
                    self.shared.note_taken(unit, from);
                    taken.push(unit);
                }
                Ok(false) => tracing::debug!(unit, "another host was faster"),
                Err(error) => tracing::warn!(%error, unit, "a unit could not be taken"),
            }
        }
        taken
    }
}

/// Waits until a look is asked for.
async fn asked(shared: &Shared) {
    shared.look.notified().await;
    clock::sleep(Duration::from_millis(LOOK_MS_MIN)).await;
}

/// Lets a unit's batches end, and gives it up.
async fn give_up(shared: Arc<Shared>, unit: u16, stopping: Stopping) {
    let patience = Duration::from_millis(shared.options.lease_ms);
    if tokio::time::timeout(patience, stopping.stopped())
        .await
        .is_err()
    {
        tracing::warn!(
            unit,
            "gave up a unit although a batch still runs: it will be refused"
        );
    }
    let holder = &shared.options.holder;
    match shared.store.release(holder, Some(unit)).await {
        Ok(()) => tracing::info!(unit, "gave up a unit"),
        Err(error) => tracing::warn!(%error, unit, "a unit could not be given up"),
    }
    shared.units.remove(unit);
    shared.look.notify_one();
}

impl Shared {
    /// What this host tells of itself.
    fn info(&self) -> HostInfo {
        let url = self.url.lock().unwrap_or_else(PoisonError::into_inner);
        HostInfo {
            holder: self.options.holder.clone(),
            url: url.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_ms: self.started_at_ms,
            generation: self.registry.generation().number,
        }
    }

    /// Goes on with what is written down as this host's, and stops what is not.
    fn hold_what_is_owned(self: &Arc<Self>, members: &Members) {
        let me = &self.options.holder;
        let units = (0..).zip(&members.owners);
        let owned = units.filter(|(_, owner)| owner.as_ref() == Some(me));
        let owned: HashSet<u16> = owned.map(|(unit, _)| unit).collect();
        let lost = self.units.keep(&owned);
        if !lost.is_empty() {
            tracing::warn!(units = ?lost, "other hosts hold these units now");
        }
        self.hold(owned);
    }

    fn note_taken(&self, unit: u16, from: Option<&Holder>) {
        match from {
            None => tracing::info!(unit, "took a unit"),
            Some(from) => {
                Counters::add(&self.counters.takeovers, 1);
                tracing::warn!(unit, %from, "took a unit over from a host that is not alive");
            }
        }
    }
}
