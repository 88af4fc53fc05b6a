//! What becomes of plugins that were uploaded: going back, removing, and who may do what.

use leyden::ids::{ComponentName, Digest, PartnerId};
use leyden::partners::plugins;
use reqwest::Method;
use serde_json::json;

use super::uploader::{Uploader, digest, variant};
use super::{ask, common, text};
use crate::web::{Web, run, send};

#[test]
fn a_plugin_goes_back_and_forth_and_away() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "back", 3).await;
        assert_eq!(who.roll_back(web, "peaks", "").await.field(404), "name");
        assert_eq!(
            who.upload(web, "peaks", "1", &variant(11)).await.status,
            201
        );
        assert_eq!(who.roll_back(web, "peaks", "").await.field(404), "to");
        assert_eq!(
            who.upload(web, "peaks", "2", &variant(12)).await.status,
            201
        );
        assert_eq!(
            who.upload(web, "peaks", "3", &variant(13)).await.status,
            201
        );

        let active = async || text(&who.get(web, "/peaks").await.json()["active"]["version"]);
        let back = who.roll_back(web, "peaks", "").await;
        assert_eq!(
            (back.status, &back.json()["previous"]),
            (200, &json!(digest(13)))
        );
        assert_eq!(active().await, "2");
        let named = who.roll_back(web, "peaks", r#"{"to":"1"}"#).await;
        assert_eq!((named.status, active().await), (200, "1".to_owned()));
        let to = json!({ "to": digest(13) }).to_string();
        assert_eq!(who.roll_back(web, "peaks", &to).await.status, 200);
        assert_eq!(active().await, "3");
        for to in [
            r#"{"to":"4"}"#.to_owned(),
            json!({ "to": "0".repeat(64) }).to_string(),
        ] {
            assert_eq!(who.roll_back(web, "peaks", &to).await.field(404), "to");
        }
        assert_eq!(
            who.roll_back(web, "peaks", r#"{"x":1}"#).await.field(422),
            "x"
        );

        let deleted = who.delete(web, "peaks").await;
        assert_eq!(
            (deleted.status, &deleted.json()["versionsRemoved"]),
            (200, &json!(3))
        );
        assert_eq!(who.get(web, "/peaks").await.status, 404);
        assert_eq!(who.delete(web, "peaks").await.field(404), "name");
        assert!(!kept(web, 13).await, "bytes of nobody are kept");
        assert_eq!(
            who.upload(web, "peaks", "1", &variant(11)).await.status,
            201
        );
    });
}

/// Whether a variant's bytes are kept.
async fn kept(web: &Web, number: u8) -> bool {
    let digest = Digest::of(&variant(number));
    let bytes = plugins::bytes(web.host.store.as_ref(), &digest).await;
    bytes
        .expect("an answer")
        .is_some_and(|bytes| *bytes == variant(number))
}

#[test]
fn bytes_are_kept_as_long_as_anybody_has_them() {
    run(async {
        let web = common().await;
        let one = Uploader::new(web, "sharing", 3).await;
        let other = Uploader::new(web, "sharing-too", 3).await;
        for (who, name) in [(&one, "a"), (&one, "b"), (&other, "a")] {
            assert_eq!(who.upload(web, name, "1", &variant(21)).await.status, 201);
        }
        for (who, name) in [(&one, "a"), (&other, "a"), (&one, "b")] {
            assert!(kept(web, 21).await);
            assert_eq!(who.delete(web, name).await.status, 200);
        }
        assert!(!kept(web, 21).await);
        let (id, name) = (
            PartnerId::parse("sharing").unwrap(),
            ComponentName::parse("a").unwrap(),
        );
        let active = plugins::active(web.host.store.as_ref(), &id, &name);
        assert_eq!(active.await.expect("an answer"), None);
    });
}

#[test]
fn plugins_and_versions_of_a_partner_are_bounded() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "many", 3).await;
        for number in 51..63 {
            let version = number.to_string();
            assert_eq!(
                who.upload(web, "a", &version, &variant(number))
                    .await
                    .status,
                201
            );
        }
        let versions = who.get(web, "/a/versions").await.json();
        let versions = versions["versions"].as_array().expect("a list").clone();
        assert_eq!(versions.len(), 10);
        assert_eq!(
            (&versions[0]["version"], &versions[9]["version"]),
            (&json!("62"), &json!("53"))
        );
        assert!(!kept(web, 51).await && kept(web, 53).await);
        for number in 1..32 {
            let name = format!("a{number}");
            assert_eq!(who.upload(web, &name, "1", &variant(62)).await.status, 201);
        }
        let full = who.upload(web, "b", "1", &variant(62)).await;
        assert_eq!(full.problem(409), "conflict");
        assert_eq!(
            who.get(web, "").await.json()["plugins"]
                .as_array()
                .map(Vec::len),
            Some(32)
        );
        assert_eq!(who.delete(web, "a1").await.status, 200);
        assert_eq!(who.upload(web, "b", "1", &variant(62)).await.status, 201);
    });
}

#[test]
fn a_partner_deals_with_its_own_plugins_only() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "owner", 3).await;
        let thief = Uploader::new(web, "thief", 3).await;
        assert_eq!(who.upload(web, "peaks", "1", &variant(1)).await.status, 201);
        let path = |below: &str| who.path(&format!("/peaks{below}"));
        for (method, path) in [
            (Method::GET, path("")),
            (Method::GET, path("/versions")),
            (Method::POST, path("/rollback")),
            (Method::DELETE, path("")),
            (Method::GET, who.path("")),
        ] {
            assert_eq!(
                ask(web, &thief.key, method, &path).await.problem(403),
                "forbidden",
                "{path}"
            );
        }
        let request = web.request_as(Some(&thief.key), Method::PUT, &path(""));
        let request = request
            .header("content-type", "application/wasm")
            .header("leyden-version", "1");
        let signature = who.sign("owner", "peaks", "1", &variant(1));
        let request = request
            .header("leyden-signature", signature)
            .body(variant(1));
        assert_eq!(send(request).await.problem(403), "forbidden");
        assert_eq!(who.get(web, "/peaks").await.json()["versions"], 1);
        assert_eq!(thief.get(web, "").await.json(), json!({ "plugins": [] }));
    });
}
