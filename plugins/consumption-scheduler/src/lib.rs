//! Plans flexible loads: asks the schedule policy for slots, keeps each community's plan, and when
//! a peak opens asks the shed policy which loads stop and plans them anew. It neither measures nor
//! switches: the `devices` interface does the latter.

mod logic;
mod plan;
mod sheds;

use leyden_sdk::exports::scheduler;
use leyden_sdk::grid::devices::{self, PlannedSlot};
use leyden_sdk::grid::events::{Interval, Peak};
use leyden_sdk::grid::scheduler::{Error as SchedulerError, Load};
use leyden_sdk::grid::{balances, client_registry};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::policy::schedule::Reason;
use leyden_sdk::policy::{peak_limit, schedule, shed};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result, number, time};
use logic::{Move, Planned, Situation, Wish};
use serde::Serialize;

leyden_sdk::export_http!(ConsumptionScheduler);
leyden_sdk::export_streams!(ConsumptionScheduler);
leyden_sdk::export_interface!(scheduler, ConsumptionScheduler);

/// The component: one stateless value that carries the exports.
struct ConsumptionScheduler;

impl scheduler::Guest for ConsumptionScheduler {
    fn request_slot(load: Load) -> Result<PlannedSlot, SchedulerError> {
        leyden_sdk::init();
        request(&load)
    }
}

/// Plans a load that a household asks for; its former place, if it has one, is given up.
fn request(load: &Load) -> Result<PlannedSlot, SchedulerError> {
    let now_ms = time::now_ms();
    plan::prune(load.community, now_ms)?;
    let planned = plan::read(load.community, now_ms)?;
    let wish = Wish {
        house: load.house.clone(),
        object: load.object.clone(),
        power_w: load.power_w,
        duration_ms: load.duration_ms,
        not_before_ms: now_ms,
        reason: Reason::Requested,
    };
    let situation = situation(load, &planned, now_ms)?;
    let placed = logic::place(&wish, &planned, situation, &mut schedule::decide)
        .map_err(SchedulerError::BadDecision)?;
    plan::replace(load.community, &planned, &placed)?;
    Ok(slot(&placed))
}

fn situation(load: &Load, planned: &[Planned], now_ms: u64) -> Result<Situation, SchedulerError> {
    let measured_w = balances::latest_consumption(load.community).map_err(Error::from)?;
    let planned_w = logic::planned_power_w(planned, now_ms);
    let base_load_w = logic::base_load_w(load.base_load_w, measured_w, planned_w);
    Ok(Situation {
        community: load.community,
        now_ms,
        limit_w: limit_w(load.community, now_ms),
        base_load_w,
    })
}

/// The power limit of a community, W. How many houses will report is not known ahead: 0.
fn limit_w(community: u64, at_ms: u64) -> f64 {
    peak_limit::limit(peak_limit::Input {
        community,
        at_ms,
        houses: 0,
    })
    .open_above_w
}

fn slot(planned: &Planned) -> PlannedSlot {
    let interval = Interval {
        starts_at_ms: planned.starts_at_ms,
        ends_at_ms: planned.ends_at_ms,
    };
    PlannedSlot {
        interval,
        power_w: planned.power_w,
    }
}

impl streams::Handler for ConsumptionScheduler {
    fn handle(_stream: &str, batch: Vec<Event>) -> Result<()> {
        batch
            .iter()
            .try_for_each(|event| relieve(&streams::decode(event)?))
    }
}

/// Stops the loads that the shed policy names and plans them anew. A policy that breaks its
/// contract may be replaced meanwhile, so the peak is handled again then.
fn relieve(peak: &Peak) -> Result<()> {
    let now_ms = time::now_ms();
    plan::prune(peak.community_id, now_ms)?;
    let planned = plan::read(peak.community_id, now_ms)?;
    let sheds = sheds::read(peak.community_id)?;
    let (drawing, loads) = logic::candidates(&planned, &sheds, now_ms);
    if drawing.is_empty() {
        return Ok(());
    }
    let planned_w = logic::planned_power_w(&planned, now_ms);
    let situation = Situation {
        community: peak.community_id,
        now_ms,
        limit_w: limit_w(peak.community_id, now_ms),
        base_load_w: logic::base_load_w(0.0, Some(peak.peak_value), planned_w),
    };
    let indices = shed::shed(&shed::Input {
        now_ms,
        community: peak.community_id,
        consumption_w: peak.peak_value,
        limit_w: situation.limit_w,
        loads,
    });
    let stopped = logic::chosen(&drawing, &indices).map_err(|rule| bad_decision("shed", &rule))?;
    let moves = logic::replan(&planned, stopped, situation, &mut schedule::decide);
    let moves = moves.map_err(|rule| bad_decision("schedule", &rule))?;
    sheds::make_room(peak.community_id, &sheds, moves.len(), now_ms)?;
    moves
        .iter()
        .try_for_each(|a_move| carry_out(peak.community_id, a_move, now_ms))
}

fn bad_decision(policy: &str, rule: &str) -> Error {
    Error::Retry(format!("the {policy} policy broke its contract: {rule}"))
}

/// Moves a load in its house and in the plan. A load that is gone only leaves the plan.
fn carry_out(community: u64, a_move: &Move, now_ms: u64) -> Result<()> {
    let Move { stopped, moved } = a_move;
    plan::remove(community, stopped)?;
    match devices::reschedule(&stopped.house, &stopped.object, now_ms, Some(slot(moved))) {
        Ok(()) => {
            sheds::note(community, stopped, now_ms)?;
            plan::add(community, moved)
        }
        Err(devices::Error::UnknownHouse(_) | devices::Error::UnknownObject(_)) => {
            leyden_sdk::warn!("{} of house {} is gone", stopped.object, stopped.house);
            Ok(())
        }
        Err(devices::Error::State(reason)) => Err(Error::Retry(reason)),
    }
}

/// A planned load in an answer.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(rename = "houseID")]
    house_id: &'a str,
    #[serde(rename = "objectName")]
    object_name: &'a str,
    /// Power while it runs, W.
    #[serde(rename = "powerW", serialize_with = "number::serialize")]
    power_w: f64,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
}

impl http::Handler for ConsumptionScheduler {
    fn handle(request: Request) -> Result<Response> {
        match request.head.route.as_str() {
            "/consumption-scheduler/plan" | "/consumption-scheduler/plan/{communityID}" => {
                list(&Params::of(&request)?.bare_as("communityID"))
            }
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// The plan of a community from now on, by start. A plan is bounded by [`logic::LOADS_MAX`].
fn list(params: &Params) -> Result<Response> {
    let community = params.u64("communityID")?;
    if !client_registry::community_exists(community)? {
        let detail = format!("No community has the id {community}.");
        return Err(Error::not_found("communityID", detail));
    }
    let mut planned = plan::read(community, time::now_ms())?;
    planned.sort_by_key(|load| load.starts_at_ms);
    let listed: Vec<_> = planned.iter().map(listed).collect();
    Ok(http::json(&listed))
}

fn listed(load: &Planned) -> Listed<'_> {
    Listed {
        house_id: &load.house,
        object_name: &load.object,
        power_w: load.power_w,
        starts_at: time::format_ms(load.starts_at_ms),
        ends_at: time::format_ms(load.ends_at_ms),
    }
}
