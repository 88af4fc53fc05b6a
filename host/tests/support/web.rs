//! Hosts with their gateways, and answers that are checked as they come.
//!
//! Hosts need a runtime that outlives each test, so tests are plain functions that run on it.
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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use leyden::config::{Config, Store};
use leyden::gateway::{self, Options, Server};
use leyden::host::Host;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{config, guest, name};

/// Longest wait for any answer of these tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Runs a test on the common runtime.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// Stops a host when its test is over: the runtime goes on for the others, and the address space that each host
/// reserves for instances, some 4 TB, is there for few dozens.
struct Ending(Host, CancellationToken);

impl Drop for Ending {
    fn drop(&mut self) {
        self.1.cancel();
        RUNTIME.spawn(self.0.clone().stop());
    }
}

/// A host with its gateway.
pub struct Web {
    pub host: Host,
    pub server: Server,
    pub shutdown: CancellationToken,
    pub client: Client,
    pub token: Option<&'static str>,
    _ending: Ending,
    _data: tempfile::TempDir,
}

impl Web {
    pub async fn start(plugins: &Path, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(Store::Embedded, plugins, change).await
    }

    pub async fn start_on(store: Store, plugins: &Path, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_as(|config| config.store = store, plugins, change).await
    }

    /// A host on a store, with a key for secrets.
    pub async fn start_with(store: Store, plugins: &Path, secrets_key: Option<PathBuf>) -> Self {
        let configure = |config: &mut Config| {
            config.store = store;
            config.secrets_key = secrets_key;
        };
        Self::start_as(configure, plugins, |_| {}).await
    }

    /// A host with another configuration than that of most tests.
    pub async fn start_as(
        configure: impl FnOnce(&mut Config),
        plugins: &Path,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let mut config = config(data.path(), plugins);
        configure(&mut config);
        let host = Host::start(&config).await.expect("a host");
        let mut options = Options::new("127.0.0.1:0".parse().expect("an address"));
        change(&mut options);
        let shutdown = CancellationToken::new();
        let server = gateway::serve(host.clone(), options, shutdown.clone())
            .await
            .expect("a gateway");
        let ending = Ending(host.clone(), shutdown.clone());
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
            _ending: ending,
            _data: data,
        }
    }

    /// Deploys a test component with another manifest.
    pub async fn deploy(&self, component: &str, manifest: &str) {
        let bytes = attach(&guest(component), manifest).expect("a manifest");
        self.host
            .registry
            .deploy(&Operator::host(), &name(component), bytes)
            .await
            .expect("deployed");
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(self.token, method, path)
    }

    /// A request with another token or key.
    pub fn request_as(&self, token: Option<&str>, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("http://{}{path}", self.server.address()));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// What a host answers to these bytes and nothing after them, until it closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connected(bytes).await;
        stream.shutdown().await.expect("closed for writing");
        rest(stream).await
    }

    /// What a host answers to a request that asks it to close the connection after it.
    pub async fn exact(&self, request: &[u8]) -> String {
        rest(self.connected(request).await).await
    }

    async fn connected(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address())
            .await
            .expect("a connection");
        stream.write_all(bytes).await.expect("written");
        stream
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// Posts a JSON body, whole or broken.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        send(
            self.request(Method::POST, path)
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    }

    pub async fn admin(&self, method: Method, path: &str, body: &str) -> Answer {
        send(self.request(method, path).body(body.to_owned())).await
    }
}

/// What still comes, until the host closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset is an end too.
    drop(reading.expect("the host closes"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("an answer")).await
}

/// Reads an answer. Every error has to be a problem document, whatever the test is about.
pub async fn read(response: Response) -> Answer {
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
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn check_problem(&self) {
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
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("urn:leyden:problem:").to_owned()
    }

    /// The first field at fault, after checking the status.
    pub fn field(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["errors"][0]["field"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}
