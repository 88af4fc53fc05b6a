//! What a component exports of what metered data come from: looked up once for a version and once for an
//! instance.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::bindings::{
    consumption::{Consumption, ConsumptionIndices},
    consumption_rows,
    production::{Production, ProductionIndices},
    production_rows,
    registry::{Registry, RegistryIndices},
};
use crate::runtime::guest::Guest;

/// Where a version exports the interfaces. One that it does not export whole is left out: whoever calls it
/// then is told.
#[derive(Default)]
pub(in crate::runtime) struct Indices {
    consumption: Option<ConsumptionIndices>,
    consumption_rows: Option<consumption_rows::RowsIndices>,
    production: Option<ProductionIndices>,
    production_rows: Option<production_rows::RowsIndices>,
    registry: Option<RegistryIndices>,
}

impl Indices {
    pub(in crate::runtime) fn of(pre: &InstancePre<Guest>) -> Self {
        Self {
            consumption: ConsumptionIndices::new(pre).ok(),
            consumption_rows: consumption_rows::RowsIndices::new(pre).ok(),
            production: ProductionIndices::new(pre).ok(),
            production_rows: production_rows::RowsIndices::new(pre).ok(),
            registry: RegistryIndices::new(pre).ok(),
        }
    }

    pub(in crate::runtime) fn load(&self, store: &mut Store<Guest>, of: &Instance) -> Exports {
        /// What is exported, ready to be called.
        macro_rules! load {
            ($interface:ident) => {
                self.$interface
                    .as_ref()
                    .and_then(|at| at.load(&mut *store, of).ok())
            };
        }
        Exports {
            consumption: load!(consumption),
            consumption_rows: load!(consumption_rows),
            production: load!(production),
            production_rows: load!(production_rows),
            registry: load!(registry),
        }
    }
}

/// The interfaces of an instance, ready to be called.
#[derive(Default)]
pub(in crate::runtime) struct Exports {
    pub(super) consumption: Option<Consumption>,
    pub(super) consumption_rows: Option<consumption_rows::Rows>,
    pub(super) production: Option<Production>,
    pub(super) production_rows: Option<production_rows::Rows>,
    pub(super) registry: Option<Registry>,
}
