//! What every client of a function, and whoever deploys one, can rely on.

mod answers;
mod bodies;
mod failures;
mod fairness;
mod outbound;
mod raw;
mod reuse;
mod surroundings;
mod uploads;
mod values;

use std::ops::{Deref, DerefMut};

use leyden::operators::Operator;
use leyden::registry::Activation;
use leyden::registry::manifest::attach;

use crate::support::{built, guest, name};
use crate::web::{PATIENCE, Web, run, send};

/// A host of one's own, which goes with the test: each reserves address space for a thousand instances.
struct Site(Web);

impl Deref for Site {
    type Target = Web;

    fn deref(&self) -> &Web {
        &self.0
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Web {
        &mut self.0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.0.shutdown.cancel();
        tokio::spawn(self.0.host.clone().stop());
    }
}

/// A host with nothing but the test components.
async fn host() -> Site {
    Site(Web::start(&built("guests"), |_| {}).await)
}

/// A host with the component `web` as a function of that name; `manifest` is what it adds to an empty one.
async fn with_web(manifest: &str) -> Site {
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
