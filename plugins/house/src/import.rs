//! Registers many houses at once: one JSON document a row, each what `add-house` and then
//! `add-object` would take. A batch is one transaction: all its houses or none.

use crate::{houses, logic, routes};
use leyden_sdk::http::{Params, ProblemKind, Request, RequestHead};
use leyden_sdk::rows::{Batch, Format, Tally};
use leyden_sdk::{Error, Result};

/// Takes in one batch.
pub(crate) fn handle(batch: &Batch) -> Result<Vec<Tally>> {
    if matches!(batch.format, Format::Csv) {
        let detail = "Houses are taken as application/json or application/x-ndjson.";
        return Err(Error::reject(ProblemKind::UnsupportedMediaType, detail));
    }
    for (number, row) in (batch.first_row..).zip(&batch.rows) {
        add(row).map_err(|error| at_row(error, number))?;
    }
    let count = batch.rows.len() as u64;
    Ok(vec![Tally {
        name: "houses".into(),
        count,
    }])
}

fn add(row: &[u8]) -> Result<()> {
    let params = document(row.to_vec())?;
    let id = houses::add(&routes::registration(&params)?)?;
    let objects = match params.value("objects") {
        None => return Ok(()),
        Some(serde_json::Value::Array(objects)) => objects,
        Some(_) => return Err(params.invalid("objects", "must be a list")),
    };
    let parse = |object: &serde_json::Value| {
        logic::parse_object(&document(object.to_string().into_bytes())?)
    };
    let objects: Vec<_> = objects.iter().map(parse).collect::<Result<_>>()?;
    houses::update(&id, |present| {
        objects
            .into_iter()
            .try_for_each(|object| logic::add(present, object))
    })
}

/// A JSON document's members as parameters.
fn document(bytes: Vec<u8>) -> Result<Params> {
    let head = RequestHead {
        method: "POST".into(),
        route: String::new(),
        path: String::new(),
        params: Vec::new(),
        query: None,
        headers: vec![("content-type".into(), "application/json".into())],
    };
    Params::of(&Request { head, body: bytes })
}

/// The refusal with the row it is about.
fn at_row(error: Error, number: u64) -> Error {
    let Error::Reject(mut problem) = error else {
        return error;
    };
    problem.detail = format!("Row {number}: {}", problem.detail);
    for field in &mut problem.errors {
        field.row = Some(number);
    }
    Error::Reject(problem)
}
