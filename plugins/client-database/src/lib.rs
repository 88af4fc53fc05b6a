//! The registry of clients: which houses there are, in which community, called what, and which
//! datasets each household withholds. It exports `leyden:grid/client-registry` and answers
//! `/client-database/client-registry/…`.
//!
//! It does not know what is plugged in at a house. Invariants: a house never changes its community
//! and is never removed; the counts per community and per community size always match the houses,
//! for they are written in the same invocation.

mod codec;
mod consent;
mod logic;
mod registry;
mod routes;

use leyden_sdk::grid::client_registry::{Dataset, Error, House, Registration};
use leyden_sdk::http::{Request, Response};
use leyden_sdk::{Result, exports, http, init};

/// Most names that one `find` resolves; each is up to three reads.
const FIND_MAX: usize = 1_000;

/// Most houses that one `withheld` judges; each is up to one read.
const WITHHELD_MAX: usize = 10_000;

struct ClientDatabase;

impl http::Handler for ClientDatabase {
    fn handle(request: Request) -> Result<Response> {
        routes::handle(&request)
    }
}

impl exports::client_registry::Guest for ClientDatabase {
    fn register(registration: Registration) -> Result<House, Error> {
        init();
        registry::register(registration)
    }

    fn get_house(id: String) -> Result<House, Error> {
        init();
        registry::get(&id)?.ok_or(Error::UnknownHouse(id))
    }

    fn find(names: Vec<String>) -> Result<Vec<Option<House>>, Error> {
        init();
        at_most(FIND_MAX, names.len())?;
        Ok(registry::find_all(&names)?)
    }

    fn community_exists(id: u64) -> Result<bool, Error> {
        init();
        Ok(registry::houses_in(id)?.is_some())
    }

    fn withheld(dataset: Dataset, houses: Vec<String>) -> Result<Vec<String>, Error> {
        init();
        at_most(WITHHELD_MAX, houses.len())?;
        Ok(consent::withheld(dataset, houses)?)
    }

    fn withheld_within(
        dataset: Dataset,
        first: String,
        last: String,
        limit: u32,
    ) -> Result<Option<Vec<String>>, Error> {
        init();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(consent::within(dataset, &first, &last, limit)?)
    }
}

leyden_sdk::export_http!(ClientDatabase);
leyden_sdk::export_interface!(client_registry, ClientDatabase);

fn at_most(limit: usize, asked: usize) -> Result<(), Error> {
    if asked <= limit {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "At most {limit} houses can be asked for in one call."
    )))
}
