//! What components may import: one file per WIT package, each mapping calls of the guest onto the
//! invocation's transaction ([`crate::dispatch::work::Work`]). No backend code here.
//!
//! **Invariants.** A capability never acts by itself: reads come from the invocation's snapshot,
//! writes become effects. The bucket a guest writes to comes from the host, never from the guest.

mod clock;
pub(crate) mod data;
pub(crate) mod keyvalue;
mod ledger;
pub(crate) mod log;
mod partners;
mod random;
mod state;
mod streams;

use wasmtime::component::{HasSelf, Linker};

use crate::dispatch::{self, work};
use crate::metering::Dataset;
use crate::registry::manifest::Grants;
use crate::runtime::{Analyst, Datasets, Guest};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the WIT packages, which are documented"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "leyden:worlds/host@0.2.0",
        imports: {
            "leyden:state/store.get": async | trappable,
            "leyden:state/store.prefetch": async | trappable,
            "leyden:state/store.scan": async | trappable,
            "leyden:state/store.scan-block": async | trappable,
            "leyden:ledger/ledger.balance": async | trappable,
            "leyden:ledger/ledger.post": async | trappable,
            "leyden:partners/accounts.find": async | trappable,
            "leyden:partners/accounts.put": async | trappable,
            "leyden:partners/accounts.credit": async | trappable,
            "leyden:partners/accounts.act-for": async | trappable,
            "leyden:data/global-consumption.read": async | trappable,
            "leyden:data/production.read": async | trappable,
            "leyden:data/detailed-consumption.read": async | trappable,
            "leyden:data/production-columns.read": async | trappable,
            "leyden:data/detailed-consumption-columns.read": async | trappable,
            "leyden:data/budget.left": async | trappable,
            default: trappable,
        },
    });
}

use bindings::leyden;

/// Interfaces that the host serves to services; some only where they are granted ([`grant_missing`]).
pub(crate) const SERVED: [&str; 13] = [
    "leyden:state/store@0.1.0",
    "leyden:streams/publisher@0.1.0",
    "leyden:clock/clock@0.1.0",
    "leyden:log/log@0.1.0",
    "leyden:random/random@0.1.0",
    LEDGER,
    PARTNERS[0],
    PARTNERS[1],
    PARTNERS[2],
    PARTNERS[3],
    PARTNERS[4],
    PARTNERS[5],
    PARTNERS[6],
];

/// The interface that the grant `ledger` opens.
const LEDGER: &str = "leyden:ledger/ledger@0.1.0";

/// The interfaces that the grant `partners` opens.
const PARTNERS: [&str; 7] = [
    "leyden:partners/accounts@0.1.0",
    "leyden:data/global-consumption@0.1.0",
    "leyden:data/production@0.1.0",
    "leyden:data/detailed-consumption@0.1.0",
    "leyden:data/production-columns@0.1.0",
    "leyden:data/detailed-consumption-columns@0.1.0",
    "leyden:data/budget@0.1.0",
];

/// The grant that an interface needs and a manifest does not give, if there is one.
pub(crate) fn grant_missing(interface: &str, grants: &Grants) -> Option<&'static str> {
    if interface == LEDGER && !grants.ledger {
        return Some("ledger");
    }
    (PARTNERS.contains(&interface) && !grants.partners).then_some("partners")
}

/// Ends the invocation that the guest is in: no component can make up for a store that does not answer,
/// or go on from a snapshot that answers no more. The dispatcher runs it again where that may help.
fn end(error: work::Error) -> wasmtime::Error {
    match error {
        work::Error::Store(error) => wasmtime::Error::new(dispatch::Error::Store(error)),
        other => wasmtime::Error::new(other),
    }
}

/// Links what a service with these grants may import.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, grants: &Grants) -> wasmtime::Result<()> {
    leyden::state::store::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    leyden::streams::publisher::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    leyden::clock::clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    leyden::log::log::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    leyden::random::random::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    if grants.ledger {
        leyden::ledger::ledger::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    }
    if grants.partners {
        leyden::partners::accounts::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
        data::add_to_linker(linker, &Dataset::ALL, partners::view)?;
    }
    Ok(())
}

/// Links what a partner's component may import that was granted these datasets.
pub(crate) fn add_to_partner_linker(
    linker: &mut Linker<Analyst>,
    datasets: Datasets,
) -> wasmtime::Result<()> {
    leyden::clock::clock::add_to_linker::<Analyst, HasSelf<Analyst>>(linker, |analyst| analyst)?;
    leyden::log::log::add_to_linker::<Analyst, HasSelf<Analyst>>(linker, |analyst| analyst)?;
    let granted: Vec<Dataset> = datasets.iter().collect();
    data::add_to_linker::<Analyst>(linker, &granted, |analyst| data::DataView {
        call: analyst.reading(),
    })
}
