//! Where functions answer, what they see of a request, and what comes back.

use leyden::gateway::Token;
use reqwest::Method;

use super::raw::Raw;
use super::{Web, built, deploy, guest, host, run, send, with_web};
use crate::support::name;

#[test]
fn a_function_answers_below_fn_and_on_its_routes() {
    run(async {
        let web = host().await;
        let routes = "[[routes]]\npath = \"/hello\"\n[[routes]]\npath = \"/greet/{*rest}\"\n";
        let activation = deploy(&web, "web", routes).await;
        let kind = serde_json::to_value(activation.kind).expect("JSON");
        assert_eq!(kind, "function");
        for path in ["/fn/web/hello", "/hello"] {
            let answer = web.get(path).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (200, "Hello, world!"),
                "{path}"
            );
            assert_eq!(answer.headers["content-length"], "13");
            let generation = &answer.headers["leyden-generation"];
            assert!(generation.contains(&activation.digest), "{generation}");
        }
        let listed = web.get("/admin/components").await.json();
        let listed = listed.as_array().expect("a list").iter();
        let function = listed.filter(|component| component["kind"] == "function");
        assert_eq!(function.count(), 1);
        assert_eq!(web.get("/fn/web").await.body, "no such path");
        for nobodys in [
            "/fn/nobody/hello",
            "/fn/",
            "/fn",
            "/fn/echo",
            "/web",
            "/fn/We%62/",
        ] {
            assert_eq!(web.get(nobodys).await.problem(404), "no-route", "{nobodys}");
        }
    });
}

#[test]
fn a_function_sees_the_request_as_it_came() {
    run(async {
        let manifest = "[[routes]]\npath = \"/request\"\n";
        let web = with_web(manifest).await;
        let seen = |path: &'static str| {
            let request = web.request(Method::GET, path).header("x-a", "b");
            async { send(request).await.body }
        };
        let below = seen("/fn/web/request?q=%20x").await;
        let authority = web.server.address();
        let first = format!("Method::Get http {authority} /request?q=%20x\n");
        assert!(below.starts_with(&first), "{below}");
        assert!(below.contains("\nx-a: b\n") && below.contains("\nx-forwarded-prefix: /fn/web\n"));
        assert!(
            !below.contains("\nhost: "),
            "the authority says it: {below}"
        );
        let routed = seen("/request").await;
        assert!(routed.starts_with("Method::Get http "), "{routed}");
        assert!(!routed.contains("forwarded"), "{routed}");
        let mut old = Raw::connect(&web).await;
        old.send("PATCH /fn/web/request HTTP/1.0\r\n\r\n").await;
        let answer = old.rest().await;
        assert!(
            answer.contains("Method::Patch http localhost /request"),
            "{answer}"
        );
    });
}

#[test]
fn the_hosts_token_is_not_shown_to_functions() {
    run(async {
        let token = "0123456789abcdef0123456789abcdef";
        let plugins = built("guests");
        let starting = Web::start(&plugins, |options| {
            options.token = Some(Token::parse(token).expect("a token"));
        });
        let mut web = starting.await;
        web.token = Some(token);
        deploy(&web, "web", "").await;
        let answer = web.get("/fn/web/request").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("authorization"), "{}", answer.body);
        let stranger = web.request_as(None, Method::GET, "/fn/web/request");
        assert_eq!(send(stranger).await.problem(401), "unauthorized");
    });
}

#[test]
fn a_head_is_a_get_without_its_body() {
    run(async {
        let web = with_web("").await;
        for (path, length) in [("/hello", Some("13")), ("/zeros?300000", None)] {
            let head = web.request(Method::HEAD, &format!("/fn/web{path}"));
            let head = send(head).await;
            assert_eq!((head.status, &*head.body), (200, ""), "{path}");
            let told = head.headers.get("content-length").map(String::as_str);
            assert_eq!(told, length, "{path}");
        }
    });
}

#[test]
fn statuses_are_told_as_they_are_and_some_have_no_body() {
    run(async {
        let web = with_web("").await;
        for status in [200, 201, 204, 205, 304, 404, 418, 503, 599] {
            let answer = web.client.get(format!(
                "http://{}/fn/web/status?{status}",
                web.server.address()
            ));
            let answer = answer.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.bytes().await.expect("a body").len(), 0);
        }
        for status in [100, 103, 199, 600, 999] {
            let answer = web.get(&format!("/fn/web/status?{status}")).await;
            assert_eq!(answer.problem(502), "misbehaved", "{status}");
        }
    });
}

#[test]
fn functions_are_versions_like_others() {
    run(async {
        let web = host().await;
        let first = deploy(&web, "web", "").await;
        let second = deploy(&web, "web", "[limits]\nmemory-mib = 32\n").await;
        assert_eq!(second.previous.as_deref(), Some(&*first.digest));
        assert_eq!(web.get("/fn/web/hello").await.status, 200);
        let back = web
            .admin(Method::POST, "/admin/components/web/rollback", "{}")
            .await;
        assert_eq!(back.json()["digest"], first.digest);
        let answer = web.get("/fn/web/hello").await;
        assert!(answer.headers["leyden-generation"].contains(&first.digest));
        // A service takes the name over, and the other way round.
        let by = leyden::operators::Operator::host();
        let registry = &web.host.registry;
        let service = leyden::registry::manifest::attach(
            &guest("echo"),
            "[[routes]]\npath = \"/web\"\nmethods = [\"GET\"]\n",
        );
        registry
            .deploy(&by, &name("web"), service.expect("a manifest"))
            .await
            .expect("deployed");
        assert_eq!(web.get("/fn/web/hello").await.problem(404), "no-route");
        assert_eq!(web.get("/web").await.body, "Hello, world!");
        deploy(&web, "web", "").await;
        assert_eq!(web.get("/fn/web/hello").await.body, "Hello, world!");
    });
}
