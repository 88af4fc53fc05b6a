//! Bodies are streamed in both directions, within bounds.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Method};

use super::raw::Raw;
use super::{run, send, with_web};

#[test]
fn what_is_sent_comes_back_before_the_rest_is_sent() {
    run(async {
        let web = with_web("").await;
        let mut raw = Raw::connect(&web).await;
        raw.send("POST /fn/web/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for piece in ["one", "two", "three"] {
            raw.send(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
            let so_far = raw.until(&format!("{piece}\r\n")).await;
            assert!(!so_far.contains("\r\n0\r\n"), "{so_far}");
        }
        raw.send("0\r\n\r\n").await;
        raw.until("0\r\n\r\n").await;
        // The connection is good for another request.
        raw.send("GET /fn/web/hello HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        raw.until("Hello, world!").await;
    });
}

#[test]
fn trailers_go_through_in_both_directions() {
    run(async {
        let web = with_web("").await;
        let mut raw = Raw::connect(&web).await;
        raw.send(
            "POST /fn/web/trailers HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\
             transfer-encoding: chunked\r\ntrailer: x-mine\r\n\r\n3\r\nabc\r\n0\r\nx-mine: yours\r\n\r\n",
        )
        .await;
        let answer = raw.rest().await;
        let (_, trailers) = answer
            .split_once("with trailers\r\n0\r\n")
            .expect("a last chunk");
        assert!(trailers.contains("x-sum: 294\r\n"), "{answer}");
        assert!(trailers.contains("x-mine: yours\r\n"), "{answer}");
    });
}

#[test]
fn a_client_that_waits_is_told_to_go_on_once_the_body_is_wanted() {
    run(async {
        let web = with_web("").await;
        let head = |path: &str| {
            format!(
                "POST /fn/web{path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
            )
        };
        let mut raw = Raw::connect(&web).await;
        raw.send(&head("/count")).await;
        raw.until("HTTP/1.1 100 Continue\r\n\r\n").await;
        raw.send("abc").await;
        assert!(raw.until("\r\n\r\n3").await.starts_with("HTTP/1.1 200 "));
        let mut raw = Raw::connect(&web).await;
        raw.send(&head("/hello")).await;
        let answer = raw.until("Hello, world!").await;
        assert!(
            !answer.contains("100 Continue"),
            "nobody wants it: {answer}"
        );
    });
}

/// A body of so many mebibytes that nobody holds.
fn megabytes(count: usize) -> Body {
    static PIECE: [u8; 64 << 10] = [7; 64 << 10];
    let pieces =
        (0..count * 16).map(|_| Ok::<_, std::convert::Infallible>(Bytes::from_static(&PIECE)));
    Body::wrap_stream(stream::iter(pieces))
}

/// Memory of this process, KiB: the resident set, and without what is left to be given back.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok()).expect("a size")
}

#[test]
fn a_long_body_takes_no_memory() {
    run(async {
        let web = with_web("[limits]\ndeadline-ms = 60000\n").await;
        let upload = |mib| {
            let request = web.request(Method::POST, "/fn/web/count");
            send(request.body(megabytes(mib)))
        };
        assert_eq!(upload(4).await.body, (4 << 20).to_string());
        let before = resident_kib();
        let (mut most, mut upload) = (0, std::pin::pin!(upload(100)));
        let answer = loop {
            tokio::select! {
                answer = &mut upload => break answer,
                () = tokio::time::sleep(Duration::from_millis(5)) => most = most.max(resident_kib()),
            }
        };
        assert_eq!(answer.body, (100 << 20).to_string());
        let grown = most.saturating_sub(before);
        assert!(grown <= 16 << 10, "{grown} KiB");
    });
}

#[test]
fn bodies_are_bounded_in_both_directions() {
    run(async {
        let limits = "[limits]\nrequest-body-bytes = 100000\nresponse-body-bytes = 2000000\ndeadline-ms = 20000\n";
        let web = with_web(limits).await;
        let post = |body: Body| send(web.request(Method::POST, "/fn/web/count").body(body));
        assert_eq!(post(vec![0; 100_000].into()).await.body, "100000");
        assert_eq!(
            post(vec![0; 100_001].into()).await.problem(413),
            "too-large"
        );
        assert_eq!(post(megabytes(1)).await.problem(413), "too-large");
        let zeros = |bytes: u64| {
            let request = web.request(Method::GET, &format!("/fn/web/zeros?{bytes}"));
            async { request.send().await.expect("an answer").bytes().await }
        };
        assert_eq!(zeros(2_000_000).await.expect("whole").len(), 2_000_000);
        assert!(zeros(2_000_001).await.is_err(), "broken off");
    });
}

#[test]
fn the_time_of_a_slow_client_is_not_the_functions() {
    run(async {
        let web = with_web("[limits]\ndeadline-ms = 2000\n").await;
        let mut raw = Raw::connect(&web).await;
        raw.send("POST /fn/web/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\n")
            .await;
        for piece in ["ab", "cd", "ef"] {
            tokio::time::sleep(Duration::from_millis(800)).await;
            raw.send(piece).await;
        }
        let answer = raw.rest().await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n6"),
            "{answer}"
        );
    });
}

#[test]
fn a_body_that_breaks_off_is_not_taken_for_whole() {
    run(async {
        let web = with_web("").await;
        let mut raw = Raw::connect(&web).await;
        raw.send("POST /fn/web/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .await;
        raw.until("abc\r\n").await;
        raw.send("not a chunk\r\n").await;
        let rest = raw.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        let broken = "POST /fn/web/count HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc";
        let answer = web.raw(broken.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    });
}
