//! The HTTP routes under `/house`.

use crate::{houses, logic, view};
use leyden_sdk::Result;
use leyden_sdk::grid::client_registry::Registration;
use leyden_sdk::http::{self, Params, Request, Response};

/// Highest community id, as in the registry: the last whole number exact in every JSON reader.
const COMMUNITY_MAX: u64 = (1 << 53) - 1;

pub(crate) fn handle(request: &Request) -> Result<Response> {
    let params = Params::of(request)?;
    let route = request.head.route.trim_start_matches("/house/");
    match (route, request.head.method.as_str()) {
        ("house-editor/add-house", _) => add_house(&params.bare_as("client_name")),
        ("house-editor/house/{id}/add-object", _) => add_object(&params),
        ("house-editor/house/{id}/get_all_object", _) => show_objects(&params),
        ("house-editor/house/{id}/remove-object", _) => remove_object(&params.bare_as("name")),
        ("house-editor/house/{id}/object/{name}", "DELETE") => remove_object(&params),
        ("house-editor/house/{id}/object/{name}", _) => enable_object(&params.bare_as("enabled")),
        ("manage-schedul-object/{id}/scheduled-object/{name}/requestTimeSlot", _) => {
            request_slot(&params)
        }
        _ => Err(http::unknown_route(request)),
    }
}

fn add_house(params: &Params) -> Result<Response> {
    Ok(http::text(houses::add(&registration(params)?)?))
}

/// What a new house brings.
pub(crate) fn registration(params: &Params) -> Result<Registration> {
    Ok(Registration {
        client_name: params.name("client_name")?,
        community: params.optional("communityID", |p, name| {
            p.u64_within(name, 1, COMMUNITY_MAX)
        })?,
        household: params.optional("household", Params::name)?,
    })
}

fn add_object(params: &Params) -> Result<Response> {
    let object = logic::parse_object(params)?;
    houses::update(&params.string("id")?, |objects| logic::add(objects, object))?;
    Ok(http::no_content())
}

fn show_objects(params: &Params) -> Result<Response> {
    let objects = houses::objects(&params.string("id")?)?;
    Ok(http::json(
        &objects.iter().map(view::object).collect::<Vec<_>>(),
    ))
}

fn remove_object(params: &Params) -> Result<Response> {
    let name = params.string("name")?;
    houses::update(&params.string("id")?, |objects| {
        logic::remove(objects, &name)
    })?;
    Ok(http::no_content())
}

fn enable_object(params: &Params) -> Result<Response> {
    let (name, enabled) = (params.string("name")?, params.bool("enabled")?);
    houses::update(&params.string("id")?, |objects| {
        logic::enable(objects, &name, enabled)
    })?;
    Ok(http::no_content())
}

fn request_slot(params: &Params) -> Result<Response> {
    let (slot, max_mw) = houses::request_slot(&params.string("id")?, &params.string("name")?)?;
    Ok(http::json(&view::slot(&slot, max_mw)))
}
