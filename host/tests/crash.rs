//! `kill -9` at random moments under load: what was acknowledged is there, and counted once.
//!
//! A host process takes requests that publish records, ticks of simulated houses and meter readings,
//! and is killed again and again. Clients repeat what was not answered under the same idempotency
//! key, as careful clients do. In the end every record is counted exactly once, every minute of
//! every house is there, and the ledger sums to zero.
//!
//! `LEYDEN_TEST_KILLS` sets the number of kills (default 100).
#![allow(clippy::disallowed_methods, reason = "a test of real time")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "support/process.rs"]
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use process::Process;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Clients that publish at once.
const CLIENTS: u64 = 6;

/// Simulated houses, all of one community's size and more.
const HOUSES: u64 = 40;

/// The partner whose account every client credits.
const PARTNER: &str = "acme";

/// What each draws, W.
const POWER_W: u64 = 500;

fn kills() -> u64 {
    std::env::var("LEYDEN_TEST_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(100)
}

/// A small generator, so that a run can be repeated: the seed is printed.
struct Random(u64);

impl Random {
    /// Marsaglia's xorshift64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Sends until it is answered, whatever happens to the host meanwhile.
async fn insist(url: &watch::Receiver<String>, path: &str, key: &str, body: &Value) -> String {
    let client = reqwest::Client::new();
    loop {
        let base = url.borrow().clone();
        let request = client
            .post(format!("{base}{path}"))
            .header("idempotency-key", key)
            .json(body);
        match request.timeout(Duration::from_secs(10)).send().await {
            Ok(answer) if answer.status().is_success() => {
                if let Ok(text) = answer.text().await {
                    return text;
                }
            }
            Ok(answer) if answer.status().is_client_error() => {
                panic!(
                    "{path}: {} {}",
                    answer.status(),
                    answer.text().await.unwrap_or_default()
                )
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Publishes records with keys of its own until told to stop; how many were acknowledged.
async fn publisher(client: u64, url: watch::Receiver<String>, stop: watch::Receiver<bool>) -> u64 {
    let mut sent = 0;
    while !*stop.borrow() {
        let key = format!("c{client}-{sent}");
        insist(
            &url,
            "/probe/publish",
            &key,
            &json!({ "key": key, "payload": "{}", "n": 1 }),
        )
        .await;
        let credit = json!({ "partnerID": PARTNER, "datapoint": 1 });
        insist(&url, "/partner-api/add-datapoint", &key, &credit).await;
        sent += 1;
    }
    sent
}

/// Moves time on, tick by tick; a tick that was cut off is simply followed by the next.
async fn ticker(url: watch::Receiver<String>, stop: watch::Receiver<bool>, ticked: Arc<AtomicU64>) {
    let client = reqwest::Client::new();
    while !*stop.borrow() {
        let base = url.borrow().clone();
        let tick = client
            .post(format!("{base}/admin/clock/tick"))
            .json(&json!({ "count": 1 }));
        match tick.timeout(Duration::from_secs(10)).send().await {
            Ok(answer) if answer.status().is_success() => {
                ticked.fetch_add(1, Ordering::Relaxed);
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_counted_twice_by_kill_9() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let data = tempfile::tempdir().expect("a folder");
    let mut host = Process::start(data.path()).await;
    host.deploy("probe").await;
    let (url_of, url) = watch::channel(host.url.clone());
    for number in 0..HOUSES {
        let body = json!({ "client_name": format!("Client {number}") });
        let id = insist(
            &url,
            "/house/house-editor/add-house",
            &format!("h{number}"),
            &body,
        )
        .await;
        let object =
            json!({ "type": "BASIC", "object": { "name": "Mixer", "maxConsumption": POWER_W } });
        insist(
            &url,
            &format!("/house/house-editor/house/{id}/add-object"),
            &format!("o{number}"),
            &object,
        )
        .await;
    }
    let partner = json!({ "partnerID": PARTNER, "datapoint": 0, "trustLevel": 1 });
    insist(&url, "/partner-api/add-partner", "partner", &partner).await;
    let first = host.get_json("/admin/clock").await["now"]
        .as_str()
        .expect("now")
        .to_string();
    let (stop_all, stop) = watch::channel(false);
    let ticked = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(publisher(client, url.clone(), stop.clone())))
        .collect();
    let time = tokio::spawn(ticker(url.clone(), stop.clone(), ticked.clone()));
    for _ in 0..kills() {
        tokio::time::sleep(Duration::from_millis(20 + random.below(200))).await;
        host.kill();
        host = Process::start(data.path()).await;
        url_of.send_replace(host.url.clone());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop_all.send_replace(true);
    time.await.expect("no panic");
    let mut published = 0;
    for (client, task) in (0..CLIENTS).zip(clients) {
        let sent = task.await.expect("no panic");
        published += sent;
        host.settle().await;
        for number in 0..sent {
            let count = host
                .get_json(&format!("/probe/counter/c{client}-{number}"))
                .await;
            assert_eq!(count, json!(1), "record {number} of client {client}");
        }
    }
    let minutes = check_minutes(&host, &first).await;
    let account = host
        .get_json(&format!(
            "/partner-api/get-partner-info?partnerID={PARTNER}"
        ))
        .await;
    assert_eq!(
        account["dataPoint"],
        json!(published),
        "every credit is booked once"
    );
    let books = host.get_json("/admin/ledger").await;
    assert_eq!(books["sound"], json!(true), "{books}");
    println!(
        "{} kills, {published} records, {minutes} minutes ({} acknowledged), ledger {books}",
        kills(),
        ticked.load(Ordering::Relaxed)
    );
    assert!(published > kills(), "the load was real");
    assert!(
        minutes >= ticked.load(Ordering::Relaxed),
        "acknowledged minutes are there"
    );
}

/// Every minute since `first` has the readings of all houses, once; how many minutes.
async fn check_minutes(host: &Process, first: &str) -> u64 {
    let now = host.get_json("/admin/clock").await["now"]
        .as_str()
        .expect("now")
        .to_string();
    let millis = |date: &str| {
        chrono::DateTime::parse_from_rfc3339(date)
            .expect("a date")
            .timestamp_millis()
    };
    let mut minutes = 0;
    let mut at = millis(first) + 60_000;
    while at <= millis(&now) {
        let date = chrono::DateTime::from_timestamp_millis(at)
            .expect("a date")
            .to_rfc3339();
        let path = format!(
            "/consumption-api/total-consumption?date={}",
            date.replace('+', "%2B")
        );
        assert_eq!(
            host.get_json(&path).await,
            json!(HOUSES * POWER_W),
            "minute {date}"
        );
        minutes += 1;
        at += 60_000;
    }
    minutes
}
