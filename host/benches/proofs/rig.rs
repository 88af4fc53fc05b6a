//! An installation to break: one Redis that keeps what it has answered, and hosts in processes of their
//! own, reached directly or through a proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::process::Process;
use crate::proxy::Proxy;
use crate::redis_server::{Kept, Server};

/// Lease of the hosts, ms: short, so that many deaths fit into a proof.
pub const LEASE_MS: u64 = 1_000;

/// Longest wait for an installation to get somewhere.
const WAIT_MAX: Duration = Duration::from_secs(180);

/// Longest wait for one answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);

/// How hosts reach Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Without anything between.
    Direct,
    /// Through a proxy that can break things.
    Proxied,
}

/// The installation.
pub struct Rig {
    /// Its Redis.
    pub redis: Server,
    /// What lies between hosts and Redis, where something does.
    pub proxy: Option<Proxy>,
    hosts: Vec<Option<Process>>,
    /// What is wrong with the hosts on purpose, as an environment variable.
    broken: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
    urls: watch::Sender<Vec<String>>,
    client: reqwest::Client,
}

impl Rig {
    /// Starts so many hosts over one Redis; `mutation` breaks them on purpose.
    pub async fn start(hosts: usize, way: Way, mutation: Option<&str>) -> Self {
        let redis = Server::start(Kept::Always);
        let server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), redis.port());
        let proxy = match way {
            Way::Direct => None,
            Way::Proxied => Some(Proxy::start(server).await),
        };
        let mut rig = Self {
            redis,
            proxy,
            hosts: (0..hosts).map(|_| None).collect(),
            broken: mutation
                .iter()
                .map(|m| ("LEYDEN_MUTATION", (*m).to_owned()))
                .collect(),
            folder: tempfile::tempdir().expect("a folder"),
            urls: watch::Sender::new(Vec::new()),
            client: reqwest::Client::new(),
        };
        for host in 0..hosts {
            rig.start_host(host).await;
        }
        rig.host(0).deploy("tally").await;
        rig.wait_for("a deployment on all hosts", async |rig| {
            let statuses = rig.hosts.iter().flatten().map(|host| {
                let request = rig.client.get(format!("{}/tally/report", host.url)).send();
                async {
                    request
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                }
            });
            let all = futures_util::future::join_all(statuses).await;
            all.into_iter().all(|serves| serves)
        })
        .await;
        let partner = json!({ "partnerID": "acme", "datapoint": 0, "trustLevel": 1 });
        rig.insist("/partner-api/add-partner", "partner", &partner)
            .await;
        rig
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// A running host.
    pub fn host(&self, number: usize) -> &Process {
        self.hosts[number].as_ref().expect("it runs")
    }

    /// Addresses of the hosts, kept current; the first may be down at the moment.
    pub fn urls(&self) -> watch::Receiver<Vec<String>> {
        self.urls.subscribe()
    }

    /// Starts a host, again where it ran before.
    pub async fn start_host(&mut self, number: usize) {
        let port = self
            .proxy
            .as_ref()
            .map_or(self.redis.port(), |proxy| proxy.address.port());
        let (store, lease) = (
            format!("redis://127.0.0.1:{port}/0"),
            format!("{LEASE_MS}ms"),
        );
        let more = ["--store", &store, "--lease", &lease, "--log", "error"];
        let process = Process::start_in(&self.folder_of(number), &more, &self.broken).await;
        self.hosts[number] = Some(process);
        self.tell_urls();
    }

    /// Kills a host with signal 9.
    pub fn kill_host(&mut self, number: usize) {
        if let Some(mut host) = self.hosts[number].take() {
            host.kill();
        }
        self.tell_urls();
    }

    /// Waits until every record is handled.
    pub async fn settle(&self) {
        self.insist("/admin/settle", "", &json!({})).await;
    }

    /// A JSON answer of some host, asked for until there is one.
    pub async fn get(&self, path: &str) -> Value {
        let started = Instant::now();
        loop {
            for url in self.urls.borrow().clone() {
                let request = self
                    .client
                    .get(format!("{url}{path}"))
                    .timeout(ANSWER_WAIT_MAX);
                if let Ok(answer) = request.send().await
                    && answer.status().is_success()
                    && let Ok(value) = answer.json().await
                {
                    return value;
                }
            }
            assert!(started.elapsed() < WAIT_MAX, "no host answers {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn insist(&self, path: &str, key: &str, body: &Value) {
        let started = Instant::now();
        loop {
            for url in self.urls.borrow().clone() {
                let mut request = self.client.post(format!("{url}{path}")).json(body);
                if !key.is_empty() {
                    request = request.header("idempotency-key", key);
                }
                if let Ok(answer) = request.timeout(WAIT_MAX).send().await
                    && answer.status().is_success()
                {
                    return;
                }
            }
            assert!(started.elapsed() < WAIT_MAX, "no host answers {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until something is so.
    pub async fn wait_for(&self, what: &str, mut is_so: impl AsyncFnMut(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self).await {
            assert!(started.elapsed() < WAIT_MAX, "{what} does not happen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn folder_of(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("host-{number}"))
    }

    fn tell_urls(&self) {
        let urls = self.hosts.iter().flatten().map(|host| host.url.clone());
        self.urls.send_replace(urls.collect());
    }
}
