//! Secrets of components: they go in and do not come out, on a host alone and on hosts that share a store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use leyden::config::Store;
use leyden::ids::VariableName;
use leyden::registry::Active;
use leyden::registry::manifest::VARIABLES_MAX;
use leyden::store::{Order, Range, redis};
use reqwest::Method;
use serde_json::json;

use super::functions::{MANIFEST, audit, deploy};
use super::{PATIENCE, Web, own, run};
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

/// What serves under a name.
fn running(web: &Web, component: &str) -> Arc<Active> {
    let generation = web.host.registry.generation();
    generation.components[&name(component)].clone()
}

/// A secret's values in these tests.
const VALUES: [&str; 2] = ["correct horse battery staple", "another value"];

/// A secret's whole life, on a host with a key.
async fn secrets_are_set_listed_and_removed(web: &Web) {
    let secrets = "/admin/components/mine/secrets";
    let key = format!("{secrets}/API_KEY");
    // Before there is a component of the name.
    let set = web.admin(Method::PUT, &key, VALUES[0]).await;
    let told = json!({ "component": "mine", "secret": "API_KEY" });
    assert_eq!((set.status, set.json()), (200, told));
    assert_eq!(deploy(web, "mine", MANIFEST).await.status, 200);
    let listed = web.get(secrets).await;
    let first = &listed.json()["secrets"][0];
    assert_eq!(
        (&first["name"], &first["needed"]),
        (&json!("API_KEY"), &json!(false))
    );
    assert!(first["setAt"].is_string());
    what_runs_begins_anew(web, &key).await;
    let shown = web.get("/admin/components/mine").await;
    nobody_is_told(web, &[set.body, listed.body, shown.body]).await;
    secrets_are_removed_and_bounded(web, secrets, &key).await;
}

async fn what_runs_begins_anew(web: &Web, key: &str) {
    let generation = web.host.registry.generation().number;
    let (mine, echo) = (running(web, "mine"), running(web, "echo"));
    assert_eq!(web.admin(Method::PUT, key, VALUES[1]).await.status, 200);
    assert_eq!(web.host.registry.generation().number, generation + 1);
    assert!(!Arc::ptr_eq(&running(web, "mine"), &mine));
    let same = Arc::ptr_eq(&running(web, "echo"), &echo);
    assert!(same, "and nothing else does");
}

/// Neither answers nor the audit have a value, and the store has it sealed.
async fn nobody_is_told(web: &Web, answers: &[String]) {
    let holds = |bytes: &[u8], value: &str| {
        let mut windows = bytes.windows(value.len());
        windows.any(|window| window == value.as_bytes())
    };
    let told = audit(web, "mine").await;
    let stored = stored(web).await;
    for value in VALUES {
        assert!(!holds(&stored, value), "it lies sealed");
        assert!(!format!("{answers:?} {told:?}").contains(value));
    }
    assert_eq!(told[0], ("set-secret".to_owned(), json!("API_KEY")));
}

async fn secrets_are_removed_and_bounded(web: &Web, secrets: &str, key: &str) {
    assert_eq!(web.admin(Method::DELETE, key, "").await.status, 200);
    assert_eq!(web.get(secrets).await.json()["secrets"], json!([]));
    assert_eq!(
        web.admin(Method::DELETE, key, "").await.problem(404),
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
    assert_eq!(web.admin(Method::PUT, key, &long).await.status, 413);
}

#[test]
fn secrets_are_kept_and_never_told() {
    run(async {
        let web = own(|_| {}).await;
        secrets_are_set_listed_and_removed(&web).await;
    });
}

#[test]
fn as_many_as_may_be_are_set_however_many_come_at_once_and_all_go_with_their_component() {
    run(async {
        let web = own(|_| {}).await;
        assert_eq!(deploy(&web, "mine", MANIFEST).await.status, 200);
        let set = async |number: usize| {
            let path = format!("/admin/components/mine/secrets/KEY_{number}");
            web.admin(Method::PUT, &path, "x").await.status
        };
        let answers = join_all((0..VARIABLES_MAX + 16).map(set)).await;
        let taken = answers.iter().filter(|status| **status == 200).count();
        let refused = answers.iter().filter(|status| **status == 409).count();
        assert_eq!((taken, refused), (VARIABLES_MAX, 16), "{answers:?}");
        let gone = web.admin(Method::DELETE, "/admin/components/mine", "");
        assert_eq!(gone.await.status, 200);
        let whole = Range {
            start: vec![0],
            end: None,
        };
        let mut snapshot = web.host.store.snapshot().await.expect("a snapshot");
        let space = "leyden.secrets".into();
        let left = snapshot.scan(&space, &whole, Order::Ascending, 1).await;
        assert!(left.expect("read").is_empty());
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
        // What one sets begins anew on the other.
        let before = running(&other, "mine");
        one.admin(Method::PUT, "/admin/components/mine/secrets/A", "anew")
            .await;
        let anew = async {
            while Arc::ptr_eq(&running(&other, "mine"), &before) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, anew)
            .await
            .expect("followed");
        for web in [keyless, one, other] {
            web.host.stop().await;
        }
    });
}
