//! Sells metered data to partners for datapoints. A read, the check of what it needs and its
//! payment are one transaction: a partner never pays for what it did not get, nor gets what it did
//! not pay for. It holds no measurements; a household is known to a partner by a pseudonym only.
//!
//! State: `p/<partner id>` holds trust level and key (see `logic::Partner`). Datapoints lie in
//! the ledger: `issuer` creates them, `partner/<id>` holds them, `revenue` takes what is paid.

mod logic;
mod market;
mod secrecy;

use hmac::digest::Digest;
use leyden_sdk::grid::{consumption, production};
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::ledger::{self, Transfer};
use leyden_sdk::number::Number;
use leyden_sdk::policy::access::Dataset;
use leyden_sdk::{Error, Result, time, uuid};
use logic::{CREDIT_MAX, Partner, TRUST_LEVEL_MAX, Total};
use market::{Counter, Query, Rows};
use serde::Serialize;

leyden_sdk::export_http!(PartnerApi);

/// The component: one stateless value that carries the export.
struct PartnerApi;

/// Most rows of one answer, and how many there are where the caller names no `limit`.
const ROWS_MAX: u64 = 1_000;

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
    let key = market::find(&id)?.map_or_else(new_key, |partner| partner.key);
    let trust_level = u32::try_from(trust_level).unwrap_or(0);
    market::put(&id, &Partner { trust_level, key })?;
    if datapoints > 0 {
        credit(&id, datapoints)?;
    }
    Ok(http::no_content())
}

/// A secret key: 366 random bits, condensed to 256.
fn new_key() -> [u8; 32] {
    let random = [uuid::new_v4(), uuid::new_v4(), uuid::new_v4()].concat();
    sha2::Sha256::digest(random).into()
}

/// Credits datapoints to a registered partner.
fn add_datapoint(params: &Params) -> Result<Response> {
    let id = params.name("partnerID")?;
    let datapoints = params.u64_within("datapoint", 1, CREDIT_MAX)?;
    market::partner(&id)?;
    credit(&id, datapoints)?;
    Ok(http::no_content())
}

fn credit(id: &str, datapoints: u64) -> Result<()> {
    let transfer = Transfer {
        debit: "issuer".to_owned(),
        credit: logic::account(id),
        amount: datapoints,
        reference: "credit".to_owned(),
    };
    ledger::post(&transfer).map_err(|error| match error {
        ledger::Error::Amount(_) => Error::invalid(
            "datapoint",
            "must not make the balance larger than an account can hold",
        ),
        other => other.into(),
    })
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
        datapoint: ledger::balance(&logic::account(&id))?,
        trust_level: partner.trust_level,
    }))
}

fn query(params: &Params, dataset: Dataset) -> Result<Query> {
    let within = |params: &Params, name: &str| params.u64_within(name, 1, ROWS_MAX);
    let limit = params.optional("limit", within)?.unwrap_or(ROWS_MAX);
    Ok(Query {
        partner_id: params.name("partnerID")?,
        dataset,
        at_ms: params.date("date")?,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        cursor: params.optional("cursor", Params::string)?,
    })
}

/// Global consumption in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GlobalConsumption {
    consumption_date: String,
    consumption: Number,
    households: u64,
}

/// What consenting households draw together; `null` where none of them has data.
fn global_consumption(params: &Params) -> Result<Response> {
    let query = query(params, Dataset::GlobalConsumption)?;
    let total = logic::sell(&mut Counter::<Total>::new(&query), query.dataset)?;
    Ok(private(http::json(&total.map(|total| GlobalConsumption {
        consumption_date: time::format_ms(query.at_ms),
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
    let query = query(params, Dataset::Production)?;
    let mut counter = Counter::<Rows<production::HousePower>>::new(&query);
    let rows = logic::sell(&mut counter, query.dataset)?;
    Ok(rows_answer(rows, |id_producer, row| Producer {
        id_producer,
        production_date: time::format_ms(row.interval.starts_at_ms),
        production: Number(row.power_w),
    }))
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
    let query = query(params, Dataset::DetailedConsumption)?;
    let mut counter = Counter::<Rows<consumption::HousePower>>::new(&query);
    let rows = logic::sell(&mut counter, query.dataset)?;
    let object = |object: consumption::ObjectPower| Object {
        name: object.name,
        consumption: Number(object.power_w),
    };
    Ok(rows_answer(rows, |id_consumer, row| Consumer {
        id_consumer,
        consumption_date: time::format_ms(row.interval.starts_at_ms),
        consumption: Number(row.power_w),
        objects: row.objects.into_iter().map(object).collect(),
    }))
}

/// An array of rows; where more follow, a header carries the cursor.
fn rows_answer<T, A: Serialize>(
    rows: Option<Rows<T>>,
    answer: impl Fn(String, T) -> A,
) -> Response {
    let (rows, next) = rows.map_or_else(Default::default, |rows| (rows.rows, rows.next));
    let answers: Vec<_> = rows.into_iter().map(|(id, row)| answer(id, row)).collect();
    let mut response = private(http::json(&answers));
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
