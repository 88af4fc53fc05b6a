//! Calls of the host itself into the active components that metered data come from, inside an invocation
//! and its transaction: rows of consumption and production, who withholds what.
//! Typed, unlike the bridge, since partner code is behind them.
//!
//! **Invariant.** A callee that fails ends the invocation with an error of the host ([`Error`]), which is
//! never the reader's: nothing is charged then. [`Error::Deadline`] says that the invocation's own time was up.

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the WIT packages"
)]
mod bindings;
mod callee;
mod exports;
mod pages;
mod released;

use std::collections::HashSet;
use std::sync::Arc;

pub(super) use exports::{Exports, Indices};

use super::guest::Call;
use crate::dispatch::{Culprit, Error};
use crate::metering::{Dataset, Interval, Place, Purse, Rows, made_up};
use crate::registry::Active;
use bindings::consumption::leyden::grid::events;
use bindings::registry;
use callee::Callee;

const REGISTRY: &str = "leyden:grid/client-registry@0.1.0";

/// What the host calls for who reads metered data.
pub(crate) const CALLED: [&str; 6] = [
    pages::CONSUMPTION,
    pages::PRODUCTION,
    released::CONSUMPTION,
    released::PRODUCTION,
    REGISTRY,
    super::access::ACCESS,
];

/// Rows that one call returns at most, as the interfaces say.
pub(crate) const ROWS_MAX: u32 = 1_000;

/// Which rows are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Start of the time, ms since 1970, included.
    pub(crate) from_ms: u64,
    /// Its end, excluded.
    pub(crate) to_ms: u64,
    /// Only this community; none: all.
    pub(crate) community: Option<u64>,
    /// The first row; none: from the beginning.
    pub(crate) start: Option<Place>,
    /// Most rows, 1 to [`ROWS_MAX`].
    pub(crate) limit: u32,
}

/// Rows by their place.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// At most as many as were asked for.
    pub(crate) rows: Rows,
    /// Where more start; none at the end.
    pub(crate) next: Option<Place>,
}

/// Rows that a dataset is made of.
pub(crate) async fn rows(
    call: &mut Option<Box<Call>>,
    dataset: Dataset,
    ask: Ask,
) -> wasmtime::Result<Page> {
    if is_made_up(call) {
        return Ok(made_up_rows(dataset, &ask));
    }
    let is_produced = dataset == Dataset::Production;
    let objects = dataset == Dataset::DetailedConsumption;
    let in_pages = match is_produced {
        true => is_served(call, pages::PRODUCTION),
        false => is_served(call, pages::CONSUMPTION),
    };
    match (is_produced, in_pages) {
        (true, true) => pages::produced(call, ask).await,
        (true, false) => released::produced(call, ask).await,
        (false, true) => pages::drawn(call, ask, objects).await,
        (false, false) => released::drawn(call, ask, objects).await,
    }
}

/// Whether a component of the invocation's generation exports an interface.
fn is_served(call: &Option<Box<Call>>, interface: &str) -> bool {
    let generation = call.as_ref().map(|call| &call.generation);
    generation.is_some_and(|generation| generation.interface(interface).is_some())
}

/// Whether an invocation reads of made-up households.
fn is_made_up(call: &Option<Box<Call>>) -> bool {
    let meter = call.as_ref().and_then(|call| call.work.meter.as_ref());
    meter.is_some_and(|meter| meter.purse == Purse::MadeUp)
}

fn made_up_rows(dataset: Dataset, ask: &Ask) -> Page {
    let time = Interval {
        starts_at_ms: ask.from_ms,
        ends_at_ms: ask.to_ms,
    };
    let limit = usize::try_from(ask.limit).unwrap_or(1);
    let start = ask.start.as_ref();
    let (rows, next) = made_up::rows(dataset, time, ask.community, start, limit);
    Page { rows, next }
}

/// Asks the component that exports an interface for a page of rows: what it answers, and who it is. Each interface has types
/// and functions of its own for what is the same.
macro_rules! answered {
    (
        $call:ident, $ask:ident, $interface:ident: $wit:ident,
        $exports:ident.$grid:ident.$function:ident($($more:expr)?)
    ) => {{
        let mut callee = Callee::enter($call, $interface).await?;
        let Some(exports) = &callee.instance.grid.$exports else {
            return Err(callee.missing());
        };
        let start = $ask.start.as_ref().map(|place| $wit::Place {
            interval: to_wit(place.interval),
            community: place.community,
            house: place.house.to_string(),
        });
        let answer = exports
            .$grid()
            .$function(
                &mut callee.instance.store,
                $ask.from_ms,
                $ask.to_ms,
                $ask.community,
                start.as_ref(),
                $ask.limit,
                $($more)?
            )
            .await;
        let (answer, by) = callee.leave($call, answer)?;
        let page = answer.map_err(|$wit::Error::State(reason)| later(&by, reason))?;
        (page, by)
    }};
}
use answered;

/// Of these houses (at most 10,000), those that withhold a dataset; others may be among them.
pub(crate) async fn withheld(
    call: &mut Option<Box<Call>>,
    dataset: Dataset,
    houses: &[Arc<str>],
) -> wasmtime::Result<HashSet<String>> {
    use registry::exports::leyden::grid::client_registry as wit;
    if is_made_up(call) {
        return Ok(HashSet::new());
    }
    let (Some(first), Some(last)) = (houses.iter().min(), houses.iter().max()) else {
        return Ok(HashSet::new());
    };
    let dataset = match dataset {
        Dataset::GlobalConsumption => wit::Dataset::GlobalConsumption,
        Dataset::Production => wit::Dataset::Production,
        Dataset::DetailedConsumption => wit::Dataset::DetailedConsumption,
    };
    let mut callee = Callee::enter(call, REGISTRY).await?;
    let Some(exports) = &callee.instance.grid.registry else {
        return Err(callee.missing());
    };
    let exports = exports.leyden_grid_client_registry();
    let store = &mut callee.instance.store;
    let limit = u32::try_from(houses.len()).unwrap_or(u32::MAX);
    // Few withhold: mostly they come at once, and no list of houses has to go there.
    let answer = match exports
        .call_withheld_within(&mut *store, dataset, first, last, limit)
        .await
    {
        Ok(Ok(Some(withheld))) => Ok(Ok(withheld)),
        Ok(Ok(None)) => {
            let houses: Vec<&str> = houses.iter().map(AsRef::as_ref).collect();
            exports.call_withheld(store, dataset, &houses).await
        }
        Ok(Err(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    };
    let (answer, by) = callee.leave(call, answer)?;
    match answer {
        Ok(withheld) => Ok(withheld.into_iter().collect()),
        Err(wit::Error::State(reason)) => Err(later(&by, reason)),
        Err(other) => {
            let rule = format!("does not say who withholds a dataset: {other:?}");
            Err(wasmtime::Error::new(Error::Misbehaved(by.culprit(), rule)))
        }
    }
}

/// The component's state could not be read: the invocation may be run again.
fn later(by: &Active, reason: String) -> wasmtime::Error {
    let culprit: Culprit = by.culprit();
    wasmtime::Error::new(Error::Retry(culprit, reason))
}

fn to_wit(interval: Interval) -> events::Interval {
    events::Interval {
        starts_at_ms: interval.starts_at_ms,
        ends_at_ms: interval.ends_at_ms,
    }
}

fn interval(interval: events::Interval) -> Interval {
    Interval {
        starts_at_ms: interval.starts_at_ms,
        ends_at_ms: interval.ends_at_ms,
    }
}

fn place(at: events::Interval, community: u64, house: Arc<str>) -> Place {
    Place {
        interval: interval(at),
        community,
        house,
    }
}
