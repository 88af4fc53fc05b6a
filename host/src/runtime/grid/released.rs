//! Rows from components that were built before `pages.rs` had its interfaces, and export
//! `leyden:grid/consumption` and `leyden:grid/production` alone: each row has its names itself.

use super::bindings::{consumption, production};
use super::callee::Callee;
use super::{Ask, Page, answered, later, place, to_wit};
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
    let (page, _) = answered!(
        call, ask, CONSUMPTION: wit,
        consumption.leyden_grid_consumption.call_houses_between(objects)
    );
    let object = |object: wit::ObjectPower| (object.name.into(), object.power_mw);
    Ok(rows_of!(page, row => row.objects.into_iter().map(object)))
}

/// What houses produced.
pub(super) async fn produced(call: &mut Option<Box<Call>>, ask: Ask) -> wasmtime::Result<Page> {
    use production::exports::leyden::grid::production as wit;
    let (page, _) = answered!(
        call, ask, PRODUCTION: wit,
        production.leyden_grid_production.call_houses_between()
    );
    Ok(rows_of!(page, row => []))
}
