//! What every client of a host can rely on. One host with all plugins serves every test that does not change
//! what others see.

mod connections;
mod functions;
mod installation;
mod invocations;
mod operators;
mod roles;
mod routes;
mod secrets;
mod shared;
mod uploads;
mod watching;

use std::sync::OnceLock;

use leyden::gateway::Options;
use leyden::operators::Operator;

use crate::support::{built, guest, name};
use crate::web::{Answer, PATIENCE, Web, run, send};

/// The common host: all plugins, and the test components.
async fn common() -> &'static Web {
    static COMMON: OnceLock<Web> = OnceLock::new();
    static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = STARTING.lock().await;
    if COMMON.get().is_none() {
        let web = Web::start(&built("plugins"), |_| {}).await;
        for component in ["echo", "probe"] {
            web.host
                .registry
                .deploy(&Operator::host(), &name(component), guest(component))
                .await
                .expect("deployed");
        }
        assert!(COMMON.set(web).is_ok(), "started once");
    }
    COMMON.get().expect("a host")
}

/// A host of one's own, with nothing but the test components.
async fn own(change: impl FnOnce(&mut Options)) -> Web {
    Web::start(&built("guests"), change).await
}
