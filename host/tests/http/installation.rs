//! Hosts, dead letters, readiness and metrics, on a host of its own.

use leyden::ids::StreamName;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use leyden::store::{Append, Transaction};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Web, common, own, run};
use crate::support::{guest, name};

/// A record that the component tally refuses, since it is no number.
async fn bury(web: &Web, payload: &str) {
    web.host
        .registry
        .deploy(&Operator::host(), &name("tally"), guest("tally"))
        .await
        .expect("deployed");
    let append = Append {
        stream: StreamName::parse("proof.in").unwrap(),
        key: "k".to_owned(),
        payload: payload.into(),
    };
    let published = web.host.store.commit(Transaction {
        appends: vec![append],
        ..Transaction::default()
    });
    published.await.expect("published");
    web.host.streams.settle().await.expect("settled");
}

async fn letters(web: &Web) -> Vec<Value> {
    let letters = web.get("/admin/dead-letters").await.json();
    letters.as_array().expect("a list").clone()
}

#[test]
fn a_dead_letter_is_shown_retried_and_dropped() {
    run(async {
        let web = own(|_| {}).await;
        bury(&web, "nothing to count").await;
        let letter = letters(&web).await.remove(0);
        assert_eq!(
            (&letter["group"], &letter["stream"], &letter["payload"]),
            (
                &json!("tally"),
                &json!("proof.in"),
                &json!("nothing to count")
            )
        );
        assert_eq!(letter["component"].as_str().map(str::len), Some(64));
        assert!(
            letter["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("whole number")),
            "{letter}"
        );
        let path = format!("/admin/dead-letters/{}", letter["id"]);
        assert_eq!(web.get(&path).await.json(), letter);

        // The same version refuses it again, and it stays.
        let retry = format!("{path}/retry");
        let refused = web.admin(Method::POST, &retry, "").await;
        assert_eq!(refused.status / 100, 4, "{refused:?}");
        assert!(refused.body.contains("failed again"), "{refused:?}");
        assert_eq!(letters(&web).await, std::slice::from_ref(&letter));

        // Another version handles it.
        let manifest = "[streams]\nsubscribe = [\"proof.in\"]\npublish = [\"probe.out\"]\n";
        let bytes = attach(&guest("probe"), manifest).expect("a manifest");
        let deployed = web
            .host
            .registry
            .deploy(&Operator::host(), &name("tally"), bytes)
            .await;
        deployed.expect("deployed");
        let retried = web.admin(Method::POST, &retry, "").await;
        assert_eq!((retried.status, retried.json()), (200, letter));
        assert_eq!(letters(&web).await, Vec::<Value>::new());
        assert_eq!(web.admin(Method::POST, &retry, "").await.field(404), "id");
    });
}

#[test]
fn a_dropped_letter_is_gone() {
    run(async {
        let web = own(|_| {}).await;
        bury(&web, "x").await;
        bury(&web, "y").await;
        let first = letters(&web).await.remove(0)["id"].clone();
        let path = format!("/admin/dead-letters/{first}");
        let after = web
            .get(&format!("/admin/dead-letters?after={first}"))
            .await
            .json();
        assert_eq!(
            (after.as_array().map(Vec::len), &after[0]["payload"]),
            (Some(1), &json!("y"))
        );
        assert_eq!(
            web.admin(Method::DELETE, &path, "").await.json()["payload"],
            "x"
        );
        assert_eq!(web.admin(Method::DELETE, &path, "").await.field(404), "id");
        assert_eq!(letters(&web).await.len(), 1);
    });
}

#[test]
fn letters_that_are_not_there_are_named() {
    run(async {
        let web = common().await;
        for (path, status, field) in [
            ("/admin/dead-letters/x", 422, "id"),
            ("/admin/dead-letters/0", 422, "id"),
            ("/admin/dead-letters/900000", 404, "id"),
            ("/admin/dead-letters?after=x", 422, "after"),
            ("/admin/dead-letters?limit=1", 422, "limit"),
        ] {
            assert_eq!(web.get(path).await.field(status), field, "{path}");
        }
    });
}

#[test]
fn one_host_holds_everything_and_is_ready() {
    run(async {
        let web = common().await;
        let answer = web.get("/admin/hosts").await.json();
        assert_eq!((&answer["units"], &answer["free"]), (&json!(1), &json!([])));
        let host = &answer["hosts"][0];
        assert_eq!(
            (&host["alive"], &host["this"], &host["units"]),
            (&json!(true), &json!(true), &json!([0]))
        );
        assert_eq!(
            web.get("/ready").await.json(),
            json!({ "status": "ready", "units": 1, "of": 1 })
        );
    });
}

#[test]
fn metrics_tell_of_store_streams_and_groups() {
    run(async {
        let web = own(|_| {}).await;
        let body = r#"{"n":3,"key":"k","payload":"{}","stream":"probe.in"}"#;
        assert_eq!(web.post("/probe/publish", body).await.status, 200);
        web.host.streams.settle().await.expect("settled");
        let answer = web.get("/metrics").await;
        assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
        for line in [
            "leyden_store_up 1",
            "leyden_units_held 1",
            "leyden_hosts_alive 1",
            "leyden_dead_letters_total 0",
            "leyden_records_total 3",
            "leyden_stream_records{stream=\"probe.in\"} 3",
            "leyden_group_lag_records{stream=\"probe.in\",group=\"probe\"} 0",
            "leyden_group_pending_records{stream=\"probe.in\",group=\"probe\"} 0",
            "leyden_group_oldest_age_ms{stream=\"probe.in\",group=\"probe\"} 0",
            "leyden_group_lost{stream=\"probe.in\",group=\"probe\"} 0",
        ] {
            assert!(
                answer.body.lines().any(|one| one == line),
                "{line}: {}",
                answer.body
            );
        }
        // Asked again at once, it is the same page.
        assert_eq!(web.get("/metrics").await.body, answer.body);
    });
}
