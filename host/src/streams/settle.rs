//! Waits until nothing is left to do: every group, on whatever host, has handled everything.

use std::time::Duration;

use super::{Error, Shared};
use crate::store;

/// Longest wait for all groups to be idle, ms: a tick of 100,000 houses takes seconds.
const SETTLE_MS_MAX: u64 = 600_000;

/// First wait for other hosts, ms; doubled up to [`POLL_MS_MAX`] while nothing moves here.
const POLL_MS: u64 = 2;

/// Longest wait between two questions, ms.
const POLL_MS_MAX: u64 = 50;

impl Shared {
    /// The store counts what is left of all groups at one instant, so that a zero is the truth whatever runs
    /// where. It is asked only when what runs here is idle: that costs nothing to know.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        let bound = Duration::from_millis(SETTLE_MS_MAX);
        let settled = tokio::time::timeout(bound, self.idle()).await;
        settled.map_err(|_| Error::Busy(SETTLE_MS_MAX))?
    }

    async fn idle(&self) -> Result<(), Error> {
        // What another host has just activated is waited for as well.
        if self.options.shared
            && let Err(error) = self.registry.refresh().await
        {
            tracing::debug!(%error, "the registry could not be read");
        }
        let generation = self.registry.generation().number;
        self.subscriptions.reach(generation).await;
        let mut moves = self.moves.subscribe();
        let mut wait_ms = POLL_MS;
        loop {
            moves.borrow_and_update();
            if self.units.are_idle() && self.is_done().await? {
                return Ok(());
            }
            let wait = Duration::from_millis(wait_ms);
            let moved = tokio::time::timeout(wait, moves.changed()).await;
            wait_ms = match moved {
                Ok(_) => POLL_MS,
                Err(_) => (wait_ms * 2).min(POLL_MS_MAX),
            };
        }
    }

    /// Whether nothing is left. While the store is away nobody knows, and it may come back.
    async fn is_done(&self) -> Result<bool, Error> {
        match self.store.backlog(&self.subscriptions.all()).await {
            Ok(left) => Ok(left == 0),
            Err(store::Error::Unavailable(_) | store::Error::Unresolved) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
