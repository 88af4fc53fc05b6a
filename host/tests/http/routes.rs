//! What is the same on every route of every plugin, as the host itself lists them.

use reqwest::Method;
use serde_json::Value;

use super::{Web, common, run, send};

/// A route as `/admin/components` lists it, with parameters filled in.
struct Route {
    path: String,
    methods: Vec<String>,
    rows: bool,
    body_limit_bytes: usize,
}

impl Route {
    fn method(&self) -> Method {
        let name = if self.methods.iter().any(|method| method == "POST") {
            "POST"
        } else {
            &self.methods[0]
        };
        Method::from_bytes(name.as_bytes()).expect("a method")
    }
}

async fn routes(web: &Web) -> Vec<Route> {
    let components = web.get("/admin/components").await.json();
    let all = components.as_array().expect("a list").iter();
    let first_party = all
        .filter(|component| !["echo", "probe"].contains(&component["name"].as_str().unwrap_or("")));
    first_party
        .flat_map(|component| {
            component["routes"]
                .as_array()
                .expect("routes")
                .iter()
                .map(route)
        })
        .collect()
}

fn route(value: &Value) -> Route {
    let segments = value["path"].as_str().expect("a path").split('/');
    let filled: Vec<&str> = segments
        .map(|segment| {
            if segment.starts_with('{') {
                "1"
            } else {
                segment
            }
        })
        .collect();
    let methods = value["methods"].as_array().expect("methods").iter();
    Route {
        path: filled.join("/"),
        methods: methods
            .filter_map(|method| method.as_str().map(str::to_owned))
            .collect(),
        rows: value["rows"] == true,
        body_limit_bytes: value["bodyLimitBytes"].as_u64().expect("a limit") as usize,
    }
}

#[test]
fn there_are_routes_to_test() {
    run(async {
        let routes = routes(common().await).await;
        assert!(
            routes.len() > 20 && routes.iter().any(|route| route.rows),
            "{} routes",
            routes.len()
        );
    });
}

#[test]
fn a_broken_body_is_malformed_on_every_route() {
    run(async {
        let web = common().await;
        for route in routes(web).await {
            for body in [
                &b"{"[..],
                b"{\"a\":}",
                b"[1,2",
                b"\"open",
                b"\xff\xfe{",
                b"{\"a\":1}x",
                b"nul",
            ] {
                let request = web
                    .request(route.method(), &route.path)
                    .header("content-type", "application/json");
                let answer = send(request.body(body)).await;
                let what = format!(
                    "{} with {:?}: {answer:?}",
                    route.path,
                    String::from_utf8_lossy(body)
                );
                assert_eq!(answer.status, 400, "{what}");
                assert_eq!(answer.problem(400), "malformed", "{what}");
            }
        }
    });
}

#[test]
fn another_method_is_refused_with_those_that_are_served() {
    run(async {
        let web = common().await;
        for route in routes(web).await {
            let answer = send(web.request(Method::PUT, &route.path).body("{}")).await;
            assert_eq!(answer.problem(405), "method-not-allowed", "{}", route.path);
            let allow: Vec<&str> = answer.headers["allow"]
                .split(", ")
                .filter(|method| *method != "HEAD")
                .collect();
            let mut methods = route.methods.clone();
            methods.sort_by_key(|method| {
                ["GET", "POST", "PUT", "PATCH", "DELETE"]
                    .iter()
                    .position(|m| m == method)
            });
            assert_eq!(allow, methods, "{}", route.path);
        }
    });
}

#[test]
fn a_body_over_the_limit_is_refused_on_every_route() {
    run(async {
        let web = common().await;
        for route in routes(web).await.iter().filter(|route| !route.rows) {
            let body = vec![b' '; route.body_limit_bytes + 1];
            let answer = send(web.request(route.method(), &route.path).body(body)).await;
            assert_eq!(answer.problem(413), "too-large", "{}", route.path);
        }
    });
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    run(async {
        let web = common().await;
        let chunks = futures_util::stream::iter(
            (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536])),
        );
        let body = reqwest::Body::wrap_stream(chunks);
        let answer = web.post("/house/house-editor/add-house", body).await;
        assert_eq!(answer.problem(413), "too-large");
    });
}

#[test]
fn what_nobody_answers_is_not_found() {
    run(async {
        let web = common().await;
        for path in [
            "/",
            "/nope",
            "/house",
            "/house/house-editor",
            "/admin/nope",
            "/fn/x",
            "/metrics/x",
            "/partners",
            "/partners/1/nope",
        ] {
            assert_eq!(web.get(path).await.problem(404), "no-route", "{path}");
        }
        // What is wrong is the house, not the path.
        let answer = web
            .get("/house/house-editor/house/no-such-house/get_all_object")
            .await;
        assert!([404, 422].contains(&answer.status), "{answer:?}");
        assert_ne!(answer.json()["type"], "urn:leyden:problem:no-route");
    });
}

#[test]
fn paths_are_bounded_and_decoded() {
    run(async {
        let web = common().await;
        assert_eq!(
            web.get(&format!("/echo/{}", "x".repeat(9_000)))
                .await
                .problem(414),
            "path-too-long"
        );
        assert_eq!(web.get("/echo/%ff").await.field(400), "rest");
        assert_eq!(web.get("/streams/%ff").await.problem(400), "malformed");
        assert_eq!(web.get("/echo/").await.status, 200);
    });
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    run(async {
        let web = common().await;
        let response = web
            .request(Method::HEAD, "/echo")
            .send()
            .await
            .expect("an answer");
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["content-length"]
            ),
            (200, &"13".parse().unwrap())
        );
        assert_eq!(response.text().await.expect("a body"), "");
        assert_eq!(
            web.request(Method::HEAD, "/nope")
                .send()
                .await
                .expect("an answer")
                .status(),
            404
        );
        assert_eq!(
            web.request(Method::HEAD, "/house/house-editor/add-house")
                .send()
                .await
                .unwrap()
                .status(),
            405
        );
    });
}

#[test]
fn values_that_break_a_rule_are_named() {
    run(async {
        let web = common().await;
        let added = web
            .post(
                "/house/house-editor/add-house",
                r#"{"client_name":"Jean-Paul"}"#,
            )
            .await;
        assert_eq!((added.status, added.body.len()), (200, 36), "{added:?}");
        let object = |name: &str, watts: &str| {
            format!(
                r#"{{"object":{{"name":"{name}","maxConsumption":{watts},"enabled":true}},"type":"BASIC"}}"#
            )
        };
        let path = format!("/house/house-editor/house/{}/add-object", added.body);
        assert_eq!(web.post(&path, object("Mixeur", "500")).await.status, 204);
        assert_eq!(
            web.post(&path, object("Mixeur", "500")).await.problem(409),
            "conflict"
        );
        for (body, field) in [
            (object("a", "-1"), "maxConsumption"),
            (object("a", "1e999"), "maxConsumption"),
            (object("", "1"), "name"),
            (object(&"x".repeat(201), "1"), "name"),
        ] {
            let answer = web.post(&path, body.clone()).await;
            // A number that JSON cannot hold is a syntax error.
            assert!(
                answer.status == 422 || (answer.status == 400 && body.contains("999")),
                "{body}: {answer:?}"
            );
            assert!(
                answer.status == 400 || answer.field(422).contains(field),
                "{body}: {answer:?}"
            );
        }
        let answer = web
            .post(
                "/consumption-api/total-consumption",
                r#"{"date":"yesterday"}"#,
            )
            .await;
        assert_eq!(answer.field(422), "date");
        let answer = web
            .post("/partner-api/get-partner-info", r#"{"partnerID":"nobody"}"#)
            .await;
        assert_eq!(answer.problem(404), "not-found");
    });
}
