//! Two installations on one Redis: what one publishes is carried on to the other, once and in order,
//! while the hosts that carry it are killed.
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait and read their own settings"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "support/process.rs"]
mod process;
#[path = "support/redis.rs"]
mod redis_server;

use std::time::{Duration, Instant};

use leyden::ids::StreamName;
use leyden::store::redis::{Options, Redis};
use leyden::store::{Append, Store as _, Transaction};
use process::Process;
use redis_server::{Kept, Server};
use serde_json::json;

/// Longest wait for something that has to happen.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Keys whose records are counted, records of each, and records between two kills.
const KEYS: u64 = 12;
const RECORDS: u64 = 600;
const KILL_EVERY: u64 = 60;

async fn host(server: &Server, data: &tempfile::TempDir, more: &[&str]) -> Process {
    let url = server.url();
    let options = ["--store", &url, "--partitions", "4", "--lease", "500ms"];
    Process::start_with(data.path(), &[&options, more].concat()).await
}

fn numbered(number: u64) -> Transaction {
    let append = |key: u64| Append {
        stream: StreamName::parse("proof.in").expect("a name"),
        key: format!("k{key}"),
        payload: number.to_string().into_bytes(),
    };
    Transaction {
        appends: (0..KEYS).map(append).collect(),
        at: 1,
        ..Transaction::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_stream_arrives_once_and_in_order_though_hosts_are_killed() {
    let server = Server::start(Kept::Nothing);
    let data = tempfile::tempdir().expect("a folder");
    let south = host(&server, &data, &["--namespace", "south"]).await;
    south.deploy("tally").await;
    let linked = ["--namespace", "north", "--link", "proof.in=south"];
    let _stays = host(&server, &data, &linked).await;
    let mut dies = host(&server, &data, &linked).await;
    let north = Options {
        namespace: "north".to_owned(),
        ..Options::new(server.url())
    };
    let north = Redis::open(north).await.expect("a store");
    for number in 1..=RECORDS {
        north.commit(numbered(number)).await.expect("published");
        if number % KILL_EVERY == 0 {
            dies.kill();
            dies = host(&server, &data, &linked).await;
        }
    }
    let all: serde_json::Map<_, _> = (0..KEYS)
        .map(|key| (format!("k{key}"), json!(RECORDS)))
        .collect();
    let started = Instant::now();
    loop {
        let report = south.get_json("/tally/report").await;
        assert_eq!(report["wrong"], json!([]), "carried twice or out of order");
        if report["in"] == json!(all) {
            break;
        }
        assert!(
            started.elapsed() < WAIT_MAX,
            "lost on the way: {}",
            report["in"]
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nothing comes after everything has.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let report = south.get_json("/tally/report").await;
    assert_eq!((&report["in"], &report["wrong"]), (&json!(all), &json!([])));
}
