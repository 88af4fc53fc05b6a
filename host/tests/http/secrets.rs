//! Secrets of components: they go in and do not come out, on a host alone and on hosts that share a store.

use leyden::config::Store;
use leyden::ids::VariableName;
use leyden::store::{Order, Range, redis};
use reqwest::Method;
use serde_json::json;

use super::functions::{MANIFEST, audit, deploy};
use super::{Web, own, run};
use crate::redis_servers::{Kept, Server};
use crate::support::{built, name};

/// The bytes of all that is in a store's spaces of the registry, the audit and the secrets.
async fn stored(web: &Web) -> Vec<u8> {
    let mut all = Vec::new();
    for space in [
        "leyden.secrets",
        "leyden.audit",
        "leyden.active",
        "leyden.versions",
    ] {
        let whole = Range {
            start: vec![0],
            end: None,
        };
        let mut snapshot = web.host.store.snapshot().await.expect("a snapshot");
        let found = snapshot
            .scan(&space.into(), &whole, Order::Ascending, 10_000)
            .await;
        for entry in found.expect("read") {
            all.extend(entry.key);
            all.extend(entry.value);
        }
    }
    all
}

/// A secret's whole life, on a host with a key.
async fn secrets_are_set_listed_and_removed(web: &Web) {
    const VALUE: &str = "correct horse battery staple";
    let secrets = "/admin/components/mine/secrets";
    let key = format!("{secrets}/API_KEY");
    // Before there is a component of the name.
    let set = web.admin(Method::PUT, &key, VALUE).await;
    assert_eq!(
        (set.status, set.json()),
        (200, json!({ "component": "mine", "secret": "API_KEY" }))
    );
    assert_eq!(deploy(web, "mine", MANIFEST).await.status, 200);
    let listed = web.get(secrets).await;
    let first = &listed.json()["secrets"][0];
    assert_eq!(
        (&first["name"], &first["needed"]),
        (&json!("API_KEY"), &json!(false))
    );
    assert!(first["setAt"].is_string());
    let generation = web.get("/admin/status").await.json()["generation"].as_u64();
    let other = web.admin(Method::PUT, &key, "another value").await;
    let later = web.get("/admin/status").await.json()["generation"].as_u64();
    assert_eq!(later, generation.map(|n| n + 1), "what runs begins anew");

    let holds = |bytes: &[u8]| {
        [VALUE, "another value"].iter().any(|value| {
            bytes
                .windows(value.len())
                .any(|window| window == value.as_bytes())
        })
    };
    assert!(!holds(&stored(web).await), "it lies sealed");
    let shown = web.get("/admin/components/mine").await;
    let told = audit(web, "mine").await;
    for text in [
        &set.body,
        &other.body,
        &listed.body,
        &shown.body,
        &format!("{told:?}"),
    ] {
        assert!(!holds(text.as_bytes()), "{text}");
    }
    assert_eq!(told[0], ("set-secret".to_owned(), json!("API_KEY")));

    assert_eq!(web.admin(Method::DELETE, &key, "").await.status, 200);
    assert_eq!(web.get(secrets).await.json()["secrets"], json!([]));
    assert_eq!(
        web.admin(Method::DELETE, &key, "").await.problem(404),
        "not-found"
    );
    assert_eq!(audit(web, "mine").await[0].0, "remove-secret");
    for (name, value, field) in [
        ("1A", "x", "secret"),
        ("A-B", "x", "secret"),
        ("A", "", "value"),
        ("A", "a\0b", "value"),
    ] {
        let refused = web
            .admin(Method::PUT, &format!("{secrets}/{name}"), value)
            .await;
        assert_eq!(refused.field(422), field, "{name} {value:?}");
    }
    let long = "x".repeat(16 * 1024 + 1);
    assert_eq!(web.admin(Method::PUT, &key, &long).await.status, 413);
}

#[test]
fn secrets_are_kept_and_never_told() {
    run(async {
        let web = own(|_| {}).await;
        secrets_are_set_listed_and_removed(&web).await;
    });
}

#[test]
fn hosts_that_share_a_store_share_secrets_under_one_key() {
    run(async {
        let server = Server::start(Kept::Nothing);
        let folder = tempfile::tempdir().expect("a folder");
        let store = || Store::Redis(redis::Options::new(server.url()));
        let key = Some(folder.path().join("secrets.key"));
        let keyless = Web::start_on(store(), &built("guests"), |_| {}).await;
        let refused = keyless
            .admin(Method::PUT, "/admin/components/mine/secrets/A", "x")
            .await;
        assert_eq!(refused.problem(409), "conflict");
        assert!(refused.body.contains("--secrets-key"), "{refused:?}");

        let one = Web::start_with(store(), &built("guests"), key.clone()).await;
        secrets_are_set_listed_and_removed(&one).await;
        one.admin(Method::PUT, "/admin/components/mine/secrets/A", "shared")
            .await;
        let other = Web::start_with(store(), &built("guests"), key).await;
        let variable = VariableName::parse("A").expect("a name");
        let known = other
            .host
            .registry
            .secrets(&name("mine"))
            .await
            .expect("listed");
        assert_eq!(known[0].name, variable);
        for web in [keyless, one, other] {
            web.host.stop().await;
        }
    });
}
