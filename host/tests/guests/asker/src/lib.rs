//! Asks a policy, through the interface that it was built against, what the body says, and answers with what
//! was decided. Bodies name an input's fields as the WIT does, in snake case. Nothing is checked or kept.

use leyden_sdk::http::{self, Request, Response};
use leyden_sdk::policy::{access, assignment, peak_limit, schedule, shed};
use leyden_sdk::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

struct Asker;

leyden_sdk::export_http!(Asker);

impl http::Handler for Asker {
    fn handle(request: Request) -> Result<Response> {
        let body = &request.body;
        let decided = match http::path_param(&request.head, "policy")? {
            "access" => access(&read(body)?),
            "assignment" => assignment(read(body)?),
            "peak-limit" => peak_limit(&read(body)?),
            "schedule" => schedule(read(body)?),
            "shed" => shed(read(body)?),
            _ => return Err(http::unknown_route(&request)),
        };
        Ok(http::json(&decided))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::malformed(error.to_string()))
}

#[derive(Deserialize)]
struct Access {
    dataset: String,
    trust_level: u32,
    at_ms: u64,
}

fn access(input: &Access) -> Value {
    let dataset = match input.dataset.as_str() {
        "production" => access::Dataset::Production,
        "detailed-consumption" => access::Dataset::DetailedConsumption,
        _ => access::Dataset::GlobalConsumption,
    };
    let (trust_level, at_ms) = (input.trust_level, input.at_ms);
    let decision = access::decide(access::Input {
        dataset,
        trust_level,
        at_ms,
    });
    let compute = access::compute_price(access::Compute { trust_level, at_ms });
    let decision = match decision {
        access::Decision::Granted(price) => json!({ "granted": price }),
        access::Decision::NotTrusted(needed) => json!({ "not-trusted": needed }),
    };
    json!([decision, compute])
}

#[derive(Deserialize)]
struct Assignment {
    client_name: String,
    classes: Vec<(u32, u32, u64)>,
    first_free_id: u64,
}

fn assignment(input: Assignment) -> Value {
    let class = |(houses, communities, lowest_id)| assignment::SizeClass {
        houses,
        communities,
        lowest_id,
    };
    let decided = assignment::assign(&assignment::Input {
        client_name: input.client_name,
        classes: input.classes.into_iter().map(class).collect(),
        first_free_id: input.first_free_id,
    });
    json!(decided)
}

#[derive(Deserialize)]
struct PeakLimit {
    community: u64,
    at_ms: u64,
    houses: u32,
}

fn peak_limit(input: &PeakLimit) -> Value {
    let limits = peak_limit::limit(peak_limit::Input {
        community: input.community,
        at_ms: input.at_ms,
        houses: input.houses,
    });
    json!([limits.open_above_w, limits.close_at_w])
}

#[derive(Deserialize)]
struct Schedule {
    now_ms: u64,
    community: u64,
    not_before_ms: u64,
    duration_ms: u64,
    power_w: f64,
    reason: String,
    limit_w: f64,
    base_load_w: f64,
    planned: Vec<Planned>,
}

#[derive(Deserialize)]
struct Planned {
    house: String,
    object: String,
    power_w: f64,
    starts_at_ms: u64,
    ends_at_ms: u64,
}

impl From<Planned> for schedule::PlannedLoad {
    fn from(load: Planned) -> Self {
        let slot = schedule::Slot {
            starts_at_ms: load.starts_at_ms,
            ends_at_ms: load.ends_at_ms,
        };
        Self {
            house: load.house,
            object: load.object,
            power_w: load.power_w,
            slot,
        }
    }
}

fn schedule(input: Schedule) -> Value {
    let reason = match input.reason.as_str() {
        "shed" => schedule::Reason::Shed,
        _ => schedule::Reason::Requested,
    };
    let plan = schedule::decide(&schedule::Input {
        now_ms: input.now_ms,
        community: input.community,
        not_before_ms: input.not_before_ms,
        duration_ms: input.duration_ms,
        power_w: input.power_w,
        reason,
        limit_w: input.limit_w,
        base_load_w: input.base_load_w,
        planned: input.planned.into_iter().map(Into::into).collect(),
    });
    json!([plan.slot.starts_at_ms, plan.slot.ends_at_ms, plan.power_w])
}

#[derive(Deserialize)]
struct Shed {
    now_ms: u64,
    community: u64,
    consumption_w: f64,
    limit_w: f64,
    loads: Vec<Load>,
}

#[derive(Deserialize)]
struct Load {
    house: String,
    object: String,
    power_w: f64,
    ends_at_ms: u64,
    last_shed_at_ms: Option<u64>,
}

impl From<Load> for shed::Load {
    fn from(load: Load) -> Self {
        Self {
            house: load.house,
            object: load.object,
            power_w: load.power_w,
            ends_at_ms: load.ends_at_ms,
            last_shed_at_ms: load.last_shed_at_ms,
        }
    }
}

fn shed(input: Shed) -> Value {
    let decided = shed::shed(&shed::Input {
        now_ms: input.now_ms,
        community: input.community,
        consumption_w: input.consumption_w,
        limit_w: input.limit_w,
        loads: input.loads.into_iter().map(Into::into).collect(),
    });
    json!(decided)
}
