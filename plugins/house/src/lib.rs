//! Houses and what is plugged in there. It answers `/house/…`, exports `leyden:grid/devices`, and
//! on each tick of the clock publishes what the meter of every simulated house sees.
//!
//! It neither decides a house's community (the registry does) nor when a scheduled object runs (the
//! scheduler does), and it keeps no readings. Invariants: a house's objects are one record; the sum
//! of what a community's BASIC objects may draw always matches those records, for both are written
//! in the same invocation; a tick writes no state.

mod codec;
mod houses;
mod import;
mod logic;
mod object;
mod routes;
mod tick;
mod view;

use leyden_sdk::grid::devices::{Error, PlannedSlot};
use leyden_sdk::http::{Request, RequestHead, Response};
use leyden_sdk::rows::{Batch, Tally};
use leyden_sdk::streams::Event;
use leyden_sdk::{Result, exports, http, init, rows, streams};

struct House;

impl http::Handler for House {
    fn handle(request: Request) -> Result<Response> {
        routes::handle(&request)
    }
}

impl rows::Handler for House {
    fn handle_rows(_head: RequestHead, batch: Batch) -> Result<Vec<Tally>> {
        import::handle(&batch)
    }
}

impl streams::Handler for House {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        batch.iter().try_for_each(tick::handle)
    }
}

impl exports::devices::Guest for House {
    fn reschedule(
        house: String,
        object: String,
        at_ms: u64,
        moved: Option<PlannedSlot>,
    ) -> Result<(), Error> {
        init();
        houses::reschedule(house, object, at_ms, moved)
    }
}

leyden_sdk::export_http!(House);
leyden_sdk::export_rows!(House);
leyden_sdk::export_streams!(House);
leyden_sdk::export_interface!(devices, House);
