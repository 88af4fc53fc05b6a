//! The operator's paths: tokens, deployments, the clock.

use std::time::Duration;

use leyden::gateway::{self, Options, Token};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Web, common, own, run, send};
use crate::support::guest;

const TOKEN: &str = "a-token-of-some-length";

#[test]
fn with_a_token_everything_but_health_and_readiness_asks_for_it() {
    run(async {
        let mut web = own(|options| options.token = Some(Token::parse(TOKEN).unwrap())).await;
        for path in [
            "/echo",
            "/admin/status",
            "/metrics",
            "/streams/probe.out",
            "/nope",
            "/",
        ] {
            let answer = web.get(path).await;
            assert_eq!(answer.problem(401), "unauthorized", "{path}");
            assert!(
                answer.headers["www-authenticate"].starts_with("Bearer"),
                "{path}"
            );
        }
        assert_eq!(web.get("/health").await.json(), json!({ "status": "ok" }));
        assert_eq!(web.get("/ready").await.json()["status"], "ready");
        let wrong = web
            .request(Method::GET, "/echo")
            .bearer_auth("a-token-of-some-lengtH");
        assert_eq!(send(wrong).await.problem(401), "unauthorized");
        let large = web.request(Method::POST, "/echo").body(vec![0; 3_000_000]);
        assert_eq!(send(large).await.problem(401), "unauthorized");
        web.token = Some(TOKEN);
        assert_eq!(web.get("/echo").await.body, "Hello, world!");
        assert_eq!(web.get("/admin/status").await.status, 200);
    });
}

#[test]
fn other_machines_are_let_in_with_a_token_only() {
    run(async {
        let host = common().await.host.clone();
        let options = Options::new("0.0.0.0:0".parse().unwrap());
        let refused = gateway::serve(host.clone(), options.clone(), CancellationToken::new()).await;
        assert!(refused.unwrap_err().to_string().contains("--token-file"));
        let options = Options {
            token: Some(Token::parse(TOKEN).unwrap()),
            ..options
        };
        let shutdown = CancellationToken::new();
        let server = gateway::serve(host, options, shutdown.clone())
            .await
            .expect("a gateway");
        shutdown.cancel();
        server.stopped().await;
    });
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    run(async {
        let web = common().await;
        let settle = |origin: String| {
            let request = web.request(Method::POST, "/admin/settle");
            send(request.header("origin", origin))
        };
        let answer = settle("https://evil.example".to_owned()).await;
        assert_eq!(answer.problem(403), "forbidden");
        assert_eq!(answer.field(403), "Origin");
        assert_eq!(
            settle(format!("http://{}", web.server.address()))
                .await
                .status,
            200
        );
    });
}

async fn deploy(web: &Web, component: &str, bytes: Vec<u8>) -> super::Answer {
    let request = web.request(Method::POST, &format!("/admin/components/{component}"));
    send(
        request
            .header("content-type", "application/wasm")
            .body(bytes),
    )
    .await
}

#[test]
fn versions_come_and_go() {
    run(async {
        let web = own(|_| {}).await;
        let first = web.get("/admin/components/echo/versions").await.json()[0]["digest"].clone();
        let changed = leyden::registry::manifest::attach(
            &guest("echo"),
            "[[routes]]\npath = \"/other\"\nmethods = [\"GET\"]\n",
        );
        let activation = deploy(&web, "echo", changed.unwrap()).await;
        assert_eq!(
            (activation.status, &activation.json()["previous"]),
            (200, &first)
        );
        assert_eq!(web.get("/echo").await.problem(404), "no-route");
        assert_eq!(web.get("/other").await.body, "Hello, world!");

        let back = web
            .admin(Method::POST, "/admin/components/echo/rollback", "")
            .await;
        assert_eq!((back.status, &back.json()["digest"]), (200, &first));
        assert_eq!(web.get("/echo").await.status, 200);
        let to = activation.json()["digest"].clone();
        let forth = web
            .admin(
                Method::POST,
                "/admin/components/echo/rollback",
                &json!({ "to": to }).to_string(),
            )
            .await;
        assert_eq!((forth.status, &forth.json()["digest"]), (200, &to));
    });
}

#[test]
fn what_cannot_be_deployed_is_refused() {
    run(async {
        let web = common().await;
        assert_eq!(deploy(web, "Echo", vec![0]).await.field(422), "name");
        assert_eq!(
            deploy(web, "other", b"no component".to_vec())
                .await
                .problem(422),
            "invalid"
        );
        assert_eq!(
            deploy(web, "other", b"\0asm\x01\0\0\0".to_vec())
                .await
                .problem(422),
            "invalid"
        );
        assert_eq!(
            deploy(web, "other", Vec::new()).await.problem(422),
            "invalid"
        );
        assert_eq!(
            deploy(web, "other", guest("echo")[..500].to_vec())
                .await
                .problem(422),
            "invalid"
        );
        // The routes in its manifest belong to another component.
        assert_eq!(deploy(web, "other", guest("echo")).await.status / 100, 4);
        let typed = web
            .request(Method::POST, "/admin/components/echo")
            .header("content-type", "text/plain");
        assert_eq!(send(typed.body("x")).await.field(415), "Content-Type");
        let large = web
            .request(Method::POST, "/admin/components/echo")
            .header("content-type", "application/wasm");
        assert_eq!(
            send(large.body(vec![0; (64 << 20) + 1])).await.problem(413),
            "too-large"
        );
    });
}

#[test]
fn versions_that_are_not_there_are_named() {
    run(async {
        let web = common().await;
        assert_eq!(
            web.get("/admin/components/no-such/versions")
                .await
                .problem(404),
            "not-found"
        );
        let rollback = |component: &str, body: &str| {
            let path = format!("/admin/components/{component}/rollback");
            let body = body.to_owned();
            async move { web.admin(Method::POST, &path, &body).await }
        };
        assert_eq!(rollback("no-such", "").await.problem(404), "not-found");
        assert_eq!(rollback("access", "").await.problem(404), "not-found");
        assert_eq!(
            rollback("access", &json!({ "to": "0".repeat(64) }).to_string())
                .await
                .field(404),
            "to"
        );
        assert_eq!(rollback("access", r#"{"to":"x"}"#).await.field(422), "to");
        assert_eq!(
            rollback("access", r#"{"from":"x"}"#).await.field(422),
            "from"
        );
        assert_eq!(rollback("access", "{").await.problem(400), "malformed");
        assert_eq!(
            rollback("access", &"x".repeat(20_000)).await.problem(413),
            "too-large"
        );
    });
}

#[test]
fn the_clock_is_set_and_ticks() {
    run(async {
        let web = own(|_| {}).await;
        let body = r#"{"now":"2030-01-01T00:00:00Z","tickMs":1000}"#;
        let set = web.admin(Method::PUT, "/admin/clock", body).await;
        assert_eq!(
            set.json(),
            json!({ "now": "2030-01-01T00:00:00.000Z", "mode": "simulated", "tickMs": 1000 })
        );
        let ticked = web
            .admin(Method::POST, "/admin/clock/tick", r#"{"count":3}"#)
            .await
            .json();
        assert_eq!(
            (&ticked["now"], &ticked["ticks"]),
            (&json!("2030-01-01T00:00:03.000Z"), &json!(3))
        );
        assert_eq!(
            web.admin(Method::POST, "/admin/settle", "").await.json(),
            json!({ "settled": true })
        );

        for (method, path, body, field) in [
            (Method::PUT, "/admin/clock", r#"{"now":"soon"}"#, "now"),
            (Method::PUT, "/admin/clock", r#"{"tickMs":0}"#, "tickMs"),
            (Method::PUT, "/admin/clock", r#"{"tickMs":1.5}"#, "tickMs"),
            (Method::PUT, "/admin/clock", r#"{"time":1}"#, "time"),
            (Method::POST, "/admin/clock/tick", r#"{"count":0}"#, "count"),
            (
                Method::POST,
                "/admin/clock/tick",
                r#"{"count":100001}"#,
                "count",
            ),
            (
                Method::POST,
                "/admin/clock/tick",
                r#"{"count":"3"}"#,
                "count",
            ),
        ] {
            assert_eq!(
                web.admin(method, path, body).await.field(422),
                field,
                "{body}"
            );
        }
        let back = web
            .admin(
                Method::PUT,
                "/admin/clock",
                r#"{"now":"2029-01-01T00:00:00Z"}"#,
            )
            .await;
        assert_eq!(back.problem(409), "conflict");
        assert_eq!(
            web.admin(Method::PUT, "/admin/clock", "{")
                .await
                .problem(400),
            "malformed"
        );
        assert_eq!(
            web.admin(Method::DELETE, "/admin/clock", "")
                .await
                .problem(405),
            "method-not-allowed"
        );
    });
}

#[test]
fn ticks_end_with_their_caller() {
    run(async {
        let web = own(|_| {}).await;
        let ticks = web
            .request(Method::POST, "/admin/clock/tick")
            .body(r#"{"count":100000}"#);
        let gone = ticks.timeout(Duration::from_millis(300)).send().await;
        assert!(gone.is_err_and(|error| error.is_timeout()));
        let now = || async { web.get("/admin/clock").await.json()["now"].clone() };
        let mut last = now().await;
        for _ in 0..50 {
            sleep(Duration::from_millis(100)).await;
            let next = now().await;
            if next == last {
                return;
            }
            last = next;
        }
        panic!("the clock goes on: {last}");
    });
}

#[test]
fn the_host_tells_what_runs() {
    run(async {
        let web = common().await;
        let status = web.get("/admin/status").await.json();
        assert!(
            status["generation"].as_u64() > Some(0) && status["components"].as_u64() > Some(10),
            "{status}"
        );
        let ledger = web.get("/admin/ledger").await.json();
        assert_eq!(
            (&ledger["sound"], &ledger["sum"]),
            (&json!(true), &json!("0"))
        );
        assert_eq!(ledger["broken"], json!(null));
        let noted = web.get("/admin/ledger?noted=1:x").await;
        assert_eq!(noted.status, 422, "{noted:?}");
        let accounts = web.get("/admin/ledger/accounts?limit=1").await.json();
        assert!(accounts["accounts"].is_array(), "{accounts}");
        for wrong in ["limit=0", "limit=1001", "limti=1", "after=%ff"] {
            let refused = web.get(&format!("/admin/ledger/accounts?{wrong}")).await;
            assert!(matches!(refused.status, 400 | 422), "{wrong}");
        }
        let streams = web.get("/admin/streams").await.json();
        assert!(
            streams
                .as_array()
                .is_some_and(|streams| streams.iter().all(|stream| stream["groups"].is_array()))
        );
    });
}
