//! Streams as server-sent events.

use std::time::Duration;

use futures_util::StreamExt;
use leyden::ids::StreamName;
use leyden::store::Partition;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{PATIENCE, Web, own, run};

/// A client that watches.
struct Watching {
    chunks:
        std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
}

impl Watching {
    /// Begins to watch; the host has noted from where.
    async fn begin(web: &Web, query: &str, last_event: Option<&str>) -> Self {
        let mut request = web.request(Method::GET, &format!("/streams/probe.out{query}"));
        if let Some(last) = last_event {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            chunks: Box::pin(response.bytes_stream()),
            text: String::new(),
        }
    }

    /// The next events, as offset and payload.
    async fn events(&mut self, count: usize) -> Vec<(u64, String)> {
        while events(&self.text).len() < count {
            let chunk = timeout(PATIENCE, self.chunks.next())
                .await
                .expect("in time")
                .expect("more");
            self.text
                .push_str(std::str::from_utf8(&chunk.expect("bytes")).expect("text"));
        }
        events(&self.text)
    }
}

fn events(text: &str) -> Vec<(u64, String)> {
    let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let event = |block: &str| {
        let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
        let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
        Some((id.parse().ok()?, data.to_owned()))
    };
    whole.split("\n\n").filter_map(event).collect()
}

async fn publish(web: &Web, n: usize, payload: &str) {
    let body = format!(r#"{{"n":{n},"key":"k","payload":"{payload}","stream":"probe.out"}}"#);
    let answer = web.post("/probe/publish", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_stream_is_watched_from_where_the_client_says() {
    run(async {
        let web = own(|_| {}).await;
        publish(&web, 3, "old").await;
        let mut latest = Watching::begin(&web, "", None).await;
        publish(&web, 2, "new").await;
        let offsets =
            |events: Vec<(u64, String)>| events.into_iter().map(|(id, _)| id).collect::<Vec<_>>();

        assert_eq!(
            latest.events(2).await,
            [(4, "new".to_owned()), (5, "new".to_owned())]
        );
        let mut earliest = Watching::begin(&web, "?from=earliest", None).await;
        assert_eq!(offsets(earliest.events(5).await), [1, 2, 3, 4, 5]);
        let mut middle = Watching::begin(&web, "?from=4", None).await;
        assert_eq!(offsets(middle.events(2).await), [4, 5]);
        let mut back = Watching::begin(&web, "?from=earliest", Some("3")).await;
        assert_eq!(offsets(back.events(2).await), [4, 5]);
        publish(&web, 1, "more").await;
        assert_eq!(back.events(3).await[2], (6, "more".to_owned()));
    });
}

#[test]
fn a_record_is_told_with_its_place_where_that_is_asked_for() {
    run(async {
        let web = own(|_| {}).await;
        publish(&web, 1, "x").await;
        let mut watching = Watching::begin(&web, "?from=earliest&format=record", None).await;
        let (id, data) = watching.events(1).await.remove(0);
        let record: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!(id, 1);
        assert_eq!(
            (&record["partition"], &record["offset"]),
            (&json!(0), &json!(1))
        );
        assert_eq!(
            (&record["key"], &record["payload"]),
            (&json!("k"), &json!("x"))
        );
        assert!(record["publishedAt"].is_string(), "{record}");
    });
}

#[test]
fn what_is_not_kept_any_more_is_told_and_passed_over() {
    run(async {
        let web = own(|_| {}).await;
        publish(&web, 10, "x").await;
        let partition = Partition {
            stream: StreamName::parse("probe.out").unwrap(),
            number: 0,
        };
        while web.host.store.trim(&partition, 7).await.expect("trimmed") > 0 {}
        let mut watching = Watching::begin(&web, "?from=3", None).await;
        let offsets: Vec<u64> = watching
            .events(3)
            .await
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(offsets, [8, 9, 10]);
        assert!(
            watching
                .text
                .contains(": offsets 3 to 7 are not kept any more"),
            "{}",
            watching.text
        );
    });
}

#[test]
fn bad_watches_are_refused() {
    run(async {
        let web = own(|options| options.watchers_max = 1).await;
        assert_eq!(web.get("/streams/no.such").await.problem(404), "not-found");
        assert_eq!(web.get("/streams/A").await.field(404), "stream");
        assert_eq!(
            web.get("/streams/probe.out?from=x").await.field(422),
            "from"
        );
        assert_eq!(
            web.get("/streams/probe.out?form=1").await.field(422),
            "form"
        );
        assert_eq!(
            web.get("/streams/probe.out?from=1,2").await.field(422),
            "from"
        );
        let first = Watching::begin(&web, "", None).await;
        assert_eq!(web.get("/streams/probe.out").await.problem(503), "busy");
        drop(first);
        let again = async {
            while web
                .request(Method::GET, "/streams/probe.out")
                .send()
                .await
                .expect("an answer")
                .status()
                != 200
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, again)
            .await
            .expect("the place is given back");
    });
}

#[test]
fn watching_ends_when_the_host_stops() {
    run(async {
        let web = own(|_| {}).await;
        let mut watching = Watching::begin(&web, "", None).await;
        web.shutdown.cancel();
        let rest = async {
            while watching
                .chunks
                .next()
                .await
                .is_some_and(|chunk| chunk.is_ok())
            {}
        };
        timeout(Duration::from_secs(5), rest)
            .await
            .expect("the stream ends");
        timeout(Duration::from_secs(5), web.server.stopped())
            .await
            .expect("the gateway stops");
    });
}
