//! Rows for other components, as pages that have each name once, and these as rows one by one for callers of
//! `leyden:grid/consumption`.

use leyden_sdk::exports::consumption_rows;
use leyden_sdk::grid::consumption;
use leyden_sdk::grid::consumption_rows::{Error, ObjectPower, Page, Place, Row};
use leyden_sdk::series::{self, HostState, HouseRow, ObjectRow, Span, page_limit};

use crate::{Consumption, logic};

impl consumption_rows::Guest for Consumption {
    fn between(
        from_ms: u64,
        to_ms: u64,
        community: Option<u64>,
        start: Option<Place>,
        limit: u32,
        objects: bool,
    ) -> Result<Page, Error> {
        leyden_sdk::init();
        let start = start.map(series::Place::from);
        let span = Span {
            from_ms,
            to_ms,
            community,
            start: start.as_ref(),
            limit: page_limit(limit),
            objects,
        };
        let found = logic::drawn_between(&HostState, &span).map_err(leyden_sdk::Error::from)?;
        let (page, communities) = found;
        let row = |at: HouseRow| {
            let latest = communities.get(&at.community);
            row(
                !latest.is_some_and(|latest| latest.is_open(at.interval)),
                at,
            )
        };
        Ok(Page {
            rows: page.rows.into_iter().map(row).collect(),
            houses: page.houses,
            objects: page.objects.into_iter().map(object).collect(),
            object_names: page.object_names,
            next: page.next.map(Place::from),
        })
    }
}

fn row(complete: bool, at: HouseRow) -> Row {
    Row {
        house: at.house,
        community: at.community,
        interval: at.interval.into(),
        power_mw: at.power.consumption_mw.unwrap_or(0),
        objects: at.objects,
        complete,
    }
}

fn object(object: ObjectRow) -> ObjectPower {
    ObjectPower {
        name: object.name,
        power_mw: object.consumption_mw,
    }
}

/// A page whose rows have their names themselves.
pub(crate) fn one_by_one(page: Page) -> consumption::Page {
    let (houses, names) = (page.houses, page.object_names);
    let mut objects = page
        .objects
        .into_iter()
        .map(|object| consumption::ObjectPower {
            name: names[object.name as usize].clone(),
            power_mw: object.power_mw,
        });
    let house = |row: Row| consumption::HousePower {
        house: houses[row.house as usize].clone(),
        community: row.community,
        interval: row.interval,
        power_mw: row.power_mw,
        objects: objects.by_ref().take(row.objects as usize).collect(),
        complete: row.complete,
    };
    consumption::Page {
        houses: page.rows.into_iter().map(house).collect(),
        next: page.next.map(|next| series::Place::from(next).into()),
    }
}
