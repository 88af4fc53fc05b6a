//! Production: takes in the stream of readings and keeps what every producer fed in and the sums per
//! community and in total. Serves `production-api` and exports `leyden:grid/production`, and the same
//! rows as `leyden:grid/production-rows`.
//!
//! A date reads the interval that contains it. Powers are means over their interval, in W. Where
//! nothing was measured the answer is `null`, never 0.

mod logic;
mod rows;

use leyden_sdk::exports::{production, production_rows};
use leyden_sdk::grid::{client_registry, production as grid_production};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::series::{self, HostState, Reading, watts};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result};

struct Production;

leyden_sdk::export_streams!(Production);
leyden_sdk::export_http!(Production);
leyden_sdk::export_interface!(production, Production);
leyden_sdk::export_interface!(production_rows, Production);

impl streams::Handler for Production {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        let readings = batch.iter().map(reading).collect::<Result<Vec<_>>>()?;
        let partition = streams::partition(&batch);
        let expired = logic::apply(&mut HostState, partition, &readings)?;
        if expired > 0 {
            leyden_sdk::warn!(
                "{expired} readings left out: older than what is kept of their community"
            );
        }
        Ok(())
    }
}

fn reading(event: &Event) -> Result<Reading<'_>> {
    Reading::parse(&event.payload)
        .map_err(|rule| Error::malformed(format!("Record {} is {rule}.", event.offset)))
}

impl http::Handler for Production {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?;
        match request.head.route.as_str() {
            "/production-api/total-production" | "/production-api/total-production/{date}" => {
                total_production(&params.bare_as("date"))
            }
            "/production-api/community-production" => community_production(&params),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

fn total_production(params: &Params) -> Result<Response> {
    let power = series::total_at(&HostState, params.date("date")?)?;
    Ok(http::json_number(power.production_mw.map(watts)))
}

fn community_production(params: &Params) -> Result<Response> {
    let (at_ms, community) = (params.date("date")?, params.u64("communityID")?);
    let power_mw = series::community_at(&HostState, at_ms, community)?.production_mw;
    if power_mw.is_none() && !client_registry::community_exists(community)? {
        let detail = format!("No house belongs to community {community}.");
        return Err(Error::not_found("communityID", detail));
    }
    Ok(http::json_number(power_mw.map(watts)))
}

impl production::Guest for Production {
    fn houses_between(
        from_ms: u64,
        to_ms: u64,
        community: Option<u64>,
        start: Option<grid_production::Place>,
        limit: u32,
    ) -> Result<grid_production::Page, grid_production::Error> {
        use production_rows::Guest as _;
        let start = start.map(|start| series::Place::from(start).into());
        let page = Self::between(from_ms, to_ms, community, start, limit);
        Ok(rows::one_by_one(page.map_err(Error::from)?))
    }
}
