//! What every client of a function, and whoever deploys one, can rely on.

mod answers;
mod bodies;
mod chance;
mod failures;
mod fairness;
mod outbound;
mod raw;
mod records;
mod restart;
mod reuse;
mod surroundings;
mod uploads;
mod values;

use leyden::operators::Operator;
use leyden::registry::Activation;
use leyden::registry::manifest::attach;

use crate::support::{built, guest, name};
use crate::web::{PATIENCE, Web, run, send};

/// A host with nothing but the test components.
async fn host() -> Web {
    Web::start(&built("guests"), |_| {}).await
}

/// A host with the component `web` as a function of that name; `manifest` is what it adds to an empty one.
async fn with_web(manifest: &str) -> Web {
    let web = host().await;
    deploy(&web, "web", manifest).await;
    web
}

/// Deploys the component `web` under a name.
async fn deploy(web: &Web, function: &str, manifest: &str) -> Activation {
    let bytes = attach(&guest("alternatives/web"), manifest).expect("a manifest");
    let (by, name) = (Operator::host(), name(function));
    let deployed = web.host.registry.deploy(&by, &name, bytes).await;
    deployed.expect("deployed")
}
