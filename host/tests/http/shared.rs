//! Hosts that share a Redis, as their clients see them: streams with several partitions, and a store that
//! comes and goes.

use std::time::Duration;

use futures_util::StreamExt as _;
use leyden::config::Store;
use leyden::store::redis;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{PATIENCE, Web, run};
use crate::redis_servers::{Kept, Server};
use crate::support::built;

/// Partitions of every stream in these tests.
const PARTITIONS: u16 = 4;

async fn shared(server: &Server) -> Web {
    let mut options = redis::Options::new(server.url());
    options.partitions = PARTITIONS;
    Web::start_on(Store::Redis(options), &built("guests"), |_| {}).await
}

async fn publish(web: &Web, key: &str, payload: &str) {
    let body = format!(r#"{{"n":1,"key":"{key}","payload":"{payload}","stream":"probe.out"}}"#);
    let answer = web.post("/probe/publish", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Reads events until there are `count`: their ids and data.
async fn events(web: &Web, query: &str, last: Option<&str>, count: usize) -> Vec<(String, Value)> {
    read(watch(web, query, last).await, count).await
}

async fn watch(web: &Web, query: &str, last: Option<&str>) -> Response {
    let mut request = web.request(Method::GET, &format!("/streams/probe.out{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response
}

async fn read(response: Response, count: usize) -> Vec<(String, Value)> {
    let mut chunks = response.bytes_stream();
    let mut text = String::new();
    let reading = async {
        while text.matches("\ndata: ").count() < count {
            let chunk = chunks.next().await.expect("more").expect("bytes");
            text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    };
    timeout(PATIENCE, reading).await.expect("in time");
    let event = |block: &str| {
        let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
        let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
        Some((id.to_owned(), serde_json::from_str(data).expect("JSON")))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// Waits for something that will be so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

#[test]
fn a_watch_sees_all_partitions_and_goes_on_where_it_was() {
    run(async {
        let server = Server::start(Kept::Nothing);
        let web = shared(&server).await;
        for number in 0..20 {
            publish(&web, &format!("key {}", number % 7), &number.to_string()).await;
        }
        let all = events(&web, "?from=earliest&format=record", None, 20).await;
        let mut partitions: Vec<u64> = all
            .iter()
            .filter_map(|(_, data)| data["partition"].as_u64())
            .collect();
        partitions.sort_unstable();
        partitions.dedup();
        assert!(partitions.len() > 1, "{partitions:?}");
        for key in 0..7 {
            let key = format!("key {key}");
            let of_key: Vec<u64> = all
                .iter()
                .filter(|(_, data)| data["key"] == key.as_str())
                .filter_map(|(_, data)| data["payload"].as_u64())
                .collect();
            assert!(of_key.len() > 1 && of_key.is_sorted(), "{key}: {of_key:?}");
        }

        // A client that comes back gets the rest, each once, whatever the order was.
        let (id, _) = &all[7];
        assert_eq!(id.split(',').count(), usize::from(PARTITIONS));
        let rest = events(&web, "?format=record", Some(id), 12).await;
        let payloads = |events: &[(String, Value)]| {
            let mut numbers: Vec<u64> = events
                .iter()
                .filter_map(|(_, data)| data["payload"].as_u64())
                .collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(payloads(&rest), payloads(&all[8..]));
        web.host.clone().stop().await;
    });
}

#[test]
fn while_the_store_is_down_callers_are_told_so() {
    run(async {
        let mut server = Server::start(Kept::Always);
        let web = shared(&server).await;
        assert_eq!(web.get("/ready").await.json()["of"], PARTITIONS);
        publish(&web, "k", "1").await;
        let watching = watch(&web, "?from=earliest&format=record", None).await;

        server.kill();
        until("the loss is noticed", async || {
            web.get("/ready").await.status == 503
        })
        .await;
        let refused = web.get("/ready").await;
        assert_eq!(refused.problem(503), "store-down");
        let refused = web.post("/probe/publish", r#"{"n":1}"#).await;
        assert_eq!(refused.problem(503), "store-down");
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(web.get("/admin/streams").await.status, 503);
        assert_eq!(web.get("/health").await.json(), json!({ "status": "ok" }));
        assert!(web.get("/metrics").await.body.contains("leyden_store_up 0"));

        server.restart();
        until("the store is found again", async || {
            web.get("/ready").await.status == 200
        })
        .await;
        publish(&web, "k", "2").await;
        // Whoever watched goes on watching.
        let all = read(watching, 2).await;
        let payloads: Vec<&Value> = all.iter().map(|(_, data)| &data["payload"]).collect();
        assert_eq!(payloads, [&json!(1), &json!(2)]);
        web.host.clone().stop().await;
    });
}

#[test]
fn a_full_stream_is_told_to_its_producer() {
    run(async {
        let server = Server::start(Kept::Nothing);
        let mut options = redis::Options::new(server.url());
        options.partitions = 1;
        options.log_records_max = 3;
        let web = Web::start_on(Store::Redis(options), &built("guests"), |_| {}).await;
        let body = r#"{"n":1,"key":"k","payload":"1","stream":"probe.out"}"#;
        for _ in 0..3 {
            assert_eq!(web.post("/probe/publish", body).await.status, 200);
        }
        let full = web.post("/probe/publish", body).await;
        assert_eq!(full.problem(503), "full");
        assert!(
            full.body.contains("probe.out") && full.headers.contains_key("retry-after"),
            "{full:?}"
        );
        web.host.clone().stop().await;
    });
}
