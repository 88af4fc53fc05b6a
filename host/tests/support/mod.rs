//! A host of its own for each test: real store, real components, a simulated clock, a folder that goes
//! away with it.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

pub mod policies;

use std::path::{Path, PathBuf};

use leyden::clock::Mode;
use leyden::config::Config;
use leyden::dispatch::types::{Field, Request, RequestHead, Response};
use leyden::dispatch::{Error, IdempotencyKey};
use leyden::host::Host;
use leyden::ids::{ComponentName, Instant};
use leyden::operators::Operator;
use leyden::registry::Activation;

/// A host without a gateway.
pub struct TestHost {
    pub host: Host,
    _data: tempfile::TempDir,
}

/// The configuration of a host over a folder, at the scenarios' first instant.
pub fn config(data: &Path, plugins: &Path) -> Config {
    Config {
        data: data.into(),
        plugins: Some(plugins.into()),
        compiled: Some(built("compiled")),
        clock: Mode::Simulated,
        start: Some(Instant::parse("2021-11-07T15:58:22.144Z").expect("an instant")),
        // The running binary is the test.
        compiler: Some(env!("CARGO_BIN_EXE_leyden").into()),
        ..Config::default()
    }
}

/// The bytes of a test component.
pub fn guest(name: &str) -> Vec<u8> {
    read(&built("guests").join(format!("{name}.wasm")))
}

/// The bytes of a first-party plugin, `alternatives/…` included.
pub fn plugin(name: &str) -> Vec<u8> {
    read(&built("plugins").join(format!("{name}.wasm")))
}

/// The components that were built against released versions of the WIT packages.
pub fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The bytes of a component of a release.
pub fn frozen(release: &str, name: &str) -> Vec<u8> {
    let file = corpus().join(release).join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The interfaces with functions of every released package, with their versions.
pub fn released_interfaces() -> Vec<String> {
    let released = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit/released");
    let folders = std::fs::read_dir(&released).expect("wit/released");
    let files = folders.flat_map(|folder| {
        let files = std::fs::read_dir(folder.expect("a folder").path()).expect("its files");
        files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"))
    });
    files.flat_map(|text| interfaces_in(&text)).collect()
}

/// The interfaces with functions of a WIT file that is formatted as ours are.
fn interfaces_in(text: &str) -> Vec<String> {
    let package = text.lines().find_map(|line| line.strip_prefix("package "));
    let package = package.and_then(|line| line.strip_suffix(";"));
    let (package, version) = package
        .and_then(|line| line.split_once('@'))
        .expect("a package");
    let interfaces = text.split("\ninterface ").skip(1);
    let with_functions = interfaces.filter(|interface| interface.contains(": func("));
    let name = |interface: &str| {
        let name = interface.split_whitespace().next().expect("a name");
        format!("{package}/{name}@{version}")
    };
    with_functions.map(name).collect()
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file)
        .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask build`", file.display()))
}

/// A folder of built components.
pub fn built(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(kind)
}

fn fields(pairs: &[(&str, &str)]) -> Vec<Field> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect()
}

pub fn name(name: &str) -> ComponentName {
    ComponentName::parse(name).expect("a name")
}

impl TestHost {
    /// Starts a host with the first-party plugins.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let host = Host::start(&config(data.path(), &built("plugins")))
            .await
            .expect("a host");
        Self { host, _data: data }
    }

    /// Starts a host and deploys test components.
    pub async fn with_guests(guests: &[&str]) -> Self {
        let host = Self::start().await;
        for guest in guests {
            host.deploy_as(guest, guest).await;
        }
        host
    }

    /// Deploys a test component under a name.
    pub async fn deploy_as(&self, as_name: &str, guest_name: &str) -> Activation {
        self.deploy(as_name, guest(guest_name)).await
    }

    /// Deploys a component under a name.
    pub async fn deploy(&self, as_name: &str, bytes: Vec<u8>) -> Activation {
        let (by, name) = (Operator::host(), name(as_name));
        let deployed = self.host.registry.deploy(&by, &name, bytes).await;
        deployed.expect("deployed")
    }

    pub async fn get(
        &self,
        component: &str,
        route: &str,
        params: &[(&str, &str)],
    ) -> Result<Response, Error> {
        self.call(component, "GET", route, params, "", None).await
    }

    pub async fn post(
        &self,
        component: &str,
        route: &str,
        params: &[(&str, &str)],
        body: &str,
        key: Option<&str>,
    ) -> Result<Response, Error> {
        self.call(component, "POST", route, params, body, key).await
    }

    async fn call(
        &self,
        component: &str,
        method: &str,
        route: &str,
        params: &[(&str, &str)],
        body: &str,
        key: Option<&str>,
    ) -> Result<Response, Error> {
        let head = RequestHead {
            method: method.into(),
            route: route.into(),
            path: route.into(),
            params: fields(params),
            query: None,
            headers: fields(&[("content-type", "application/json")]),
        };
        let generation = self.host.registry.generation();
        let key = key.map(|key| IdempotencyKey(key.into()));
        self.host
            .dispatch
            .http(
                &generation,
                &name(component),
                Request {
                    head,
                    body: body.into(),
                },
                key,
            )
            .await
    }

    /// Registers a house; the answer is its id.
    pub async fn add_house(&self, client: &str) -> Response {
        let body = format!(r#"{{"client_name":"{client}"}}"#);
        let added = self
            .post("house", "/house/house-editor/add-house", &[], &body, None)
            .await;
        added.expect("a house")
    }
}
