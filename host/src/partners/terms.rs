//! What the active access policy says to a partner: which datasets its trust level opens, and at what price.

use std::sync::Arc;

use super::{Error, operation};
use crate::clock::Clock;
use crate::dispatch;
use crate::metering::{self, Terms};
use crate::registry::Registry;
use crate::store::Store;

/// Asks the active access policy.
#[derive(Clone)]
pub struct Policy {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    registry: Registry,
}

impl Policy {
    /// The policy of a host.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>, registry: Registry) -> Self {
        Self {
            store,
            clock,
            registry,
        }
    }

    /// What it says to a trust level; nothing where no access policy is active, so that nothing can be read.
    ///
    /// # Errors
    /// It fails.
    pub async fn terms(&self, trust_level: u32) -> Result<Option<Terms>, Error> {
        let work = operation::blank(&self.store, self.clock.now());
        let generation = self.registry.generation();
        match metering::terms(&generation, work, trust_level).await {
            Ok(terms) => Ok(Some(terms)),
            Err(dispatch::Error::NotServed(_)) => Ok(None),
            Err(error) => Err(Error::Policy(error)),
        }
    }
}
