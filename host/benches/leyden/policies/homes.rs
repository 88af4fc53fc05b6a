//! Homes whose cars ask when to charge, again and again: each home is in a community of its own and on a connection of
//! its own, so that no two of them wait for each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::process::Process;
use super::built;

/// Homes, and so connections.
pub(super) const HOMES: usize = 32;

/// Loads that are planned already in each home's community.
const LOADS: usize = 3;

/// When they ask, ms since 1970.
const AT_MS: u64 = 1_636_300_702_144;

/// The operator of a host.
pub(super) struct Operator {
    client: Client,
    url: String,
}

impl Operator {
    pub(super) fn of(host: &Process) -> Self {
        Self {
            client: Client::new(),
            url: host.url.clone(),
        }
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> String {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.header("content-type", "application/wasm");
        let answer = request.body(body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_success(), "{path}: {status} {text}");
        text
    }
}

/// Requests of homes: each is answered with what the schedule policy decides, and leaves an entry in its log.
pub(super) fn requests() -> Vec<String> {
    (1..=HOMES).map(request).collect()
}

fn request(community: usize) -> String {
    let planned = |load: usize| {
        let starts_at_ms = AT_MS + load as u64 * 900_000;
        json!({"house": format!("House {load}"), "object": "Car", "power_w": 1_300.0,
               "starts_at_ms": starts_at_ms, "ends_at_ms": starts_at_ms + 3_600_000})
    };
    let body = json!({"now_ms": AT_MS, "community": community, "not_before_ms": AT_MS,
                      "duration_ms": 3_600_000, "power_w": 9_000.0, "reason": "requested",
                      "limit_w": 10_000.0, "base_load_w": 1_500.0,
                      "planned": (0..LOADS).map(planned).collect::<Vec<_>>()});
    let body = body.to_string();
    format!(
        "POST /asker/schedule HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What came of a while of asking.
pub(super) struct Asked {
    /// How long each request took, ms.
    pub(super) took_ms: Vec<f64>,
    /// Requests answered a second.
    pub(super) rate: f64,
}

/// Lets all homes ask for a while.
pub(super) async fn ask(host: &Process, requests: &[String], duration: Duration) -> Asked {
    let address: SocketAddr = host.url["http://".len()..].parse().expect("an address");
    let began = Instant::now();
    let until = began + duration;
    let connections = requests.iter().cloned();
    let connections = connections.map(|request| tokio::spawn(connection(address, request, until)));
    let mut took_ms = Vec::new();
    for took in join_all(connections).await {
        took_ms.extend(took.expect("no panic"));
    }
    Asked {
        rate: took_ms.len() as f64 / began.elapsed().as_secs_f64(),
        took_ms,
    }
}

async fn connection(address: SocketAddr, request: String, until: Instant) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let (mut buffer, mut took_ms) = (vec![0; 16 << 10], Vec::new());
    while Instant::now() < until {
        let began = Instant::now();
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("the request is sent");
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let read = stream.read(&mut buffer[filled..]).await.expect("an answer");
            assert!(read > 0, "the host closes");
            filled += read;
        }
        took_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        let answer = String::from_utf8_lossy(&buffer[..filled]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    took_ms
}

/// Whether an answer is there, head and body.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let (_, rest) = text
        .split_once("content-length:")
        .expect("a content length");
    let length = rest.split("\r\n").next().map(str::trim);
    let length: usize = length.and_then(|l| l.parse().ok()).expect("a number");
    bytes.len() >= head + 4 + length
}

/// Makes a version the active one.
pub(super) async fn swap(operator: &Operator, component: &str, file: &str) {
    let path = format!("/admin/components/{component}");
    operator.send(Method::POST, &path, built(file)).await;
}
