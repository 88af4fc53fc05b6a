//! A host of its own for each test: real store, real components, a simulated clock, a folder that goes
//! away with it.

use std::path::PathBuf;

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::dispatch::types::{Request, Response};
use leyden::dispatch::{Error, IdempotencyKey};
use leyden::host::Host;
use leyden::ids::{ComponentName, Instant};

/// A host without a gateway.
pub struct TestHost {
    pub host: Host,
    _data: tempfile::TempDir,
}

impl TestHost {
    /// Starts a host with the first-party plugins at the scenarios' instant.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = Config {
            data: data.path().into(),
            plugins: Some(built("plugins")),
            clock: Mode::Simulated,
            start: Some(Instant::parse("2021-11-07T15:58:22.144Z").expect("an instant")),
            ..Config::default()
        };
        let host = Host::start(&config).await.expect("a host");
        Self { host, _data: data }
    }

    /// Deploys a test component under its own name.
    pub async fn deploy_guest(&self, name: &str) {
        let bytes = std::fs::read(built("guests").join(format!("{name}.wasm"))).expect("cargo xtask build");
        let name = ComponentName::parse(name).expect("a name");
        self.host.registry.deploy(&name, bytes).await.expect("deployed");
    }

    /// Calls a component of the present generation.
    pub async fn call(
        &self,
        component: &str,
        request: Request,
        key: Option<&str>,
    ) -> Result<Response, Error> {
        let generation = self.host.registry.generation();
        let component = ComponentName::parse(component).expect("a name");
        let key = key.map(|key| IdempotencyKey(key.into()));
        self.host.dispatch.http(&generation, &component, request, key).await
    }
}

/// A folder of built components: the tests need `cargo xtask build`.
pub fn built(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target").join(kind)
}
