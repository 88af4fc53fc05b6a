//! `leyden:data`: metered datasets, for whoever an invocation reads for. The same view serves partner code
//! and the operator's own components.
//!
//! **Invariant.** A dataset that is not granted is not linked.

mod read;
mod rows;
mod stop;
mod sums;

use wasmtime::component::{HasData, Linker};

use super::leyden::data::{budget, global_consumption, types};
use crate::metering::{Dataset, Interval, Query, Refusal};
use crate::runtime::Call;
use stop::answer;

/// What datasets are read through: the place where the invocation lies while its guest has it. The host
/// takes it out to hand it to the components that the data come from, and puts it back.
pub(crate) struct DataView<'a> {
    /// The invocation; its transaction has the [`crate::metering::Meter`].
    pub(crate) call: &'a mut Option<Box<Call>>,
}

/// Says that [`DataView`] is what the host's functions work on.
struct Metered;

impl HasData for Metered {
    type Data<'a> = DataView<'a>;
}

/// Links the budget and the datasets that are granted.
///
/// # Errors
/// The linker has one of them already.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    granted: &[Dataset],
    get: fn(&mut T) -> DataView<'_>,
) -> wasmtime::Result<()> {
    budget::add_to_linker::<T, Metered>(linker, get)?;
    for dataset in granted {
        let interface = format!("leyden:data/{dataset}@0.1.0");
        let columns = format!("leyden:data/{dataset}-columns@0.1.0");
        match dataset {
            Dataset::GlobalConsumption => {
                global_consumption::add_to_linker::<T, Metered>(linker, get)?;
            }
            Dataset::Production => {
                rows::link(linker, &interface, *dataset, get, rows::produced)?;
                rows::link(linker, &columns, *dataset, get, rows::produced_columns)?;
            }
            Dataset::DetailedConsumption => {
                rows::link(linker, &interface, *dataset, get, rows::drawn)?;
                rows::link(linker, &columns, *dataset, get, rows::drawn_columns)?;
            }
        }
    }
    Ok(())
}

impl budget::Host for DataView<'_> {
    async fn left(&mut self) -> wasmtime::Result<u64> {
        read::left(self.call).await
    }

    fn spent(&mut self) -> wasmtime::Result<u64> {
        Ok(read::meter(self.call)?.map_or(0, |meter| meter.tab.spent()))
    }
}

impl global_consumption::Host for DataView<'_> {
    async fn read(
        &mut self,
        query: types::Query,
    ) -> wasmtime::Result<Result<global_consumption::Page, types::Error>> {
        let query = from_wit(Dataset::GlobalConsumption, query);
        answer(sums::read(self.call, query).await)
    }
}

fn from_wit(dataset: Dataset, query: types::Query) -> Query {
    Query {
        dataset,
        from_ms: query.from_ms,
        to_ms: query.to_ms,
        community: query.community,
        cursor: query.cursor,
        limit: query.limit,
    }
}

/// The one place where a refusal becomes the guest's error.
fn to_error(refusal: Refusal) -> types::Error {
    match refusal {
        Refusal::OutOfCredit { price, left } => {
            types::Error::OutOfCredit(types::Shortfall { price, left })
        }
        Refusal::NotConsented => types::Error::NotConsented,
        Refusal::NotTrusted(needed) => types::Error::NotTrusted(needed),
        Refusal::NoData => types::Error::NoData,
        Refusal::Suppressed(rule) => types::Error::Suppressed(rule.0),
        Refusal::Invalid(rule) => types::Error::Invalid(rule),
        Refusal::Limit(which) => types::Error::Limit(which),
    }
}

fn to_wit(interval: Interval) -> types::Interval {
    types::Interval {
        starts_at_ms: interval.starts_at_ms,
        ends_at_ms: interval.ends_at_ms,
    }
}

fn quality(complete: bool) -> types::Quality {
    if complete {
        types::Quality::Complete
    } else {
        types::Quality::Partial
    }
}

/// A power in W; exact up to 2^53 mW.
fn watts(power_mw: u64) -> f64 {
    power_mw as f64 / 1_000.0
}
