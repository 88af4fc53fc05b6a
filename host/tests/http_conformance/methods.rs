//! Methods, and what answers to them say.

use super::common;
use super::wire::{Answer, Wire};
use crate::web::run;

async fn asked(method: &str, target: &str) -> Answer {
    let mut wire = Wire::open(common().await.server.address()).await;
    wire.send(format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    let answer = wire.answer_to(method == "HEAD").await;
    let answer = answer.expect("an answer");
    assert!(
        wire.is_silent().await,
        "{method} {target}: nothing may follow {answer:?}"
    );
    answer
}

/// RFC 9110, 9.3.2: the head of `GET` and no body, whoever answers.
#[test]
fn head_answers_like_get_without_a_body() {
    run(async {
        for target in [
            "/echo",
            "/nothing",
            "/health",
            "/admin/clock",
            "/openapi.json",
            "/probe/reject?kind=invalid",
            "/probe/trap",
        ] {
            let (get, head) = (asked("GET", target).await, asked("HEAD", target).await);
            assert_eq!(get.status, head.status, "{target}");
            let same = |answer: &Answer| {
                let mut headers = answer.headers.clone();
                headers.remove("date");
                headers.remove("x-request-id");
                headers
            };
            assert_eq!(same(&get), same(&head), "{target}");
            assert_eq!(
                get.headers["content-length"],
                get.body.len().to_string(),
                "{target}"
            );
            assert!(!get.body.is_empty() && head.body.is_empty(), "{target}");
        }
    });
}

/// RFC 9110, 15.5.6: what a path answers instead.
#[test]
fn another_method_is_refused_with_what_is_answered() {
    run(async {
        for (method, target, allow) in [
            ("TRACE", "/echo", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("OPTIONS", "/echo", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("PROPFIND", "/echo", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("get", "/echo", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("DELETE", "/probe/now", "GET, HEAD, POST"),
            ("DELETE", "/admin/clock", "GET,HEAD,PUT"),
            ("POST", "/health", "GET,HEAD"),
        ] {
            let answer = asked(method, target).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (405, "method-not-allowed"),
                "{method} {target}"
            );
            assert_eq!(answer.headers["allow"], allow, "{method} {target}");
        }
    });
}

/// RFC 9110, 9.3.7: of the server as a whole.
#[test]
fn the_host_as_a_whole_tells_its_methods() {
    run(async {
        let answer = asked("OPTIONS", "*").await;
        assert_eq!(answer.status, 204);
        assert!(answer.headers["allow"].contains("PATCH"));
        assert_eq!(asked("GET", "*").await.status, 404);
    });
}

/// RFC 9110, 6.6.1, 8.6 and 15.3.5: dates, lengths, and answers without content.
#[test]
fn answers_say_what_they_have_to() {
    run(async {
        let answer = asked("GET", "/echo").await;
        assert!(answer.headers["date"].ends_with(" GMT"), "{answer:?}");
        assert_eq!(answer.headers["content-length"], "13");
        for status in [204, 304] {
            let answer = asked("GET", &format!("/probe/status?status={status}")).await;
            assert_eq!(answer.status, status);
            assert!(
                !answer.headers.contains_key("transfer-encoding"),
                "{answer:?}"
            );
        }
        let answer = asked("GET", "/probe/status?status=205").await;
        assert_eq!((answer.status, answer.body.len()), (205, 0));
    });
}
