//! Partners' accounts and single reads over HTTP, as the reference scenario has them. What a read needs,
//! costs and leaves out is the host's doing: this is one more reader of `leyden:data`, which acts for the
//! partner that a request names. A read and its payment are one transaction.
//!
//! State: `p/<partner id>`, written by former versions only; see `market`.

mod logic;
mod market;

use leyden_sdk::data::{detailed_consumption, global_consumption, production, types};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::number::Number;
use leyden_sdk::{Result, accounts, time};
use logic::{Dataset, Total};
use serde::Serialize;

leyden_sdk::export_http!(PartnerApi);

/// The component: one stateless value that carries the export.
struct PartnerApi;

/// Most datapoints of one credit: far above any price, far below what a ledger account can hold.
const CREDIT_MAX: u64 = 1_000_000_000_000;

/// The highest trust level an operator can give.
const TRUST_LEVEL_MAX: u64 = 10;

/// Most rows of one answer, and how many there are where the caller names no `limit`.
const ROWS_MAX: u32 = 1_000;

/// Header of an answer that is not the last: the parameter `cursor` of the request for more.
const NEXT_CURSOR: &str = "x-next-cursor";

impl http::Handler for PartnerApi {
    fn handle(request: Request) -> Result<Response> {
        let params = Params::of(&request)?;
        match request.head.route.as_str() {
            "/partner-api/add-partner" => add_partner(&params),
            "/partner-api/add-datapoint" => add_datapoint(&params),
            "/partner-api/get-partner-info" | "/partner-api/get-partner-info/{partnerID}" => {
                partner_info(&params.bare_as("partnerID"))
            }
            "/partner-api/request-global-consumption" => global_consumption(&params),
            "/partner-api/request-production" => production(&params),
            "/partner-api/request-detailed-consumption" => detailed_consumption(&params),
            _ => Err(http::unknown_route(&request)),
        }
    }
}

/// Registers a partner, or sets the trust level of one; either way credits the datapoints.
fn add_partner(params: &Params) -> Result<Response> {
    let id = params.name("partnerID")?;
    let datapoints = params.u64_within("datapoint", 0, CREDIT_MAX)?;
    let trust_level = params.u64_within("trustLevel", 0, TRUST_LEVEL_MAX)?;
    market::put(&id, u32::try_from(trust_level).unwrap_or(0))?;
    if datapoints > 0 {
        market::credit(&id, datapoints)?;
    }
    Ok(http::no_content())
}

/// Credits datapoints to a registered partner.
fn add_datapoint(params: &Params) -> Result<Response> {
    let id = params.name("partnerID")?;
    let datapoints = params.u64_within("datapoint", 1, CREDIT_MAX)?;
    market::partner(&id)?;
    market::credit(&id, datapoints)?;
    Ok(http::no_content())
}

/// A partner in an answer.
#[derive(Serialize)]
struct PartnerInfo<'a> {
    id_partner: &'a str,
    #[serde(rename = "dataPoint")]
    datapoint: u64,
    #[serde(rename = "trustLevel")]
    trust_level: u32,
}

fn partner_info(params: &Params) -> Result<Response> {
    let id = params.name("partnerID")?;
    let partner = market::partner(&id)?;
    Ok(http::json(&PartnerInfo {
        id_partner: &id,
        datapoint: partner.datapoints,
        trust_level: partner.trust_level,
    }))
}

/// A request for what there is at an instant.
struct Wish {
    dataset: Dataset,
    partner: accounts::Partner,
    query: types::Query,
}

impl Wish {
    /// Reads the parameters and finds the partner, for whom this invocation acts from then on.
    fn of(params: &Params, dataset: Dataset) -> Result<Self> {
        let within = |params: &Params, name: &str| params.u64_within(name, 1, ROWS_MAX.into());
        let limit = params.optional("limit", within)?;
        let limit = limit.and_then(|limit| u32::try_from(limit).ok());
        let partner_id = params.name("partnerID")?;
        let at_ms = params.date("date")?;
        let cursor = params.optional("cursor", Params::string)?;
        Ok(Self {
            dataset,
            partner: market::act_for(&partner_id)?,
            query: types::Query {
                from_ms: at_ms,
                to_ms: at_ms + 1,
                community: None,
                cursor,
                limit: limit.unwrap_or(ROWS_MAX),
            },
        })
    }

    /// What was read; none where there is nothing to be had.
    fn judge<T>(&self, read: Result<T, types::Error>) -> Result<Option<T>> {
        read.map(Some)
            .or_else(|error| logic::refusal(self.dataset, self.partner.trust_level, error))
    }
}

/// Global consumption in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GlobalConsumption {
    consumption_date: String,
    consumption: Number,
    households: u64,
}

/// What consenting households draw together; `null` where none of them has data. Meters of another interval
/// length are a group of their own, which is added where it may be told.
fn global_consumption(params: &Params) -> Result<Response> {
    let wish = Wish::of(params, Dataset::GlobalConsumption)?;
    let page = wish.judge(global_consumption::read(&wish.query))?;
    let total = page.map(|page| {
        let mut total = Total::default();
        let groups = page.readings.iter();
        groups.for_each(|group| total.add(group.power_w, group.households));
        total
    });
    let total = total.filter(|total| total.households > 0);
    Ok(private(http::json(&total.map(|total| GlobalConsumption {
        consumption_date: time::format_ms(wish.query.from_ms),
        consumption: Number(total.power_w()),
        households: total.households,
    }))))
}

/// A producer in an answer.
#[derive(Serialize)]
struct Producer {
    id_producer: String,
    #[serde(rename = "productionDate")]
    production_date: String,
    production: Number,
}

fn production(params: &Params) -> Result<Response> {
    let wish = Wish::of(params, Dataset::Production)?;
    let page = wish.judge(production::read(&wish.query))?;
    let (rows, next) = page.map_or_else(Default::default, |page| (page.readings, page.next));
    let producer = |row: production::Reading| Producer {
        id_producer: row.household,
        production_date: time::format_ms(row.interval.starts_at_ms),
        production: Number(row.power_w),
    };
    Ok(rows_answer(rows.into_iter().map(producer), next))
}

/// A consumer in an answer.
#[derive(Serialize)]
struct Consumer {
    id_consumer: String,
    #[serde(rename = "consumptionDate")]
    consumption_date: String,
    consumption: Number,
    objects: Vec<Object>,
}

/// An object of a consumer.
#[derive(Serialize)]
struct Object {
    name: String,
    consumption: Number,
}

fn detailed_consumption(params: &Params) -> Result<Response> {
    let wish = Wish::of(params, Dataset::DetailedConsumption)?;
    let page = wish.judge(detailed_consumption::read(&wish.query))?;
    let (rows, next) = page.map_or_else(Default::default, |page| (page.readings, page.next));
    let object = |object: detailed_consumption::ObjectPower| Object {
        name: object.name,
        consumption: Number(object.power_w),
    };
    let consumer = |row: detailed_consumption::Reading| Consumer {
        id_consumer: row.household,
        consumption_date: time::format_ms(row.interval.starts_at_ms),
        consumption: Number(row.power_w),
        objects: row.objects.into_iter().map(object).collect(),
    };
    Ok(rows_answer(rows.into_iter().map(consumer), next))
}

/// An array of rows; where more follow, a header carries the cursor.
fn rows_answer<A: Serialize>(rows: impl Iterator<Item = A>, next: Option<String>) -> Response {
    let rows: Vec<_> = rows.collect();
    let mut response = private(http::json(&rows));
    response
        .headers
        .extend(next.map(|next| (NEXT_CURSOR.to_owned(), next)));
    response
}

/// Keeps bought data out of caches between the host and the partner.
fn private(mut response: Response) -> Response {
    response
        .headers
        .push(("cache-control".to_owned(), "no-store".to_owned()));
    response
}
