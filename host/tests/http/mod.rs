//! Hosts with their gateways, and answers that are checked as they come.
//!
//! One host with all plugins serves every test that does not change what others see. It needs a
//! runtime that outlives each test, so tests are plain functions that run on it.

mod connections;
mod installation;
mod invocations;
mod operators;
mod routes;
mod shared;
mod uploads;
mod watching;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use leyden::config::{Config, Store};
use leyden::gateway::{self, Options, Server};
use leyden::host::Host;
use leyden::registry::manifest::attach;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::support::{built, config, guest, name};

/// Longest wait for any answer of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Runs a test on the common runtime.
fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// A host with its gateway.
struct Web {
    host: Host,
    server: Server,
    shutdown: CancellationToken,
    client: Client,
    token: Option<&'static str>,
    _data: tempfile::TempDir,
}

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
                .deploy(&name(component), guest(component))
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

impl Web {
    async fn start(plugins: &Path, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(Store::Embedded, plugins, change).await
    }

    async fn start_on(store: Store, plugins: &Path, change: impl FnOnce(&mut Options)) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = Config {
            store,
            ..config(data.path(), plugins)
        };
        let host = Host::start(&config).await.expect("a host");
        let mut options = Options::new("127.0.0.1:0".parse().expect("an address"));
        change(&mut options);
        let shutdown = CancellationToken::new();
        let server = gateway::serve(host.clone(), options, shutdown.clone())
            .await
            .expect("a gateway");
        let client = Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            host,
            server,
            shutdown,
            client,
            token: None,
            _data: data,
        }
    }

    /// Deploys a test component with another manifest.
    async fn deploy(&self, component: &str, manifest: &str) {
        let bytes = attach(&guest(component), manifest).expect("a manifest");
        self.host
            .registry
            .deploy(&name(component), bytes)
            .await
            .expect("deployed");
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("http://{}{path}", self.server.address()));
        match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// Posts a JSON body, whole or broken.
    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        send(
            self.request(Method::POST, path)
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> Answer {
        send(self.request(method, path).body(body.to_owned())).await
    }
}

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("an answer")).await
}

/// Reads an answer. Every error has to be a problem document, whatever the test is about.
async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let head = response.url().path() == "" || response.content_length() == Some(0);
    let answer = Answer {
        status,
        headers,
        body: response.text().await.expect("a body"),
    };
    if status >= 400 && !(head && answer.body.is_empty()) {
        answer.check_problem();
    }
    answer
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn check_problem(&self) {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        let kind = problem["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("urn:leyden:problem:"));
        assert!(kind.is_some_and(|kind| !kind.is_empty()), "{problem}");
        for member in ["title", "detail"] {
            assert!(
                problem[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(
                error["field"].is_string() && error["rule"].is_string(),
                "{problem}"
            );
        }
        for inside in ["panicked", "src/", ".rs:", "wasmtime", "sqlite", "rusqlite"] {
            assert!(
                !self.body.contains(inside),
                "tells of the host's inside: {problem}"
            );
        }
    }

    /// The last part of the problem's type, after checking the status.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("urn:leyden:problem:").to_owned()
    }

    /// The first field at fault, after checking the status.
    fn field(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["errors"][0]["field"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}
