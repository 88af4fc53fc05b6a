//! Heads of requests: which are taken, and what is told of those that are not.

use super::common;
use super::wire::{Answer, Wire};
use crate::web::run;

/// The answer to these bytes, and whether the connection stays.
async fn told(bytes: impl AsRef<[u8]>) -> (Answer, bool) {
    let mut wire = Wire::open(common().await.server.address()).await;
    wire.send(bytes).await;
    let answer = wire.answer().await.expect("an answer");
    (answer, wire.is_silent().await)
}

/// RFC 9112, 2.2 and 3: what is not a request is refused, and what follows on the connection is not read.
#[test]
fn what_is_no_request_is_refused_and_ends_the_connection() {
    run(async {
        for head in [
            "GET /echo\r\n\r\n",
            "GET  /echo HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /ec ho HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /echo HTTP/1.2.3\r\nhost: x\r\n\r\n",
            "GET /echo HTTP/9.9\r\nhost: x\r\n\r\n",
            "G(T /echo HTTP/1.1\r\nhost: x\r\n\r\n",
            // 5.1: no blank between name and colon, which proxies read in different ways.
            "GET /echo HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET /echo HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
            "GET /echo HTTP/1.1\r\nhost: x\r\n: empty\r\n\r\n",
            // 5.2: folded lines are refused.
            "GET /echo HTTP/1.1\r\nhost: x\r\nx-a: one\r\n two\r\n\r\n",
            "GET /echo HTTP/1.1\r\n host: x\r\n\r\n",
            // RFC 9110, 5.5: neither NUL nor a bare CR is part of a value.
            "GET /echo HTTP/1.1\r\nhost: x\r\nx-a: a\0b\r\n\r\n",
            "GET /echo HTTP/1.1\r\nhost: x\r\nx-a: a\rb\r\n\r\n",
        ] {
            let (answer, stays) = told(head).await;
            assert_eq!(answer.status, 400, "{head:?}: {answer:?}");
            assert!(!stays, "{head:?}");
        }
    });
}

/// RFC 9112, 3.2: exactly one `Host` with HTTP/1.1; 3.2.2: a target's own authority counts before it.
#[test]
fn a_request_says_which_host_it_is_for() {
    run(async {
        let get = |lines: &str| format!("GET /echo HTTP/1.1\r\n{lines}\r\n");
        for lines in ["", "host: a\r\nhost: a\r\n", "host: a\r\nHost: b\r\n"] {
            let (answer, stays) = told(get(lines)).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, "malformed"),
                "{lines:?}"
            );
            assert!(stays, "the framing is sound: {lines:?}");
        }
        for sound in [
            get("host:\r\n"),
            get("hOsT:  example.org:80 \r\n"),
            "GET http://example.org/echo HTTP/1.1\r\nhost: other\r\n\r\n".to_owned(),
            "\r\nGET /echo HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        ] {
            assert_eq!(told(&sound).await.0.status, 200, "{sound:?}");
        }
    });
}

/// RFC 9112, 3.2: a target is a path, or a URL with one.
#[test]
fn targets_that_only_proxies_are_asked_for_are_refused() {
    run(async {
        for target in ["echo", "example.org:80"] {
            let (answer, _) = told(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert_eq!(answer.status, 400, "{target}: {answer:?}");
        }
        let (answer, _) = told("CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.headers.contains_key("allow"));
    });
}

/// RFC 9112, 9.3: a client of HTTP/1.0 gets one answer, unless it asks to go on.
#[test]
fn clients_of_http_1_0_are_answered() {
    run(async {
        let (answer, stays) = told("GET /echo HTTP/1.0\r\n\r\n").await;
        assert_eq!(
            (answer.status, answer.text(), stays),
            (200, "Hello, world!", false)
        );
        let (answer, stays) = told("GET /echo HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        assert_eq!((answer.status, stays), (200, true));
        assert_eq!(answer.headers["connection"], "keep-alive");
        // 6.1: HTTP/1.0 knows no transfer coding.
        let coded = "POST /echo HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(told(coded).await.0.status, 400);
    });
}

/// RFC 9110, 15.5.15; RFC 6585, 5.
#[test]
fn targets_and_headers_have_bounds() {
    run(async {
        let long = "x".repeat(9_000);
        let (answer, _) = told(format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (414, "path-too-long")
        );
        let (answer, _) = told(format!("GET /echo?{long} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!(answer.status, 414);
        // What no buffer holds is not read to its end, and where bytes are left over a connection may be reset.
        let mut wire = Wire::open(common().await.server.address()).await;
        let longer = "x".repeat(70_000);
        wire.send(format!("GET /{longer} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        if let Some(answer) = wire.answer().await {
            assert!([414, 431].contains(&answer.status), "{answer:?}");
        }
        let field = format!("x-a: {}\r\n", "x".repeat(33_000));
        let (answer, _) = told(format!("GET /echo HTTP/1.1\r\nhost: x\r\n{field}\r\n")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (431, "headers-too-large")
        );
        let many = "x-a: b\r\n".repeat(120);
        let (answer, stays) = told(format!("GET /echo HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
        assert_eq!((answer.status, stays), (431, false));
    });
}

/// RFC 3986: a path is matched as it came, `.` and `..` are segments like others, and nothing is decoded twice.
#[test]
fn paths_are_taken_as_they_come() {
    run(async {
        for (path, status) in [
            ("/echo", 200),
            ("/echo/", 200),
            ("/echo/a%2Fb", 200),
            ("/echo/%C3%A9", 200),
            ("/echo/%ff", 400),
            ("/echo/%zz", 400),
            ("/echo/%", 400),
            ("/echo/../admin/status", 200),
            ("/../admin/status", 404),
            ("/%61dmin/status", 404),
            ("/%2e%2e/admin/status", 404),
            ("/ECHO", 404),
            ("//echo", 404),
            ("/echo?a=%zz&&=", 200),
            ("/echo?/../..", 200),
        ] {
            let (answer, _) = told(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            if status == 404 {
                assert_eq!(answer.problem(), "no-route", "{path}");
            }
        }
        let (answer, _) = told("GET /admin/nothing HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "no-route")
        );
    });
}

/// Every answer that a request gets names it.
#[test]
fn answers_name_their_request() {
    run(async {
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n");
        let mut seen = std::collections::BTreeSet::new();
        for path in [
            "/echo",
            "/nothing",
            "/health",
            "/admin/nothing",
            "/metrics",
            "/probe/trap",
            "/openapi.json",
        ] {
            let (answer, _) = told(get(path, "")).await;
            let id = answer.headers["x-request-id"].clone();
            assert_eq!(id.len(), 32, "{path}: {id}");
            assert!(seen.insert(id), "{path}");
        }
        let (answer, _) = told(get("/echo", "X-Request-Id: from-a-proxy_1\r\n")).await;
        assert_eq!(answer.headers["x-request-id"], "from-a-proxy_1");
        for wrong in ["a b", "\"", &"x".repeat(129), "a\r\nx-request-id: b"] {
            let (answer, _) = told(get("/echo", &format!("x-request-id: {wrong}\r\n"))).await;
            assert_eq!(answer.headers["x-request-id"].len(), 32, "{wrong}");
        }
        // A component's own does not count.
        let (answer, _) = told(get("/probe/header?name=x-request-id&value=mine", "")).await;
        assert_eq!(answer.headers["x-request-id"].len(), 32);
    });
}
