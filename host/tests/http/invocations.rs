//! Components that fail, and requests that are repeated.

use std::time::Duration;

use reqwest::Method;

use super::{Answer, Web, common, own, run, send};

async fn probe(web: &Web, action: &str) -> Answer {
    web.post(&format!("/probe/{action}"), "{}").await
}

#[test]
fn traps_and_deadlines_name_component_and_version() {
    run(async {
        let web = common().await;
        let components = web.get("/admin/components").await.json();
        let active = components
            .as_array()
            .unwrap()
            .iter()
            .find(|component| component["name"] == "probe")
            .unwrap();
        for (action, status, kind) in [
            ("trap", 502, "trapped"),
            ("panic", 502, "trapped"),
            ("recurse", 502, "trapped"),
            ("loop", 504, "deadline"),
        ] {
            let answer = probe(web, action).await;
            assert_eq!(answer.problem(status), kind, "{action}");
            let problem = answer.json();
            assert_eq!(
                (&problem["component"], &problem["version"]),
                (&active["name"], &active["digest"]),
                "{action}"
            );
        }
    });
}

/// An answer, a refusal, a failure and an upload name the generation and the version; what is repeated is the first.
#[test]
fn answers_name_their_generation() {
    run(async {
        let web = own(|_| {}).await;
        let digest = async || {
            let components = web.get("/admin/components").await.json();
            let probe = components
                .as_array()
                .unwrap()
                .iter()
                .find(|c| c["name"] == "probe");
            probe.unwrap()["digest"].as_str().unwrap().to_owned()
        };
        let named = |answer: &Answer| answer.headers["leyden-generation"].clone();
        let number = web.get("/admin/status").await.json()["generation"].to_string();
        let expected = format!("{number};probe=\"{}\"", digest().await);
        for path in ["/probe/status?status=200", "/probe/reject?kind=invalid"] {
            assert_eq!(named(&web.get(path).await), expected, "{path}");
        }
        assert_eq!(named(&probe(&web, "trap").await), expected);
        let rows = web
            .request(Method::POST, "/probe/rows")
            .header("content-type", "text/csv");
        assert_eq!(named(&send(rows.body("column\n1\n")).await), expected);
        let keyed = || {
            let increment = web.request(Method::POST, "/probe/increment");
            let increment = increment.header("content-type", "application/json");
            send(
                increment
                    .header("idempotency-key", "g")
                    .body(r#"{"key":"g"}"#),
            )
        };
        assert_eq!(named(&keyed().await), expected);
        // Another version of it: the repeated answer is still the first one.
        web.deploy("probe", "name = \"probe\"\n[[routes]]\nmethods = [\"GET\", \"POST\"]\npath = \"/probe/{action}\"\n").await;
        assert_eq!(named(&keyed().await), expected);
        assert_ne!(named(&web.get("/probe/status?status=200").await), expected);
    });
}

#[test]
fn answers_that_are_not_http_are_the_components_fault() {
    run(async {
        let web = common().await;
        for action in [
            "status?status=0",
            "status?status=99",
            "status?status=101",
            "status?status=600",
            "header?name=a%20b&value=x",
            "header?name=x&value=a%0D%0Ab:%20c",
            "header?name=transfer-encoding&value=chunked",
        ] {
            let answer = web.get(&format!("/probe/{action}")).await;
            assert_eq!(answer.problem(502), "misbehaved", "{action}");
            assert_eq!(answer.json()["component"], "probe", "{action}");
        }
        assert_eq!(
            web.get("/probe/header?name=x-a&value=b").await.headers["x-a"],
            "b"
        );
    });
}

#[test]
fn refusals_have_the_status_of_their_kind() {
    run(async {
        let web = common().await;
        for (kind, status) in [
            ("malformed", 400),
            ("payment-required", 402),
            ("forbidden", 403),
            ("not-found", 404),
            ("conflict", 409),
            ("unsupported-media-type", 415),
            ("invalid", 422),
        ] {
            assert_eq!(
                web.get(&format!("/probe/reject?kind={kind}"))
                    .await
                    .problem(status),
                kind
            );
        }
        let answer = probe(web, "retry").await;
        assert_eq!(answer.problem(503), "unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
    });
}

#[test]
fn a_full_queue_is_busy() {
    run(async {
        let web = own(|options| options.connections_max = 2_000).await;
        let manifest = "[[routes]]\npath = \"/probe/{action}\"\nmethods = [\"GET\"]\n[limits]\nconcurrency = 1\n";
        web.deploy("probe", manifest).await;
        let requests = (0..1_300).map(|_| send(web.request(Method::GET, "/probe/busy?ms=20")));
        let metric = async |name: &str| {
            let page = web.get("/metrics").await.body;
            let series = format!("leyden_queue_{name}{{component=\"probe\"}} ");
            let value = page.lines().find_map(|line| line.strip_prefix(&series));
            value.map_or(0, |value| value.parse::<usize>().expect("a number"))
        };
        let waiting = async {
            while metric("length").await == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let all = futures_util::future::join_all(requests);
        let (answers, ()) = tokio::join!(all, waiting);
        let busy: Vec<&Answer> = answers
            .iter()
            .filter(|answer| answer.status != 200)
            .collect();
        assert!(
            !busy.is_empty() && busy.len() < answers.len(),
            "{} of {} refused",
            busy.len(),
            answers.len()
        );
        for answer in &busy {
            assert_eq!(answer.problem(503), "busy");
            assert_eq!(answer.headers["retry-after"], "1");
        }
        // A page serves for a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(metric("length").await, 0);
        assert_eq!(metric("refused_total").await, busy.len());
    });
}

#[test]
fn a_repeated_request_gets_the_first_answer() {
    run(async {
        let web = common().await;
        let increment = |method: Method, body: &'static str, key: &'static str| {
            let request = web
                .request(method, "/probe/increment")
                .header("idempotency-key", key);
            send(
                request
                    .header("content-type", "application/json")
                    .body(body),
            )
        };
        let body = r#"{"key":"repeated"}"#;
        for _ in 0..3 {
            assert_eq!(increment(Method::POST, body, "k1").await.body, "1");
        }
        assert_eq!(increment(Method::POST, body, "k2").await.body, "2");
        let other = increment(Method::POST, r#"{"key":"other"}"#, "k1").await;
        assert_eq!(other.problem(422), "key-reused");
        assert_eq!(other.field(422), "Idempotency-Key");
        assert_eq!(web.get("/probe/counter/repeated").await.body, "2");
    });
}

#[test]
fn a_refusal_is_repeated_too() {
    run(async {
        let web = common().await;
        let ask = |kind: &str| {
            let request = web.request(Method::POST, &format!("/probe/reject?kind={kind}"));
            send(request.header("idempotency-key", "r1"))
        };
        let (first, second) = (ask("conflict").await, ask("conflict").await);
        assert_eq!(first.problem(409), "conflict");
        assert_eq!(first.body, second.body);
        assert_eq!(ask("forbidden").await.problem(422), "key-reused");
    });
}

#[test]
fn keys_are_checked() {
    run(async {
        let web = common().await;
        let long = "x".repeat(256);
        for key in ["", "a b", "é", &long] {
            let request = web
                .request(Method::POST, "/probe/increment?key=keys")
                .header("idempotency-key", key);
            assert_eq!(send(request).await.field(400), "Idempotency-Key", "{key:?}");
        }
        assert_eq!(web.get("/probe/counter/keys").await.body, "null");
    });
}

#[test]
fn a_read_under_a_key_is_answered_once_and_head_changes_nothing() {
    run(async {
        let web = common().await;
        for _ in 0..2 {
            let request = web.request(Method::GET, "/probe/increment?key=read");
            assert_eq!(
                send(request.header("idempotency-key", "read")).await.body,
                "1"
            );
        }
        let head = web.request(Method::HEAD, "/probe/increment?key=read");
        assert_eq!(send(head).await.status, 200);
        assert_eq!(web.get("/probe/counter/read").await.body, "1");
    });
}
