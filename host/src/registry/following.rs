//! Loads what other hosts have activated.
//!
//! **Invariant.** A host serves one whole generation at any time. One that cannot be loaded here, such as one
//! that needs a newer host, leaves the present one serving.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Registry};
use crate::clock;

/// Between two looks at whether another host has activated something: what is deployed on one is to be
/// active on all within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Wait before a generation is tried again that could not be loaded.
const FAILED_WAIT: Duration = Duration::from_secs(10);

impl Registry {
    /// Follows other hosts until told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        let mut failed = None;
        loop {
            let wait = if failed.is_some() {
                FAILED_WAIT
            } else {
                LOOK_EVERY
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock::sleep(wait) => {}
            }
            failed = match self.refresh().await {
                Ok(()) => None,
                Err(error @ (Error::Store(_) | Error::Overtaken)) => {
                    tracing::debug!(%error, "the registry cannot be read");
                    None
                }
                Err(error) => {
                    let error = error.to_string();
                    if failed.as_ref() != Some(&error) {
                        tracing::error!(error, "what another host activated cannot be loaded here");
                    }
                    Some(error)
                }
            };
        }
    }

    /// Loads what other hosts have activated, if anything.
    ///
    /// # Errors
    /// It cannot be loaded, or the store did not answer; the present generation serves on.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        if self.shared.catalog.number().await? == self.generation().number {
            return Ok(());
        }
        let _alone = self.shared.activating.lock().await;
        self.catch_up().await
    }

    /// Makes the store's generation the present one here. Only by whoever may activate.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        let present = self.generation();
        if self.shared.catalog.number().await? == present.number {
            return Ok(());
        }
        let (number, listed) = self.shared.catalog.active().await?;
        // An installation whose last component was taken away still counts its generations.
        if listed.is_empty() && number == 0 {
            let gone = "the registry's records are gone from the store";
            return Err(Error::Invalid(gone.into()));
        }
        self.swap(self.assemble(&present, number, listed, None).await?);
        tracing::info!(generation = number, "follows what another host activated");
        Ok(())
    }
}
