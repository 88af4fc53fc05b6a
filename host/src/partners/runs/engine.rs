//! Makes the active version of a plugin ready on the engine for partners' code.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::super::plugins;
use super::{Error, Ready, Runner};
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, PartnerId};
use crate::metering::{Dataset, Decision, Terms, terms};
use crate::registry::Registry;
use crate::runtime::run::{Datasets, RunInput};
use crate::runtime::{Analytics, PartnerLoadError, PartnerRuntime};
use crate::store::Store;

/// The engine, and what it needs to find and judge a plugin.
pub struct Engine {
    /// Keeps the versions.
    pub store: Arc<dyn Store>,
    /// Knows the components that answer reads.
    pub registry: Registry,
    /// Loads and runs.
    pub runtime: PartnerRuntime,
}

impl Runner for Engine {
    fn ready<'a>(
        &'a self,
        partner: &'a PartnerId,
        plugin: &'a ComponentName,
        trust_level: u32,
        work: Box<Work>,
    ) -> BoxFuture<'a, Result<Ready, Error>> {
        self.make_ready(partner, plugin, trust_level, work).boxed()
    }
}

impl Engine {
    async fn make_ready(
        &self,
        partner: &PartnerId,
        plugin: &ComponentName,
        trust_level: u32,
        work: Box<Work>,
    ) -> Result<Ready, Error> {
        let store = self.store.as_ref();
        let unknown = || super::super::Error::UnknownPlugin(partner.clone(), plugin.clone());
        let active = plugins::active(store, partner, plugin).await?;
        let digest = active.ok_or_else(unknown)?.digest;
        let analytics = match self.runtime.loaded(&digest) {
            Some(loaded) => loaded,
            None => {
                let bytes = plugins::bytes(store, &digest).await?;
                let loaded = self.runtime.load(digest, bytes.ok_or_else(unknown)?);
                loaded.await.map_err(unloadable)?
            }
        };
        let generation = self.registry.generation();
        let terms = terms(&generation, work, trust_level).await;
        let terms = terms.map_err(|error| Error::Unready(error.to_string()))?;
        let granted: Datasets = terms.granted().map(|(dataset, _)| dataset).collect();
        check_granted(analytics.missing(granted), &terms)?;
        Ok(Ready {
            digest,
            generation,
            terms,
            imports: analytics.inspection().datasets().collect(),
            run: Arc::new(move |input| run(analytics.clone(), input)),
        })
    }
}

fn run(analytics: Arc<Analytics>, input: RunInput) -> BoxFuture<'static, crate::runtime::Ran> {
    async move { analytics.run(input).await }.boxed()
}

fn unloadable(error: PartnerLoadError) -> Error {
    match error {
        PartnerLoadError::Refused(refused) => Error::Unloadable(refused.to_string()),
        PartnerLoadError::Busy => Error::Unready(error.to_string()),
        PartnerLoadError::Host(why) => {
            tracing::error!(why, "a plugin cannot be loaded");
            Error::Unready("the plugin cannot be loaded; the host's log says more".into())
        }
    }
}

/// Everything that the plugin imports must be open to the partner: nothing runs halfway.
fn check_granted<'a>(
    missing: impl Iterator<Item = (&'a str, Dataset)>,
    terms: &Terms,
) -> Result<(), Error> {
    let needed = |(import, dataset): (&str, Dataset)| match terms.of(dataset) {
        Some(Decision::NotTrusted(level)) => (import.to_owned(), level),
        _ => (import.to_owned(), 0),
    };
    let missing: Vec<(String, u32)> = missing.map(needed).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::NotGranted(missing)),
    }
}
