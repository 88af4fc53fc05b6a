//! Rows from components that were built before `pages.rs` had its interfaces, and export
//! `leyden:grid/consumption` and `leyden:grid/production` alone: each row has its names itself.

use super::bindings::{consumption, production};
use super::callee::Callee;
use super::{Ask, Page, later, place, start_of, to_wit};
use crate::metering::Picked;
use crate::runtime::guest::Call;

/// Where rows of consumption come from.
pub(super) const CONSUMPTION: &str = "leyden:grid/consumption@0.1.0";

/// Where rows of production come from.
pub(super) const PRODUCTION: &str = "leyden:grid/production@0.1.0";

/// The rows of an interface's page, and where more start.
macro_rules! rows_of {
    ($page:ident, $row:ident => $objects:expr) => {{
        let mut rows = Picked::default();
        for $row in $page.houses {
            let at = place($row.interval, $row.community, $row.house.into());
            rows.add(&at, $row.power_mw, $objects, $row.complete);
        }
        let next = $page.next;
        Page {
            rows: rows.into_rows(),
            next: next.map(|next| place(next.interval, next.community, next.house.into())),
        }
    }};
}

/// What houses drew, with their objects or without.
pub(super) async fn drawn(
    call: &mut Option<Box<Call>>,
    ask: Ask,
    objects: bool,
) -> wasmtime::Result<Page> {
    use consumption::exports::leyden::grid::consumption as wit;
    let mut callee = Callee::enter(call, CONSUMPTION).await?;
    let Some(exports) = &callee.instance.grid.consumption else {
        return Err(callee.missing());
    };
    let start = start_of!(wit, ask);
    let answer = exports
        .leyden_grid_consumption()
        .call_houses_between(
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
    let object = |object: wit::ObjectPower| (object.name.into(), object.power_mw);
    Ok(rows_of!(page, row => row.objects.into_iter().map(object)))
}

/// What houses produced.
pub(super) async fn produced(call: &mut Option<Box<Call>>, ask: Ask) -> wasmtime::Result<Page> {
    use production::exports::leyden::grid::production as wit;
    let mut callee = Callee::enter(call, PRODUCTION).await?;
    let Some(exports) = &callee.instance.grid.production else {
        return Err(callee.missing());
    };
    let start = start_of!(wit, ask);
    let answer = exports
        .leyden_grid_production()
        .call_houses_between(
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
    Ok(rows_of!(page, row => []))
}
