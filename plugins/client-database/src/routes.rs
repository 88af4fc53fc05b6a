//! The HTTP routes under `/client-database/client-registry`.

use crate::logic::{self, COMMUNITY_MAX, DATASETS, HOUSES_PER_ANSWER_MAX, HouseView};
use crate::{consent, registry};
use leyden_sdk::grid::client_registry::House;
use leyden_sdk::http::{self, Params, Request, Response};
use leyden_sdk::state::SCAN_ENTRIES_MAX;
use leyden_sdk::{Error, Result};
use serde_json::{Map, Value, json};

/// Houses read from state at once while an answer is written.
const PAGE: u32 = 1_000;

pub(crate) fn handle(request: &Request) -> Result<Response> {
    let params = Params::of(request)?;
    let route = request
        .head
        .route
        .trim_start_matches("/client-database/client-registry/");
    match (route, request.head.method.as_str()) {
        ("allHouses", _) => all_houses(&params),
        ("house/{id}", _) => Ok(http::json(&HouseView::from(&house(
            &params.string("id")?,
            "id",
        )?))),
        ("communities", _) => communities(&params),
        ("consent", "POST") => set_consent(&params),
        ("consent", _) => show_consent(&params.bare_as("houseID")),
        _ => Err(http::unknown_route(request)),
    }
}

fn house(id: &str, field: &str) -> Result<House> {
    registry::get(id)?
        .ok_or_else(|| Error::not_found(field, format!("No house has the id `{id}`.")))
}

/// All houses by id, or a page of them: `limit` houses after the id `after`. Where more follow, a
/// `Link` header with `rel="next"` says how to go on.
fn all_houses(params: &Params) -> Result<Response> {
    let limit = params.optional("limit", |p, name| {
        p.u64_within(name, 1, HOUSES_PER_ANSWER_MAX)
    })?;
    let mut left = limit.unwrap_or(HOUSES_PER_ANSWER_MAX);
    let mut after = params.optional("after", Params::name)?;
    let mut body = vec![b'['];
    while left > 0 {
        let page = registry::houses(
            after.as_deref(),
            u32::try_from(left).unwrap_or(PAGE).min(PAGE),
        )?;
        let Some(last) = page.last() else { break };
        write_houses(&mut body, &page);
        after = Some(last.id.clone());
        left -= page.len() as u64;
    }
    body.push(b']');
    let more = left == 0 && !registry::houses(after.as_deref(), 1)?.is_empty();
    Ok(with_next(body, after.filter(|_| more)))
}

/// Appends houses to a JSON array that is being written.
fn write_houses(body: &mut Vec<u8>, houses: &[House]) {
    for house in houses {
        if body.len() > 1 {
            body.push(b',');
        }
        serde_json::to_writer(&mut *body, &HouseView::from(house)).expect("a house is JSON");
    }
}

fn with_next(body: Vec<u8>, next: Option<String>) -> Response {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(next.map(|id| ("link".to_owned(), format!("<?after={id}>; rel=\"next\""))));
    Response {
        status: 200,
        headers,
        body,
    }
}

/// Communities by id with the number of their houses; `limit` communities after the id `after`.
fn communities(params: &Params) -> Result<Response> {
    let max = u64::from(SCAN_ENTRIES_MAX);
    let limit = params
        .optional("limit", |p, name| p.u64_within(name, 1, max))?
        .unwrap_or(max);
    let after = params.optional("after", |p, name| p.u64_within(name, 0, COMMUNITY_MAX))?;
    let limit = u32::try_from(limit).unwrap_or(SCAN_ENTRIES_MAX);
    let page = registry::communities(after.map_or(0, |id| id + 1), limit)?;
    let shown = page
        .iter()
        .map(|(id, houses)| json!({ "communityID": id, "houses": houses }));
    Ok(http::json(&shown.collect::<Vec<_>>()))
}

fn set_consent(params: &Params) -> Result<Response> {
    let name = params.string("dataset")?;
    let known = DATASETS.map(|(name, _)| name).join(", ");
    let dataset = logic::dataset(&name)
        .ok_or_else(|| params.invalid("dataset", &format!("must be one of {known}")))?;
    let granted = params.bool("granted")?;
    let house = house(&params.string("houseID")?, "houseID")?;
    consent::set(dataset, &house.id, granted)?;
    Ok(http::no_content())
}

fn show_consent(params: &Params) -> Result<Response> {
    let house = house(&params.string("houseID")?, "houseID")?;
    let mut shown = Map::new();
    for (name, dataset) in DATASETS {
        shown.insert(
            name.to_owned(),
            Value::Bool(consent::is_granted(dataset, &house.id)?),
        );
    }
    Ok(http::json(
        &json!({ "houseID": house.id, "granted": shown }),
    ))
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
