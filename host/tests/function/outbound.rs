//! Requests that functions send to elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use leyden::config::Config;
use leyden::outbound::Allow;
use leyden::telemetry::otlp::{self, Exporter};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Web, built, deploy, run, send};

/// A host that allows these, with the function `web`, whose manifest names others; and another host that
/// has a function to be fetched from.
async fn two(
    allow: impl Fn(&str) -> Vec<String>,
    named: impl Fn(&str) -> Vec<String>,
) -> (Web, Web) {
    let there = super::with_web("").await;
    let address = there.server.address().to_string();
    let allow = allow(&address);
    let allow: Vec<Allow> = allow
        .iter()
        .map(|entry| entry.parse().expect("an entry"))
        .collect();
    let configure = |config: &mut Config| config.outbound_allow = allow;
    let here = Web::start_as(configure, &built("guests"), |_| {}).await;
    let manifest = format!(
        "[outbound]\nhosts = {:?}\n[limits]\ndeadline-ms = 20000\n",
        named(&address)
    );
    deploy(&here, "web", &manifest).await;
    (here, there)
}

fn itself(address: &str) -> Vec<String> {
    vec![address.to_owned()]
}

#[test]
fn a_function_fetches_what_manifest_and_operator_allow() {
    run(async {
        let (here, there) = two(itself, itself).await;
        let there_is = format!("http://{}/fn/web", there.server.address());
        let fetched = here.get(&format!("/fn/web/fetch?{there_is}/hello")).await;
        assert_eq!((fetched.status, &*fetched.body), (200, "Hello, world!"));
        let long = here.get(&format!("/fn/web/fetch?{there_is}/zeros")).await;
        assert_eq!(long.status, 200);
        let broken = here.client.get(format!(
            "http://{}/fn/web/fetch?{there_is}/trap-after",
            here.server.address()
        ));
        let broken = broken.send().await.expect("an answer");
        assert_eq!(broken.status(), 200);
        assert!(
            broken.bytes().await.is_err(),
            "what breaks off there breaks off here"
        );
    });
}

/// A server that answers every request of a connection, and how many connections were made to it.
async fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                // A request is short, and comes whole.
                while stream
                    .read(&mut [0; 4_096])
                    .await
                    .is_ok_and(|read| read > 0)
                {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    });
    (address, made)
}

#[test]
fn requests_of_a_function_share_a_connection_that_no_other_has() {
    const REQUESTS: usize = 10;
    run(async {
        let (address, made) = counting().await;
        let allow = vec![address.parse().expect("an entry")];
        let configure = |config: &mut Config| config.outbound_allow = allow;
        let here = Web::start_as(configure, &built("guests"), |_| {}).await;
        let manifest = format!("[outbound]\nhosts = [\"{address}\"]\n");
        for function in ["one", "other"] {
            deploy(&here, function, &manifest).await;
            let path = format!("/fn/{function}/fetch?http://{address}/");
            let before = made.load(Ordering::Relaxed);
            for _ in 0..REQUESTS {
                assert_eq!(here.get(&path).await.body, "hi");
            }
            // A client may have its answer before the connection is back.
            let connections = made.load(Ordering::Relaxed) - before;
            assert!((1..REQUESTS).contains(&connections), "{connections}");
        }
    });
}

#[test]
fn a_trace_goes_on_where_a_function_asks() {
    run(async {
        let there = super::with_web("").await;
        let address = there.server.address().to_string();
        let allow = vec![address.parse().expect("an entry")];
        let (tracer, _exporter) = Exporter::start(
            otlp::Options::new("http://127.0.0.1:1")
                .and_then(|options| options.with_ratio(1.0))
                .expect("options"),
        );
        let here = Web::start_as(
            |config| config.outbound_allow = allow,
            &built("guests"),
            |options| options.tracer = Some(tracer),
        )
        .await;
        deploy(
            &here,
            "web",
            &format!("[outbound]\nhosts = [\"{address}\"]\n"),
        )
        .await;
        let path = format!("/fn/web/fetch?http://{address}/fn/web/request");
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let asked = here.request(Method::GET, &path);
        let asked = asked.header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"));
        let seen = send(asked).await.body;
        let goes_on = format!("\ntraceparent: 00-{trace}-");
        assert!(seen.contains(&goes_on), "{seen}");
        assert!(
            !seen.contains("b7ad6b7169203331"),
            "with a span of the host's own: {seen}"
        );
        // What is not traced is not told of.
        let unsampled = here.request(Method::GET, &path);
        let unsampled = unsampled.header("traceparent", format!("00-{trace}-b7ad6b7169203331-00"));
        let seen = send(unsampled).await.body;
        assert!(!seen.contains("traceparent"), "{seen}");
    });
}

#[test]
fn a_function_fetches_nothing_else() {
    run(async {
        let nothing = |_: &str| Vec::new();
        let localhost = |address: &str| {
            let port = address.rsplit(':').next().expect("a port");
            vec![format!("localhost:{port}")]
        };
        let everything = |_: &str| vec!["*".to_owned()];
        let error = |web: Web, url: String| async move {
            // All of it, or the host would end before it is asked.
            let web = web;
            let answer = web.client.get(format!(
                "http://{}/fn/web/fetch?{url}",
                web.server.address()
            ));
            let answer = answer.send().await.expect("an answer");
            assert_eq!(answer.status(), 502);
            answer.text().await.expect("a body")
        };
        let (here, there) = two(nothing, itself).await;
        let url = format!("http://{}/fn/web/hello", there.server.address());
        assert_eq!(
            error(here, url.clone()).await,
            "ErrorCode::HttpRequestDenied"
        );
        let (here, _there) = two(itself, nothing).await;
        assert_eq!(error(here, url).await, "ErrorCode::HttpRequestDenied");
        let (here, there) = two(everything, localhost).await;
        let by_name = format!(
            "http://localhost:{}/fn/web/hello",
            there.server.address().port()
        );
        assert_eq!(
            error(here, by_name).await,
            "ErrorCode::DestinationIpProhibited"
        );
    });
}
