//! Meters: takes in what real meters measured, as rows of JSON, NDJSON or CSV, and publishes it as
//! readings. It keeps its own compact record of what it has taken in, so that the same file twice is
//! counted once and a corrected value replaces the former. Sums are not its affair.

mod days;
mod energy;
mod faults;
mod logic;
mod rows;

use leyden_sdk::grid::client_registry::{self, House};
use leyden_sdk::http::{self, Params, Request, RequestHead, Response};
use leyden_sdk::number::Number;
use leyden_sdk::rows::{Batch, Tally};
use leyden_sdk::series::{HostState, watt_hours};
use leyden_sdk::{Error, Result, streams, time};
use serde::Serialize;

use days::{Series, Taken};
use faults::Faults;
use logic::{Homes, Tallies};
use rows::Kind;

/// Names of one call to the registry, as its interface says.
const NAMES_MAX: usize = 1_000;
/// Intervals of one answer: three weeks of half-hours, below 100 KiB.
const PAGE_INTERVALS_MAX: usize = 1_000;

struct Meters;

leyden_sdk::export_rows!(Meters);
leyden_sdk::export_http!(Meters);

impl leyden_sdk::rows::Handler for Meters {
    fn handle_rows(_head: RequestHead, batch: Batch) -> Result<Vec<Tally>> {
        let mut faults = Faults::default();
        let rows = rows::read(&batch, &mut faults);
        let homes = homes(&logic::names(&rows))?;
        let (tallies, readings) = logic::take_in(&mut HostState, &rows, &homes, &mut faults)?;
        faults.into_result()?;
        for reading in &readings {
            streams::publish("house.readings", &reading.community.to_string(), reading)?;
        }
        Ok(told(tallies))
    }
}

fn homes(names: &[String]) -> Result<Homes> {
    let mut homes = Homes::new();
    for names in names.chunks(NAMES_MAX) {
        let found = client_registry::find(names)?;
        let named = names.iter().cloned().zip(found);
        homes.extend(named.filter_map(|(name, house)| Some((name, house?))));
    }
    Ok(homes)
}

fn told(tallies: Tallies) -> Vec<Tally> {
    let Tallies {
        rows,
        new,
        replaced,
        unchanged,
    } = tallies;
    let named = [
        ("rows", rows),
        ("new", new),
        ("replaced", replaced),
        ("unchanged", unchanged),
    ];
    named
        .map(|(name, count)| Tally {
            name: name.to_owned(),
            count,
        })
        .to_vec()
}

impl http::Handler for Meters {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?;
        match request.head.route.as_str() {
            "/meters/readings/{household}" => recorded(&params),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// What was taken in of one household.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    household: String,
    #[serde(rename = "houseID")]
    house_id: String,
    kind: &'static str,
    intervals: Vec<Measured>,
    /// Where the next page starts (as `from`); none at the end.
    next: Option<String>,
}

/// One interval.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    starts_at: String,
    ends_at: String,
    energy_wh: Number,
}

fn recorded(params: &Params) -> Result<Response> {
    let household = params.name("household")?;
    let (from_ms, to_ms) = (params.date("from")?, params.date("to")?);
    if to_ms <= from_ms {
        return Err(params.invalid("to", "must be after `from`"));
    }
    let kind = Kind::named(&params.string("kind")?);
    let kind =
        kind.ok_or_else(|| params.invalid("kind", "must be `consumption` or `production`"))?;
    let house = house_of(&household)?;
    let series = Series {
        house: &house.id,
        kind,
    };
    let mut taken = days::between(&HostState, series, (from_ms, to_ms), PAGE_INTERVALS_MAX + 1)?;
    let next = taken
        .get(PAGE_INTERVALS_MAX)
        .map(|one| time::format_ms(one.interval.starts_at_ms));
    taken.truncate(PAGE_INTERVALS_MAX);
    let intervals = taken.iter().map(measured).collect();
    Ok(http::json(&Recorded {
        household,
        house_id: house.id,
        kind: kind.name(),
        intervals,
        next,
    }))
}

fn measured(one: &Taken) -> Measured {
    Measured {
        starts_at: time::format_ms(one.interval.starts_at_ms),
        ends_at: time::format_ms(one.interval.ends_at_ms),
        energy_wh: Number(watt_hours(one.energy_uj.into())),
    }
}

fn house_of(household: &str) -> Result<House> {
    let found = client_registry::find(&[household.to_owned()])?;
    found.into_iter().flatten().next().ok_or_else(|| {
        Error::not_found(
            "household",
            format!("No house is registered under `{household}`."),
        )
    })
}
