//! One component, as its operator looks at it: what it is and logs, and that it can be gone.

use std::time::Duration;

use futures_util::StreamExt as _;
use leyden::registry::COMPONENTS_MAX;
use leyden::registry::manifest::attach;
use leyden::store::{Order, Range, Transaction, Write};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Web, common, own, run, send};
use crate::support::guest;

pub(super) const MANIFEST: &str = r#"
description = "Mine."
[[routes]]
path = "/mine/{action}"
methods = ["GET", "POST"]
"#;

/// Deploys probe under another name.
pub(super) async fn deploy(web: &Web, name: &str, manifest: &str) -> super::Answer {
    deploy_bytes(
        web,
        name,
        attach(&guest("probe"), manifest).expect("a manifest"),
    )
    .await
}

async fn deploy_bytes(web: &Web, name: &str, bytes: Vec<u8>) -> super::Answer {
    let request = web.request(Method::POST, &format!("/admin/components/{name}"));
    send(
        request
            .header("content-type", "application/wasm")
            .body(bytes),
    )
    .await
}

async fn delete(web: &Web, name: &str) -> super::Answer {
    web.admin(Method::DELETE, &format!("/admin/components/{name}"), "")
        .await
}

/// What the audit says of a component, the latest first, each change with its reason.
pub(super) async fn audit(web: &Web, subject: &str) -> Vec<(String, Value)> {
    let page = web
        .get(&format!("/admin/audit?subject={subject}"))
        .await
        .json();
    let entry = |entry: &Value| {
        let change = entry["change"].as_str().unwrap_or_default().to_owned();
        (change, entry["reason"].clone())
    };
    page["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(entry)
        .collect()
}

#[test]
fn a_component_that_is_taken_away_leaves_nothing_but_its_data_and_the_audit() {
    run(async {
        let web = own(|_| {}).await;
        assert_eq!(deploy(&web, "mine", MANIFEST).await.status, 200);
        let second = format!("{MANIFEST}[limits]\nbatch = 7\n");
        let deployed = deploy(&web, "mine", &second).await.json();
        assert_eq!(web.get("/mine/set?key=a&value=kept").await.status, 204);
        let put = web
            .admin(Method::PUT, "/admin/components/mine/secrets/KEY", "x")
            .await;
        assert_eq!(put.status, 200);

        // What is under way finishes.
        let slow = tokio::spawn(web.request(Method::GET, "/mine/busy?ms=400").send());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let gone = delete(&web, "mine").await.json();
        assert_eq!(
            (&gone["digest"], &gone["versions"]),
            (&deployed["digest"], &json!(2))
        );
        let slow = slow.await.expect("no panic").expect("an answer");
        assert_eq!(slow.status(), 200);

        assert_eq!(web.get("/mine/get?key=a").await.problem(404), "no-route");
        for path in ["", "/versions", "/logs"] {
            let answer = web.get(&format!("/admin/components/mine{path}")).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        let secrets = web.get("/admin/components/mine/secrets").await.json();
        assert_eq!(secrets["secrets"], json!([]));
        assert_eq!(delete(&web, "mine").await.status, 404);
        let changes: Vec<String> = audit(&web, "mine")
            .await
            .into_iter()
            .map(|(c, _)| c)
            .collect();
        assert_eq!(changes, ["delete", "set-secret", "deploy", "deploy"]);

        // The name is free, and so is the route; what was kept is kept.
        assert_eq!(
            deploy(&web, "mine", &second).await.json()["digest"],
            deployed["digest"]
        );
        let versions = web.get("/admin/components/mine/versions").await.json();
        assert_eq!(versions.as_array().map(Vec::len), Some(1));
        let back = web.admin(Method::POST, "/admin/components/mine/rollback", "{}");
        let back = back.await;
        assert_eq!(back.problem(404), "not-found");
        assert!(back.body.contains("none was active before"), "{back:?}");
        assert_eq!(web.get("/mine/get?key=a").await.json(), "kept");
    });
}

#[test]
fn an_instance_of_a_service_serves_as_often_as_its_manifest_says() {
    run(async {
        let web = own(|_| {}).await;
        let reuses = [
            ("once", "[reuse]\ncount = 1\n", 4),
            ("twice", "[reuse]\ncount = 2\n", 2),
            ("often", "", 1),
        ];
        for (name, reuse, _) in reuses {
            let manifest = format!("{reuse}[[routes]]\npath = \"/{name}\"\n");
            let bytes = attach(&guest("echo"), &manifest).expect("a manifest");
            assert_eq!(deploy_bytes(&web, name, bytes).await.status, 200);
            for _ in 0..4 {
                assert_eq!(web.get(&format!("/{name}")).await.body, "Hello, world!");
            }
        }
        let metrics = web.get("/metrics").await.body;
        for (name, _, made) in reuses {
            let line = format!("leyden_instances_created_total{{component=\"{name}\"}} {made}\n");
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
    });
}

#[test]
fn bytes_that_another_component_has_as_well_stay() {
    run(async {
        let web = own(|_| {}).await;
        let bytes = attach(&guest("probe"), "").expect("a manifest");
        for name in ["one", "other"] {
            assert_eq!(deploy_bytes(&web, name, bytes.clone()).await.status, 200);
        }
        assert_eq!(delete(&web, "one").await.status, 200);
        let second = attach(&guest("probe"), MANIFEST).expect("a manifest");
        assert_eq!(deploy_bytes(&web, "other", second).await.status, 200);
        let back = web
            .admin(Method::POST, "/admin/components/other/rollback", "{}")
            .await;
        assert_eq!(back.status, 200, "its bytes are still there: {back:?}");
        // With the last of them the bytes go.
        assert_eq!(delete(&web, "other").await.status, 200);
        let whole = Range {
            start: vec![0],
            end: None,
        };
        let mut snapshot = web.host.store.snapshot().await.expect("a snapshot");
        let space = "leyden.versions".into();
        let left = snapshot
            .scan(&space, &whole, Order::Ascending, 10_000)
            .await
            .expect("read");
        assert!(
            left.iter().all(|entry| !entry.key.starts_with(b"o")),
            "{}",
            left.len()
        );
        let space = "leyden.components".into();
        let kept = snapshot
            .scan(&space, &whole, Order::Ascending, 10_000)
            .await
            .expect("read");
        assert_eq!(
            kept.len(),
            left.len(),
            "one each of what came with the host"
        );
    });
}

/// A component that exports an interface with one function, and calls others'.
fn exporting(interface: &str, imported: Option<&str>) -> Vec<u8> {
    let import = imported.map_or(String::new(), |name| {
        format!(r#"(import "{name}" (instance (export "f" (func))))"#)
    });
    let text = format!(
        r#"(component {import}
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $own (export "f" (func $f)))
            (export "{interface}" (instance $own)))"#
    );
    wat::parse_str(text).expect("a component")
}

#[test]
fn what_others_need_stays() {
    run(async {
        let web = own(|_| {}).await;
        let callee = exporting("test:callee/api", None);
        let caller = exporting("test:caller/api", Some("test:callee/api"));
        assert_eq!(deploy_bytes(&web, "callee", callee).await.status, 200);
        assert_eq!(deploy_bytes(&web, "caller", caller).await.status, 200);
        let refused = delete(&web, "callee").await;
        assert_eq!(refused.problem(409), "conflict");
        assert!(
            refused.body.contains("callee is called by caller"),
            "{refused:?}"
        );
        assert_eq!(delete(&web, "caller").await.status, 200);
        assert_eq!(delete(&web, "callee").await.status, 200);

        let bundled = delete(&web, "echo").await;
        assert!(bundled.problem(409) == "conflict" && bundled.body.contains("comes with the host"));
        assert_eq!(web.get("/echo").await.status, 200);
        let with_place = format!("{MANIFEST}[streams]\nsubscribe = [\"probe.in\"]\n");
        assert_eq!(deploy(&web, "mine", &with_place).await.status, 200);
        web.host.streams.settle().await.expect("settled");
        let refused = delete(&web, "mine").await;
        assert!(
            refused.body.contains("a place in the stream probe.in"),
            "{refused:?}"
        );

        let policy = delete(common().await, "shed").await;
        assert!(policy.problem(409) == "conflict" && policy.body.contains("is a policy"));
    });
}

#[test]
fn what_cannot_be_deployed_is_refused_with_its_reason_and_nothing_is_stored() {
    run(async {
        let web = own(|_| {}).await;
        let reserved = "[[routes]]\npath = \"/admin/x\"\nmethods = [\"GET\"]\n";
        // `attach` would refuse it; a host does not rely on that.
        let sound = attach(&guest("probe"), &reserved.replace("admin", "adm1n")).expect("sound");
        let at = sound
            .windows(6)
            .rposition(|bytes| bytes == b"/adm1n")
            .expect("there");
        let mut shadowing = sound.clone();
        shadowing[at..at + 6].copy_from_slice(b"/admin");
        let refused = deploy_bytes(&web, "mine", shadowing).await;
        assert_eq!(refused.problem(422), "invalid");
        assert!(
            refused.body.contains("/admin is the host's own"),
            "{refused:?}"
        );

        let taken = "[[routes]]\npath = \"/echo\"\n";
        let refused = deploy(&web, "mine", taken).await;
        assert_eq!(refused.problem(409), "conflict");
        assert!(
            refused
                .body
                .contains("route /echo of mine meets route /echo of echo"),
            "{refused:?}"
        );

        let refused = deploy(&web, "mine", "secrets = [\"KEY\"]").await;
        assert_eq!(refused.problem(422), "invalid");
        assert!(
            refused
                .body
                .contains("manifest line 1: secrets: is for functions"),
            "{refused:?}"
        );
        assert_eq!(web.get("/admin/components/mine").await.status, 404);
        assert_eq!(web.get("/admin/components/mine/versions").await.status, 404);
    });
}

#[test]
fn a_component_is_shown_with_what_it_imports_and_may() {
    run(async {
        let web = own(|_| {}).await;
        let deployed = deploy(&web, "mine", MANIFEST).await.json();
        let shown = web.get("/admin/components/mine").await.json();
        assert_eq!(
            (&shown["name"], &shown["kind"]),
            (&json!("mine"), &json!("service"))
        );
        assert_eq!(
            (&shown["digest"], &shown["source"]),
            (&deployed["digest"], &json!("operator"))
        );
        assert_eq!(shown["description"], "Mine.");
        assert_eq!(shown["routes"][0]["path"], "/mine/{action}");
        let imports = shown["imports"].as_array().expect("a list");
        assert!(
            imports.contains(&json!("leyden:state/store@0.1.0")),
            "{imports:?}"
        );
        assert_eq!(shown["versions"][0]["active"], true);
        assert_eq!((&shown["env"], &shown["reuse"]), (&json!({}), &Value::Null));
        assert_eq!(
            web.get("/admin/components/nobody").await.problem(404),
            "not-found"
        );
        assert_eq!(web.get("/admin/components/A").await.field(422), "name");
    });
}

#[test]
fn the_latest_lines_are_shown_and_followed_and_failures_are_among_them() {
    run(async {
        let web = own(|_| {}).await;
        deploy(&web, "mine", MANIFEST).await;
        let logs = "/admin/components/mine/logs";
        assert_eq!(web.get(logs).await.json(), json!({ "lines": [] }));
        assert_eq!(web.get("/mine/logs?n=3").await.status, 200);
        assert_eq!(web.get("/mine/trap").await.problem(502), "trapped");
        let lines = web.get(logs).await.json()["lines"].clone();
        let lines = lines.as_array().expect("a list");
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(
            (&lines[0]["number"], &lines[3]["level"]),
            (&json!(1), &json!("error"))
        );
        let failure = lines[3]["message"].as_str().expect("text");
        assert!(
            failure.starts_with("mine@") && failure.contains("trapped"),
            "{failure}"
        );
        let later = web.get(&format!("{logs}?after=2&limit=1")).await.json();
        assert_eq!(later["lines"][0]["number"], 4);
        assert_eq!(
            web.get(&format!("{logs}?follow=yes")).await.field(422),
            "follow"
        );

        let following = web
            .request(Method::GET, &format!("{logs}?follow=true&limit=1"))
            .send();
        let following = following.await.expect("an answer");
        assert_eq!(following.headers()["content-type"], "text/event-stream");
        let mut chunks = following.bytes_stream();
        let mut text = String::new();
        let reading = async {
            while text.matches("\ndata: ").count() < 3 {
                if text.matches("\ndata: ").count() == 1 {
                    web.get("/mine/logs?n=1").await;
                }
                let chunk = chunks.next().await.expect("more").expect("bytes");
                text.push_str(std::str::from_utf8(&chunk).expect("text"));
                if text.matches("\ndata: ").count() == 2 {
                    web.get("/mine/logs?n=1").await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("in time");
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .collect();
        assert_eq!(ids, ["4", "5", "6"], "{text}");

        assert_eq!(delete(&web, "mine").await.status, 200);
        let ending = async { while chunks.next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, ending)
            .await
            .expect("a log ends with its component");
        deploy(&web, "mine", MANIFEST).await;
        assert_eq!(web.get(logs).await.json(), json!({ "lines": [] }));
    });
}

#[test]
fn the_number_of_components_is_bounded() {
    run(async {
        let web = own(|_| {}).await;
        assert_eq!(deploy(&web, "mine", MANIFEST).await.status, 200);
        let store = &web.host.store;
        let whole = Range {
            start: Vec::new(),
            end: None,
        };
        let mut snapshot = store.snapshot().await.expect("a snapshot");
        let active = snapshot
            .scan(&"leyden.active".into(), &whole, Order::Ascending, 1_000)
            .await
            .expect("read");
        // Records beside the registry's back, which it counts before it would load them.
        let copy = |number: usize| Write {
            space: "leyden.active".into(),
            key: format!("z{number}").into_bytes(),
            value: Some(active[0].value.clone()),
        };
        let writes = (active.len()..COMPONENTS_MAX).map(copy).collect();
        let filled = Transaction {
            writes,
            ..Transaction::default()
        };
        store.commit(filled).await.expect("committed");
        let refused = deploy(&web, "one-more", MANIFEST).await;
        assert_eq!(refused.problem(409), "conflict");
        assert!(
            refused.body.contains("delete one first"),
            "{}",
            refused.body
        );
    });
}
