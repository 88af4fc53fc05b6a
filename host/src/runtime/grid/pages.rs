//! Rows from components that export `leyden:grid/consumption-rows` and `leyden:grid/production-rows`: a page has
//! each name once, and rows refer to it.

use std::sync::Arc;

use super::bindings::{consumption_rows, production_rows};
use super::callee::Callee;
use super::{Ask, Rows, later, place, start_of, to_wit};
use crate::dispatch::Error;
use crate::metering::Row;
use crate::registry::Active;
use crate::runtime::guest::Call;

/// Where rows of consumption come from.
pub(super) const CONSUMPTION: &str = "leyden:grid/consumption-rows@0.1.0";

/// Where rows of production come from.
pub(super) const PRODUCTION: &str = "leyden:grid/production-rows@0.1.0";

/// The rows of an interface's page with the names that they have, and where more start.
macro_rules! rows_of {
    ($page:ident, $by:ident, $of:ident => $objects:expr) => {{
        let houses = shared($page.houses);
        let row = |$of: wit::Row| {
            let house = houses.get($of.house as usize)?.clone();
            Some(Row {
                place: place($of.interval, $of.community, house),
                power_mw: $of.power_mw,
                objects: $objects?,
                complete: $of.complete,
            })
        };
        let rows: Option<Vec<Row>> = $page.rows.into_iter().map(row).collect();
        let next = $page.next;
        Rows {
            rows: rows.ok_or_else(|| misnamed(&$by))?,
            houses,
            next: next.map(|next| place(next.interval, next.community, next.house.into())),
        }
    }};
}

/// Names that rows share.
fn shared(names: Vec<String>) -> Vec<Arc<str>> {
    names.into_iter().map(Arc::from).collect()
}

/// A row refers to what its page does not have.
fn misnamed(by: &Active) -> wasmtime::Error {
    let rule = "refers to houses or objects that its page does not have".to_owned();
    wasmtime::Error::new(Error::Misbehaved(by.culprit(), rule))
}

/// What houses drew, with their objects or without.
pub(super) async fn drawn(
    call: &mut Option<Box<Call>>,
    ask: Ask,
    objects: bool,
) -> wasmtime::Result<Rows> {
    use consumption_rows::exports::leyden::grid::consumption_rows as wit;
    let mut callee = Callee::enter(call, CONSUMPTION).await?;
    let Some(exports) = &callee.instance.grid.consumption_rows else {
        return Err(callee.missing());
    };
    let start = start_of!(wit, ask);
    let answer = exports
        .leyden_grid_consumption_rows()
        .call_between(
            &mut callee.instance.store,
            ask.from_ms,
            ask.to_ms,
            ask.community,
            start.as_ref(),
            ask.limit,
            objects,
        )
        .await;
    let (answer, by) = callee.leave(call, answer)?;
    let page = answer.map_err(|wit::Error::State(reason)| later(&by, reason))?;
    let names = shared(page.object_names);
    let named = |object: wit::ObjectPower| {
        let name = names.get(object.name as usize)?;
        Some((name.clone(), object.power_mw))
    };
    let mut left = page.objects.into_iter();
    let mut objects = |count: u32| {
        let objects: Option<Vec<_>> = left.by_ref().take(count as usize).map(named).collect();
        objects.filter(|objects| objects.len() == count as usize)
    };
    Ok(rows_of!(page, by, row => objects(row.objects)))
}

/// What houses produced.
pub(super) async fn produced(call: &mut Option<Box<Call>>, ask: Ask) -> wasmtime::Result<Rows> {
    use production_rows::exports::leyden::grid::production_rows as wit;
    let mut callee = Callee::enter(call, PRODUCTION).await?;
    let Some(exports) = &callee.instance.grid.production_rows else {
        return Err(callee.missing());
    };
    let start = start_of!(wit, ask);
    let answer = exports
        .leyden_grid_production_rows()
        .call_between(
            &mut callee.instance.store,
            ask.from_ms,
            ask.to_ms,
            ask.community,
            start.as_ref(),
            ask.limit,
        )
        .await;
    let (answer, by) = callee.leave(call, answer)?;
    let page = answer.map_err(|wit::Error::State(reason)| later(&by, reason))?;
    Ok(rows_of!(page, by, row => Some(Vec::new())))
}
