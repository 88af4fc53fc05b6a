//! Connections that break off, bytes that are not HTTP, and the end of a host.

use std::time::Duration;

use reqwest::Method;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, Web, common, own, run, send};

/// What comes back for these bytes.
async fn raw(web: &Web, bytes: &str) -> String {
    web.raw(bytes.as_bytes()).await
}

#[test]
fn broken_connections_leave_the_host_well() {
    run(async {
        let web = common().await;
        for bytes in [
            "",
            "\r\n\r\n",
            "GET",
            "GET / HTTP/1.1\r\n",
            "nonsense\r\n\r\n",
            "GET /echo HTTP/9.9\r\n\r\n",
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
            "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc",
            "POST /probe/rows HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 99\r\n\r\na\n1\n2\n",
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "GET /echo HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n",
        ] {
            let answer = raw(web, bytes).await;
            assert!(
                !answer.contains(" 200 ") && !answer.contains(" 5"),
                "{bytes:?}: {answer}"
            );
        }
        assert_eq!(web.get("/echo").await.body, "Hello, world!");
    });
}

#[test]
fn heads_are_bounded() {
    run(async {
        let web = common().await;
        let request = web
            .request(Method::GET, "/echo")
            .header("x-long", "x".repeat(40_000));
        assert_eq!(send(request).await.problem(431), "headers-too-large");
        let answer = raw(
            web,
            &format!("GET /echo HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(150)),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let answer = raw(
            web,
            &format!("GET /echo HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(1_000_000)),
        )
        .await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
            "{answer}"
        );
    });
}

#[test]
fn what_runs_is_finished_before_the_host_stops() {
    run(async {
        // However busy the machine is, the request is neither cut by its deadline nor by the host's end.
        let web = own(|options| options.drain_ms = 60_000).await;
        let manifest = "[[routes]]\npath = \"/probe/{action}\"\nmethods = [\"GET\"]\n\
            [limits]\ndeadline-ms = 30000\n";
        web.deploy("probe", manifest).await;
        let address = web.server.address();
        let slow = tokio::spawn(send(web.request(Method::GET, "/probe/busy?ms=700")));
        tokio::time::sleep(Duration::from_millis(200)).await;
        web.shutdown.cancel();
        timeout(PATIENCE, web.server.stopped())
            .await
            .expect("the gateway stops");
        assert_eq!(slow.await.expect("no panic").status, 200);
        assert!(
            TcpStream::connect(address).await.is_err(),
            "nothing listens any more"
        );
    });
}

#[test]
fn what_runs_too_long_is_cut_when_the_host_stops() {
    run(async {
        let web = own(|options| options.drain_ms = 100).await;
        let slow = web.request(Method::GET, "/probe/loop").send();
        let slow = tokio::spawn(slow);
        tokio::time::sleep(Duration::from_millis(200)).await;
        web.shutdown.cancel();
        timeout(Duration::from_millis(600), web.server.stopped())
            .await
            .expect("the gateway stops");
        assert!(slow.await.expect("no panic").is_err());
    });
}

#[test]
fn further_clients_wait_for_a_connection() {
    run(async {
        let web = own(|options| options.connections_max = 1).await;
        let first = TcpStream::connect(web.server.address())
            .await
            .expect("a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let waiting = timeout(Duration::from_millis(300), web.get("/echo")).await;
        assert!(waiting.is_err(), "no place, no answer");
        drop(first);
        assert_eq!(
            timeout(PATIENCE, web.get("/echo"))
                .await
                .expect("a place")
                .status,
            200
        );
    });
}
