//! Rows from components that export `leyden:grid/consumption-rows` and `leyden:grid/production-rows`: a page has
//! each name once, and rows refer to it.

use std::sync::Arc;

use super::bindings::{consumption_rows, production_rows};
use super::callee::Callee;
use super::{Ask, Page, answered, interval, later, place, to_wit};
use crate::dispatch::Error;
use crate::metering::{ObjectPower, Row, Rows};
use crate::registry::Active;
use crate::runtime::guest::Call;

/// Where rows of consumption come from.
pub(super) const CONSUMPTION: &str = "leyden:grid/consumption-rows@0.1.0";

/// Where rows of production come from.
pub(super) const PRODUCTION: &str = "leyden:grid/production-rows@0.1.0";

/// The rows of an interface's page with what they refer to, and where more start.
macro_rules! rows_of {
    ($page:ident, $by:ident, $objects:expr, $names:expr, $row:ident => $count:expr) => {{
        let mut objects_before = 0_u32;
        let row = |$row: wit::Row| {
            let (first_object, objects) = (objects_before, $count);
            objects_before = objects_before.saturating_add(objects);
            Row {
                interval: interval($row.interval),
                community: $row.community,
                house: $row.house,
                power_mw: $row.power_mw,
                first_object,
                objects,
                complete: $row.complete,
            }
        };
        let rows = Rows {
            rows: $page.rows.into_iter().map(row).collect(),
            houses: shared($page.houses),
            objects: $objects,
            object_names: $names,
        };
        if !rows.is_sound() {
            return Err(misnamed(&$by));
        }
        let next = $page.next;
        Ok(Page {
            rows,
            next: next.map(|next| place(next.interval, next.community, next.house.into())),
        })
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
) -> wasmtime::Result<Page> {
    use consumption_rows::exports::leyden::grid::consumption_rows as wit;
    let (page, by) = answered!(
        call, ask, CONSUMPTION: wit,
        consumption_rows.leyden_grid_consumption_rows.call_between(objects)
    );
    let object = |object: wit::ObjectPower| ObjectPower {
        name: object.name,
        power_mw: object.power_mw,
    };
    let objects = page.objects.into_iter().map(object).collect();
    let names = shared(page.object_names);
    rows_of!(page, by, objects, names, row => row.objects)
}

/// What houses produced.
pub(super) async fn produced(call: &mut Option<Box<Call>>, ask: Ask) -> wasmtime::Result<Page> {
    use production_rows::exports::leyden::grid::production_rows as wit;
    let (page, by) = answered!(
        call, ask, PRODUCTION: wit,
        production_rows.leyden_grid_production_rows.call_between()
    );
    rows_of!(page, by, Vec::new(), Vec::new(), row => 0)
}
