//! What a component exports of what metered data come from: looked up once for a version and once for an
//! instance.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::bindings::{consumption, production, registry};
use crate::runtime::guest::Guest;

/// Where a version exports the interfaces. One that it does not export whole is left out: whoever calls it
/// then is told.
#[derive(Default)]
pub(in crate::runtime) struct Indices {
    consumption: Option<consumption::ConsumptionIndices>,
    production: Option<production::ProductionIndices>,
    registry: Option<registry::RegistryIndices>,
}

impl Indices {
    pub(in crate::runtime) fn of(pre: &InstancePre<Guest>) -> Self {
        Self {
            consumption: consumption::ConsumptionIndices::new(pre).ok(),
            production: production::ProductionIndices::new(pre).ok(),
            registry: registry::RegistryIndices::new(pre).ok(),
        }
    }

    pub(in crate::runtime) fn load(&self, store: &mut Store<Guest>, of: &Instance) -> Exports {
        let Self {
            consumption,
            production,
            registry,
        } = self;
        Exports {
            consumption: consumption
                .as_ref()
                .and_then(|at| at.load(&mut *store, of).ok()),
            production: production
                .as_ref()
                .and_then(|at| at.load(&mut *store, of).ok()),
            registry: registry
                .as_ref()
                .and_then(|at| at.load(&mut *store, of).ok()),
        }
    }
}

/// The interfaces of an instance, ready to be called.
#[derive(Default)]
pub(in crate::runtime) struct Exports {
    pub(super) consumption: Option<consumption::Consumption>,
    pub(super) production: Option<production::Production>,
    pub(super) registry: Option<registry::Registry>,
}
