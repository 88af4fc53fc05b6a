//! What becomes of an answer where the function fails, and of the function where its client goes away.

use std::time::Duration;

use super::raw::Raw;
use super::{run, with_web};

#[test]
fn what_fails_before_it_answers_is_a_problem() {
    run(async {
        let web = with_web("[limits]\ndeadline-ms = 200\nmemory-mib = 16\n").await;
        for (path, status, kind) in [
            ("/trap-before", 502, "trapped"),
            ("/memory", 502, "trapped"),
            ("/loop", 504, "deadline"),
            ("/sleep?60000", 504, "deadline"),
            ("/silent", 502, "misbehaved"),
            ("/refuse", 502, "misbehaved"),
        ] {
            let answer = web.get(&format!("/fn/web{path}")).await;
            assert_eq!(answer.problem(status), kind, "{path}: {answer:?}");
            assert_eq!(answer.json()["component"], "web", "{path}");
            assert!(
                answer.headers["leyden-generation"].contains("web="),
                "{path}"
            );
        }
        assert_eq!(web.get("/fn/web/hello").await.body, "Hello, world!");
    });
}

#[test]
fn what_fails_while_it_answers_breaks_the_answer_off() {
    run(async {
        let web = with_web("[limits]\ndeadline-ms = 300\n").await;
        for path in ["/trap-after", "/loop-after", "/abort"] {
            let mut raw = Raw::connect(&web).await;
            raw.send(&format!("GET /fn/web{path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            let head = raw.until("the beginning\r\n").await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
            assert_eq!(raw.rest().await, "", "{path}: no end, and nothing after it");
        }
    });
}

/// A function with a single place, which is free again within seconds or not at all.
const ONE: &str = "[limits]\nconcurrency = 1\ndeadline-ms = 60000\n";

#[test]
fn a_client_that_goes_away_ends_the_run() {
    run(async {
        let web = with_web(ONE).await;
        for path in [
            "/loop",
            "/sleep?60000",
            "/loop-after",
            "/zeros?100000000000",
        ] {
            let mut raw = Raw::connect(&web).await;
            raw.send(&format!("GET /fn/web{path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            assert!(
                path.starts_with("/zeros") || {
                    let silent = Duration::from_millis(200);
                    raw.is_silent(silent).await || path == "/loop-after"
                }
            );
            drop(raw);
            let next = web.get("/fn/web/hello");
            let answer = tokio::time::timeout(Duration::from_secs(4), next).await;
            assert_eq!(answer.expect("a place").body, "Hello, world!", "{path}");
        }
    });
}

#[test]
fn a_function_may_go_on_after_its_answer() {
    run(async {
        let web = with_web(ONE).await;
        let mut raw = Raw::connect(&web).await;
        raw.send("GET /fn/web/afterwards?300 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        let begun = std::time::Instant::now();
        let answer = raw.rest().await;
        assert!(
            answer.contains("answered") && answer.contains("\r\n0\r\n\r\n"),
            "{answer}"
        );
        assert!(
            begun.elapsed() < Duration::from_millis(250),
            "the answer does not wait"
        );
        // It has its place until it is done.
        web.get("/fn/web/hello").await;
        assert!(begun.elapsed() >= Duration::from_millis(280));
    });
}
