//! Functions that keep values: each request is a transaction.

use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use leyden::store::{Transaction, Write};
use reqwest::Method;

use super::{Web, guest, host, run, send};
use crate::support::name;

pub(super) async fn deploy(web: &Web, function: &str, manifest: &str) {
    let bytes = attach(&guest("alternatives/keeper"), manifest).expect("a manifest");
    let registry = &web.host.registry;
    let deployed = registry
        .deploy(&Operator::host(), &name(function), bytes)
        .await;
    deployed.expect("deployed");
}

async fn keeper() -> Web {
    let web = host().await;
    deploy(&web, "keeper", GRANTED).await;
    web
}

pub(super) const GRANTED: &str = "[grants]\nkeyvalue = true\n[limits]\ndeadline-ms = 20000\n";

async fn ask(web: &Web, path: &str) -> String {
    web.get(&format!("/fn/keeper{path}")).await.body
}

#[test]
fn what_is_kept_is_there_for_the_next_request_and_for_nobody_else() {
    run(async {
        let web = keeper().await;
        assert_eq!(ask(&web, "/get?a").await, "nothing");
        let set = web.request(Method::PUT, "/fn/keeper/set?a").body("value");
        let set = send(set).await;
        assert_eq!(set.status, 200);
        assert!(set.headers["leyden-generation"].contains("keeper="));
        assert_eq!(ask(&web, "/get?a").await, "value");
        assert_eq!(ask(&web, "/swap?a").await, "Some(Ok(\"changed\")) true");
        assert_eq!(ask(&web, "/get?a").await, "second");
        deploy(&web, "other", GRANTED).await;
        assert_eq!(web.get("/fn/other/get?a").await.body, "nothing");
        ask(&web, "/delete?a").await;
        assert_eq!(ask(&web, "/list").await, "1 0 ");
        let many = ask(&web, "/many").await;
        assert_eq!(
            many,
            r#"[("k0000", Some([1])), ("k0001", None), ("k2499", Some([1]))]"#
        );
        let listed = ask(&web, "/list").await;
        assert!(
            listed.starts_with("3 2499 k0000,k0002,"),
            "{}",
            &listed[..40]
        );
        let elsewhere = web.client.get(format!(
            "http://{}/fn/keeper/elsewhere",
            web.server.address()
        ));
        let elsewhere = elsewhere.send().await.expect("an answer");
        assert_eq!(elsewhere.status(), 400);
        assert_eq!(elsewhere.text().await.expect("a body"), "no such store");
    });
}

/// A service that had the function's name before may have left keys that are no text: they are not listed, and what follows
/// them is.
#[test]
fn keys_that_are_no_text_do_not_end_a_listing() {
    run(async {
        let web = keeper().await;
        ask(&web, "/many").await;
        let in_between = [b"k0500\xff".to_vec(), b"k2000\xff".to_vec()];
        let a_page_and_more = (0..1_001_u16).map(|n| [b"j\xff", &n.to_be_bytes()[..]].concat());
        let write = |key| Write {
            space: "keeper".into(),
            key,
            value: Some(vec![1]),
        };
        let left = Transaction {
            writes: a_page_and_more.chain(in_between).map(write).collect(),
            ..Transaction::default()
        };
        web.host.store.commit(left).await.expect("kept");
        let listed = ask(&web, "/list").await;
        let (_, keys) = listed.split_once(' ').expect("pages, then keys");
        assert!(keys.starts_with("2499 k0000,k0002,"), "{}", &listed[..40]);
        assert!(listed.ends_with(",k2499"));
    });
}

#[test]
fn what_fails_keeps_nothing_and_what_races_is_run_again() {
    run(async {
        let web = keeper().await;
        for path in ["/add-then-trap?n", "/add-then-answer-long?n"] {
            assert_eq!(
                web.get(&format!("/fn/keeper{path}")).await.status,
                502,
                "{path}"
            );
        }
        let head = web.request(Method::HEAD, "/fn/keeper/add?n");
        assert_eq!(send(head).await.status, 200);
        let racing = (0..50).map(|_| send(web.request(Method::POST, "/fn/keeper/add?n")));
        let mut sums: Vec<u64> = futures_util::future::join_all(racing)
            .await
            .iter()
            .map(|answer| answer.body.parse().expect("a number"))
            .collect();
        sums.sort_unstable();
        assert_eq!(sums, (1..=50).collect::<Vec<_>>());
    });
}

#[test]
fn a_request_under_a_key_takes_effect_once() {
    run(async {
        let web = keeper().await;
        for _ in 0..3 {
            let request = web.request(Method::POST, "/fn/keeper/add?n");
            let answer = send(request.header("idempotency-key", "one")).await;
            assert_eq!(answer.body, "1");
        }
        assert_eq!(ask(&web, "/add?n").await, "2");
    });
}

#[test]
fn keeping_values_takes_a_grant() {
    run(async {
        let web = host().await;
        let bytes = attach(&guest("alternatives/keeper"), "").expect("a manifest");
        let request = web.request(Method::POST, "/admin/components/keeper");
        let refused = send(
            request
                .header("content-type", "application/wasm")
                .body(bytes),
        )
        .await;
        assert_eq!(refused.problem(422), "invalid");
        assert!(
            refused.body.contains("grants.keyvalue = true"),
            "{}",
            refused.body
        );
    });
}
