//! Consumption: takes in the stream of readings, keeps what every house drew and the sums per
//! community and in total, and tells each interval's balance as it changes. Serves `consumption-api` and
//! `consumption-detailed` and exports `leyden:grid/consumption`, the same rows as `leyden:grid/consumption-rows`, and
//! `leyden:grid/balances`.
//!
//! A date reads the interval that contains it. Powers are means over their interval, in W. Where
//! nothing was measured the answer is `null`, never 0.

mod latest;
mod logic;
mod rows;

use leyden_sdk::exports::{balances, consumption, consumption_rows};
use leyden_sdk::grid::{
    balances as grid_balances, client_registry, consumption as grid_consumption,
};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::number::Number;
use leyden_sdk::series::{self, HostState, Reading, watt_hours, watts};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result, time};
use serde::Serialize;

struct Consumption;

leyden_sdk::export_streams!(Consumption);
leyden_sdk::export_http!(Consumption);
leyden_sdk::export_interface!(consumption, Consumption);
leyden_sdk::export_interface!(consumption_rows, Consumption);
leyden_sdk::export_interface!(balances, Consumption);

impl streams::Handler for Consumption {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        let readings = batch.iter().map(reading).collect::<Result<Vec<_>>>()?;
        let partition = streams::partition(&batch);
        let applied = logic::apply(&mut HostState, partition, &readings)?;
        for balance in &applied.balances {
            streams::publish("community.balance", &balance.community.to_string(), balance)?;
        }
        if applied.expired > 0 {
            leyden_sdk::warn!(
                "{} readings left out: older than what is kept of their community",
                applied.expired
            );
        }
        Ok(())
    }
}

fn reading(event: &Event) -> Result<Reading<'_>> {
    Reading::parse(&event.payload)
        .map_err(|rule| Error::malformed(format!("Record {} is {rule}.", event.offset)))
}

impl http::Handler for Consumption {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?;
        match request.head.route.as_str() {
            "/consumption-api/total-consumption" | "/consumption-api/total-consumption/{date}" => {
                total_consumption(&params.bare_as("date"))
            }
            "/consumption-api/community-consumption" => community_consumption(&params),
            "/consumption-api/energy" => energy(&params),
            "/consumption-detailed/get-detailed-consumption" => detailed_consumption(&params),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

fn total_consumption(params: &Params) -> Result<Response> {
    let power = series::total_at(&HostState, params.date("date")?)?;
    Ok(http::json_number(power.consumption_mw.map(watts)))
}

/// The power comes as a JSON string of the number, as callers of this route expect it.
fn community_consumption(params: &Params) -> Result<Response> {
    let (at_ms, community) = (params.date("date")?, params.u64("communityID")?);
    let power_mw = series::community_at(&HostState, at_ms, community)?.consumption_mw;
    if power_mw.is_none() {
        check_community(community)?;
    }
    Ok(http::json(&power_mw.map(|mw| printed(watts(mw)))))
}

fn printed(number: f64) -> String {
    serde_json::to_string(&Number(number)).unwrap_or_default()
}

/// 404 for a community without houses. Asked only where there is no data: a community with data exists.
fn check_community(community: u64) -> Result<()> {
    if client_registry::community_exists(community)? {
        return Ok(());
    }
    Err(Error::not_found(
        "communityID",
        format!("No house belongs to community {community}."),
    ))
}

/// Answer of `consumption-api/energy`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnergyAnswer {
    consumption_wh: Option<Number>,
    production_wh: Option<Number>,
    intervals: u32,
    highest: Option<Highest>,
}

/// The interval with the highest mean power drawn.
#[derive(Serialize)]
struct Highest {
    start: String,
    end: String,
    power: Number,
}

fn energy(params: &Params) -> Result<Response> {
    let (from_ms, to_ms) = (params.date("from")?, params.date("to")?);
    if to_ms <= from_ms {
        return Err(params.invalid("to", "must be after `from`"));
    }
    let community = params.optional("communityID", Params::u64)?;
    let energy = series::energy(&HostState, from_ms, to_ms, community)?;
    if let (Some(community), 0) = (community, energy.intervals) {
        check_community(community)?;
    }
    Ok(http::json(&EnergyAnswer {
        consumption_wh: energy.consumption_uj.map(|uj| Number(watt_hours(uj))),
        production_wh: energy.production_uj.map(|uj| Number(watt_hours(uj))),
        intervals: energy.intervals,
        highest: energy.highest.map(|(interval, power_mw)| Highest {
            start: time::format_ms(interval.starts_at_ms),
            end: time::format_ms(interval.ends_at_ms),
            power: Number(watts(power_mw)),
        }),
    }))
}

fn detailed_consumption(params: &Params) -> Result<Response> {
    let (at_ms, house_id) = (params.date("date")?, params.string("houseID")?);
    let object = params.optional("objectName", Params::string)?;
    let house = client_registry::get_house(&house_id)?;
    let rows = series::house_at(&HostState, at_ms, house.community, &house.id)?;
    let power_mw = logic::detailed_mw(&rows, object.as_deref());
    let power_mw = power_mw.map_err(|logic::UnknownObject| unknown_object(object.as_deref()))?;
    Ok(http::json_number(power_mw.map(watts)))
}

fn unknown_object(name: Option<&str>) -> Error {
    let name = name.unwrap_or_default();
    Error::not_found(
        "objectName",
        format!("The house has no object `{name}` at that instant."),
    )
}

impl consumption::Guest for Consumption {
    fn total_at(at_ms: u64) -> Result<Option<f64>, grid_consumption::Error> {
        leyden_sdk::init();
        let power = series::total_at(&HostState, at_ms).map_err(Error::from)?;
        Ok(power.consumption_mw.map(watts))
    }

    fn houses_between(
        from_ms: u64,
        to_ms: u64,
        community: Option<u64>,
        start: Option<grid_consumption::Place>,
        limit: u32,
        objects: bool,
    ) -> Result<grid_consumption::Page, grid_consumption::Error> {
        use consumption_rows::Guest as _;
        let start = start.map(|start| series::Place::from(start).into());
        let page = Self::between(from_ms, to_ms, community, start, limit, objects);
        Ok(rows::one_by_one(page.map_err(Error::from)?))
    }
}

impl balances::Guest for Consumption {
    fn latest_consumption(community: u64) -> Result<Option<f64>, grid_balances::Error> {
        leyden_sdk::init();
        let power_mw = logic::latest_consumption_mw(&HostState, community).map_err(Error::from)?;
        Ok(power_mw.map(watts))
    }
}

#[cfg(test)]
mod tests;
