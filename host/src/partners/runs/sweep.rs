//! Voids what nobody brings to an end: holds of runs that a host lost, by dying or otherwise. Runs on a timer,
//! takes no input, may run twice.
//!
//! **Invariant.** A hold whose run may still be settled is left alone; if one is voided all the same, because
//! its host could not tell for long that it lives, that host's settlement finds it gone and gives nothing away.

use std::collections::HashSet;
use std::time::Duration;

use super::super::HOLDS;
use super::super::holds::{self, Hold};
use super::super::settle::Closing;
use super::commits::Settled;
use super::turns::Ending;
use super::{Error, Runs, Shared};
use crate::clock;
use crate::store::{Holder, Order, Space};
use crate::streams::Streams;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(2);

/// Holds looked at in one scan.
const SCANNED_MAX: usize = 500;

/// How old a hold must be before its host is taken for dead, ms: by then whoever holds it has been seen among
/// the living, if it is.
const YOUNG_MS: u64 = 10_000;

/// What this host knows of the others.
pub(super) enum View {
    /// The store is its own: whoever else held something is gone.
    Alone,
    /// It sees to what others have left, too. Those who live.
    Leading(HashSet<Holder>),
    /// Another host sees to that.
    Following,
}

impl Runs {
    /// Voids what is lost, until the host stops.
    pub async fn watch(self, streams: Streams) {
        let shared = self.shared;
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = clock::sleep(ROUND) => {}
            }
            let view = match (shared.options.shared, streams.leads()) {
                (false, _) => View::Alone,
                (true, true) => View::Leading(streams.living()),
                (true, false) => View::Following,
            };
            if let Err(error) = shared.sweep(&view, clock::system_now().0).await {
                tracing::warn!(%error, "holds of lost runs could not be voided");
            }
        }
    }
}

impl Runs {
    /// Voids once what those who are not among the living hold at an instant (ms since 1970 by the system's
    /// clock), for tests.
    #[doc(hidden)]
    pub async fn sweep_as_leader(&self, living: HashSet<Holder>, now_ms: u64) -> Result<(), Error> {
        self.shared.sweep(&View::Leading(living), now_ms).await
    }
}

impl Shared {
    /// Voids all holds that are lost by `now_ms`.
    pub(super) async fn sweep(&self, view: &View, now_ms: u64) -> Result<(), Error> {
        let (space, mut range) = (Space::from(HOLDS), holds::after(""));
        loop {
            let mut snapshot = self.options.store.snapshot().await?;
            let found = snapshot.scan(&space, &range, Order::Ascending, SCANNED_MAX);
            let entries = found.await?;
            drop(snapshot);
            for hold in entries.iter().filter_map(holds::read) {
                if self.is_lost(&hold, view, now_ms) {
                    self.void_lost(hold).await?;
                }
            }
            match entries.last().filter(|_| entries.len() == SCANNED_MAX) {
                Some(last) => range = holds::after(&String::from_utf8_lossy(&last.key)),
                None => return Ok(()),
            }
        }
    }

    fn is_lost(&self, hold: &Hold, view: &View, now_ms: u64) -> bool {
        if hold.holder == self.options.holder {
            return !self.register.has(&hold.run);
        }
        match view {
            View::Alone => true,
            View::Following => false,
            View::Leading(living) => {
                let is_old = now_ms >= hold.placed_at_ms.saturating_add(YOUNG_MS);
                now_ms >= hold.expires_at_ms || is_old && !living.contains(&hold.holder)
            }
        }
    }

    async fn void_lost(&self, hold: Hold) -> Result<(), Error> {
        let run = hold.run.clone();
        let why = "the host that ran it did not bring it to an end";
        let ending = Ending::new(Closing::voiding(hold, why));
        let turn = self.turns.wait(&ending.closing.hold.partner).await;
        if let Settled::Done(_) = self.settle(&ending, &turn).await? {
            tracing::warn!(run, "voided the hold of a lost run");
        }
        Ok(())
    }
}
