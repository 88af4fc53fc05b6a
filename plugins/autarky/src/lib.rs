//! Oversight of self-sufficiency: keeps every community's balances, tells `community.autarky` when
//! a community becomes autarkic or no longer is, and serves net power and rates as `autarky-api`.
//! It measures nothing itself.
//!
//! State: see `history`.

mod history;
mod logic;

use leyden_sdk::grid::client_registry;
use leyden_sdk::grid::events::{AutarkyChange, Balance};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::number::Number;
use leyden_sdk::series::{self, HostState, Interval};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result};
use serde::Serialize;

leyden_sdk::export_http!(Autarky);
leyden_sdk::export_streams!(Autarky);

/// The component: one stateless value that carries the exports.
struct Autarky;

impl streams::Handler for Autarky {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        let mut history = history::Batch::new(streams::partition(&batch));
        let balances = batch.iter().map(balance).collect::<Result<Vec<_>>>()?;
        history.prefetch(&HostState, &balances)?;
        for (interval, balance) in &balances {
            if let Some(autarky) = history.record(&mut HostState, *interval, balance)? {
                tell(balance.community, autarky)?;
            }
        }
        Ok(history.finish(&mut HostState)?)
    }
}

fn balance(event: &Event) -> Result<(Interval, Balance)> {
    let balance = streams::decode(event)?;
    Ok((interval(&balance)?, balance))
}

fn interval(balance: &Balance) -> Result<Interval> {
    let interval = Interval::new(balance.interval.starts_at_ms, balance.interval.ends_at_ms);
    interval.map_err(|rule| Error::invalid("interval", rule))
}

fn tell(community: u64, autarky: bool) -> Result<()> {
    let change = AutarkyChange {
        type_: "Community".to_owned(),
        id: community,
        autarky,
    };
    streams::publish("community.autarky", &community.to_string(), &change)
}

impl http::Handler for Autarky {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?;
        match request.head.route.as_str() {
            "/autarky-api/get-community-autarky" => community_autarky(&params),
            "/autarky-api/get-community-rates" => community_rates(&params),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// Net power at an instant, W; `null` where consumption was not measured.
fn community_autarky(params: &Params) -> Result<Response> {
    let at_ms = params.date("date")?;
    let community = community(params)?;
    let power = series::community_at(&HostState, at_ms, community)?;
    Ok(http::json_number(logic::net_mw(power).map(logic::watts)))
}

/// The community asked for, which has to exist.
fn community(params: &Params) -> Result<u64> {
    let community = params.u64("communityID")?;
    if client_registry::community_exists(community)? {
        return Ok(community);
    }
    Err(Error::not_found(
        "communityID",
        format!("No community has the id {community}."),
    ))
}

/// Energies and rates in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rates {
    consumption_wh: Number,
    production_wh: Number,
    self_consumed_wh: Number,
    imported_wh: Number,
    exported_wh: Number,
    autarky_rate: Option<Number>,
    self_consumption_rate: Option<Number>,
    intervals: u32,
}

/// Energies and rates over the intervals that lie whole in `[from, to)`.
fn community_rates(params: &Params) -> Result<Response> {
    let (from_ms, to_ms) = (params.date("from")?, params.date("to")?);
    if to_ms <= from_ms {
        return Err(params.invalid("to", "must be after `from`"));
    }
    let community = community(params)?;
    let sums = history::energies(&HostState, community, from_ms, to_ms);
    let sums = sums.map_err(|error| match error {
        series::Error::TooManyIntervals(max) => params.invalid(
            "to",
            &format!("must be at most {max} intervals after `from`"),
        ),
        other => other.into(),
    })?;
    Ok(http::json(&Rates {
        consumption_wh: Number(sums.consumed_wh()),
        production_wh: Number(sums.produced_wh()),
        self_consumed_wh: Number(sums.self_consumed_wh()),
        imported_wh: Number(sums.imported_wh()),
        exported_wh: Number(sums.exported_wh()),
        autarky_rate: sums.autarky_rate().map(Number),
        self_consumption_rate: sums.self_consumption_rate().map(Number),
        intervals: sums.intervals,
    }))
}
