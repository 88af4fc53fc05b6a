//! Exports `leyden:grid/production` and traps when it is asked, so that tests see whose fault that is.

use leyden_sdk::exports::production;
use leyden_sdk::grid::production::{Error, Page, Place};

struct Broken;

impl production::Guest for Broken {
    fn houses_between(
        _from_ms: u64,
        _to_ms: u64,
        _community: Option<u64>,
        _start: Option<Place>,
        _limit: u32,
    ) -> Result<Page, Error> {
        panic!("told to trap")
    }
}

leyden_sdk::export_interface!(production, Broken);
