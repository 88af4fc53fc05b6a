//! Rows for other components, as pages that have each name once, and these as rows one by one for callers of
//! `leyden:grid/production`.

use leyden_sdk::exports::production_rows;
use leyden_sdk::grid::production;
use leyden_sdk::grid::production_rows::{Error, Page, Place, Row};
use leyden_sdk::series::{self, HostState, HouseRow, Span, page_limit};

use crate::{Production, logic};

impl production_rows::Guest for Production {
    fn between(
        from_ms: u64,
        to_ms: u64,
        community: Option<u64>,
        start: Option<Place>,
        limit: u32,
    ) -> Result<Page, Error> {
        leyden_sdk::init();
        let start = start.map(series::Place::from);
        let span = Span {
            from_ms,
            to_ms,
            community,
            start: start.as_ref(),
            limit: page_limit(limit),
            objects: false,
        };
        let found = logic::produced_between(&HostState, &span).map_err(leyden_sdk::Error::from)?;
        let (page, records) = found;
        let row = |at: HouseRow| {
            let record = records.get(&at.community);
            row(
                !record.is_some_and(|record| record.is_open(at.interval)),
                at,
            )
        };
        Ok(Page {
            rows: page.rows.into_iter().map(row).collect(),
            houses: page.houses,
            next: page.next.map(Place::from),
        })
    }
}

fn row(complete: bool, at: HouseRow) -> Row {
    Row {
        house: at.house,
        community: at.community,
        interval: at.interval.into(),
        power_mw: at.power.production_mw.unwrap_or(0),
        complete,
    }
}

/// A page whose rows have their names themselves.
pub(crate) fn one_by_one(page: Page) -> production::Page {
    let houses = page.houses;
    let house = |row: Row| production::HousePower {
        house: houses[row.house as usize].clone(),
        community: row.community,
        interval: row.interval,
        power_mw: row.power_mw,
        complete: row.complete,
    };
    production::Page {
        houses: page.rows.into_iter().map(house).collect(),
        next: page.next.map(|next| series::Place::from(next).into()),
    }
}
