//! Uploads of plugins: whose, signed by whom, of what; and what becomes of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::uploader::{Uploader, component, digest, variant};
use super::{common, partner, text};
use crate::support::guest;
use crate::web::{run, send};

#[test]
fn an_upload_is_active_and_repeating_it_changes_nothing() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "uploader", 3).await;
        assert_eq!(who.get(web, "").await.json(), json!({ "plugins": [] }));
        assert_eq!(who.get(web, "/peaks").await.field(404), "name");
        let first = who.upload(web, "peaks", "1.0", &variant(1)).await;
        assert_eq!(first.status, 201, "{first:?}");
        let first = first.json();
        for (member, value) in [
            ("name", json!("peaks")),
            ("digest", json!(digest(1))),
            ("version", json!("1.0")),
            ("active", json!(true)),
            ("sizeBytes", json!(variant(1).len())),
            (
                "datasets",
                json!(["global-consumption", "production", "detailed-consumption"]),
            ),
            ("previous", Value::Null),
        ] {
            assert_eq!(first[member], value, "{member}");
        }
        let again = who.upload(web, "peaks", "1.0", &variant(1)).await;
        assert_eq!((again.status, again.json()), (200, first));

        let second = who.upload(web, "peaks", "1.1", &variant(2)).await;
        assert_eq!(
            (second.status, &second.json()["previous"]),
            (201, &json!(digest(1)))
        );
        let shown = who.get(web, "/peaks").await.json();
        assert_eq!(
            (&shown["active"]["version"], &shown["versions"]),
            (&json!("1.1"), &json!(2))
        );
        assert_eq!(who.get(web, "").await.json(), json!({ "plugins": [shown] }));
        let versions = who.get(web, "/peaks/versions").await.json();
        let versions = versions["versions"].as_array().expect("a list").clone();
        let told: Vec<_> = versions
            .iter()
            .map(|v| (text(&v["version"]), v["active"] == true))
            .collect();
        assert_eq!(told, [("1.1".to_owned(), true), ("1.0".to_owned(), false)]);
    });
}

#[test]
fn the_operator_may_upload_for_a_partner_but_not_without_its_signature() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "served", 3).await;
        let upload = |signature: String| {
            let request = web.request(Method::PUT, &who.path("/peaks"));
            let request = request.header("content-type", "application/wasm");
            let request = request
                .header("leyden-version", "1")
                .header("leyden-signature", signature);
            send(request.body(variant(1)))
        };
        let made_up = STANDARD.encode([1; 64]);
        assert_eq!(upload(made_up).await.field(403), "Leyden-Signature");
        let signature = who.sign("served", "peaks", "1", &variant(1));
        assert_eq!(upload(signature).await.status, 201);
    });
}

#[test]
fn a_signature_counts_for_one_upload_of_one_partner() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "signing", 3).await;
        let other = Uploader::new(web, "signing-other", 3).await;
        let bytes = variant(1);
        let upload =
            |signature: String, name: &'static str, version: &'static str, bytes: Vec<u8>| {
                let request = who.bare(web, name).header("leyden-version", version);
                send(request.header("leyden-signature", signature).body(bytes))
            };
        let sound = || who.sign("signing", "peaks", "1", &bytes);
        let mut flipped = STANDARD.decode(sound()).unwrap();
        flipped[63] ^= 1;
        for (signature, name, version, bytes) in [
            (sound(), "peak", "1", bytes.clone()),
            (sound(), "peaks", "2", bytes.clone()),
            (sound(), "peaks", "1", variant(2)),
            (
                who.sign("signing-other", "peaks", "1", &bytes),
                "peaks",
                "1",
                bytes.clone(),
            ),
            (
                other.sign("signing", "peaks", "1", &bytes),
                "peaks",
                "1",
                bytes.clone(),
            ),
            (STANDARD.encode([0; 64]), "peaks", "1", bytes.clone()),
            (STANDARD.encode(flipped), "peaks", "1", bytes.clone()),
            // Refused for its signature, before anybody looks into it.
            (sound(), "peaks", "1", b"no component".to_vec()),
        ] {
            let refused = upload(signature, name, version, bytes).await;
            assert_eq!(refused.field(403), "Leyden-Signature", "{name} {version}");
        }
        assert_eq!(who.get(web, "").await.json(), json!({ "plugins": [] }));
        assert_eq!(
            upload(sound(), "peaks", "1", bytes.clone()).await.status,
            201
        );

        // A new key takes the place of the old one, for what comes from then on.
        let pem = STANDARD.encode(other.pair.verifying_key().to_bytes());
        let body = json!({ "pem": pem }).to_string();
        assert_eq!(
            web.post("/admin/partners/signing/upload-key", body)
                .await
                .status,
            200
        );
        assert_eq!(
            upload(sound(), "peaks", "1", bytes.clone()).await.status,
            403
        );
        assert_eq!(who.get(web, "/peaks").await.status, 200);
    });
}

#[test]
fn without_a_registered_key_nothing_is_uploaded() {
    run(async {
        let web = common().await;
        let key = partner(web, "keyless", 3).await;
        let pair = SigningKey::from_bytes(&[1; 32]);
        let who = Uploader {
            id: "keyless",
            key,
            pair,
        };
        let refused = who.upload(web, "peaks", "1", &variant(1)).await;
        assert_eq!(refused.field(403), "Leyden-Signature");
        assert!(
            refused.body.contains("leyden partner key keyless"),
            "{refused:?}"
        );
    });
}

#[test]
fn what_trust_does_not_open_is_named_import_by_import() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "trusted", 1).await;
        let refused = who.upload(web, "peaks", "1", &variant(1)).await;
        assert_eq!(refused.problem(403), "forbidden");
        let errors = refused.json()["errors"].clone();
        let named: Vec<_> = errors
            .as_array()
            .expect("a list")
            .iter()
            .map(|error| (text(&error["field"]), text(&error["rule"])))
            .collect();
        let needs = |import: &str, level: u32| {
            (
                format!("leyden:data/{import}@0.1.0"),
                format!("needs trust level {level}"),
            )
        };
        assert_eq!(
            named,
            [needs("production", 2), needs("detailed-consumption", 3)]
        );
        assert_eq!(who.get(web, "/peaks").await.status, 404);
        let trust = |level: u32| {
            let body = json!({ "level": level }).to_string();
            web.post("/admin/partners/trusted/trust", body)
        };
        assert_eq!(trust(2).await.status, 200);
        let refused = who.upload(web, "peaks", "1", &variant(1)).await;
        assert_eq!(refused.field(403), "leyden:data/detailed-consumption@0.1.0");
        assert_eq!(trust(3).await.status, 200);
        assert_eq!(who.upload(web, "peaks", "1", &variant(1)).await.status, 201);
        // It was brought in with more trust than is left when it is run.
        let run = || async {
            let path = who.path("/peaks/run");
            send(
                web.request_as(Some(&who.key), Method::POST, &path)
                    .body("{}"),
            )
            .await
        };
        assert_eq!(run().await.status, 200);
        assert_eq!(trust(2).await.status, 200);
        let refused = run().await;
        assert_eq!(refused.field(403), "leyden:data/detailed-consumption@0.1.0");
    });
}

#[test]
fn what_is_no_component_for_partners_is_refused_with_reasons() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "odd", 3).await;
        let whole = component();
        for bytes in [
            Vec::new(),
            b"no component".to_vec(),
            b"\0asm\x01\0\0\0".to_vec(),
            whole[..whole.len() / 2].to_vec(),
            guest("echo"),
        ] {
            let refused = who.upload(web, "peaks", "1", &bytes).await;
            assert_eq!(refused.problem(422), "invalid", "{} bytes", bytes.len());
            let errors = refused.json()["errors"].clone();
            assert!(
                errors.as_array().is_some_and(|errors| !errors.is_empty()),
                "{refused:?}"
            );
        }
        assert_eq!(who.get(web, "").await.json(), json!({ "plugins": [] }));
    });
}

#[test]
fn bodies_and_headers_have_rules() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "ruled", 3).await;
        let bytes = variant(1);
        for encoding in ["gzip", "identity", "br"] {
            let request = who.signed(web, "peaks", "1", &bytes);
            let refused = send(request.header("content-encoding", encoding)).await;
            assert_eq!(refused.field(415), "Content-Encoding", "{encoding}");
        }
        let signature = who.sign("ruled", "peaks", "1", &bytes);
        let typed = web.request_as(Some(&who.key), Method::PUT, &who.path("/peaks"));
        let typed = typed
            .header("leyden-version", "1")
            .header("leyden-signature", &signature);
        assert_eq!(
            send(typed.body(bytes.clone())).await.field(415),
            "Content-Type"
        );
        let with = |version: &str, signature: &str| {
            let request = who.bare(web, "peaks").header("leyden-version", version);
            send(
                request
                    .header("leyden-signature", signature)
                    .body(bytes.clone()),
            )
        };
        for version in ["", "a b", &"1".repeat(65)] {
            assert_eq!(
                with(version, &signature).await.field(400),
                "Leyden-Version",
                "{version}"
            );
        }
        for wrong in ["", "x", "AAAA"] {
            assert_eq!(
                with("1", wrong).await.field(400),
                "Leyden-Signature",
                "{wrong}"
            );
        }
        let unsigned = who
            .bare(web, "peaks")
            .header("leyden-version", "1")
            .body(bytes.clone());
        assert_eq!(send(unsigned).await.field(400), "Leyden-Signature");
        let twice = who
            .signed(web, "peaks", "1", &bytes)
            .header("leyden-signature", &signature);
        assert_eq!(send(twice).await.field(400), "Leyden-Signature");
        for name in ["Peaks", "1peaks", "a.b", "a%2fb"] {
            let request = who.bare(web, name).header("leyden-version", "1");
            let refused = send(
                request
                    .header("leyden-signature", &signature)
                    .body(bytes.clone()),
            )
            .await;
            assert_eq!(refused.field(422), "name", "{name}");
        }
        let long = vec![0; (24 << 20) + 1];
        assert_eq!(
            who.upload(web, "peaks", "1", &long).await.problem(413),
            "too-large"
        );
        assert_eq!(who.get(web, "").await.json(), json!({ "plugins": [] }));
    });
}

#[test]
fn uploads_at_once_end_in_one_order() {
    run(async {
        let web = common().await;
        let who = &Uploader::new(web, "at-once", 3).await;
        let uploads = (31..35).map(|number| async move {
            let answer = who
                .upload(web, "peaks", &number.to_string(), &variant(number))
                .await;
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.json()["previous"].as_str().map(str::to_owned)
        });
        let before = futures_util::future::join_all(uploads).await;
        let active = text(&who.get(web, "/peaks").await.json()["active"]["digest"]);
        // Each was active once, and each but the last is named by the one after it.
        let mut expected: Vec<_> = (31..35).map(|number| Some(digest(number))).collect();
        expected.retain(|digest| digest.as_deref() != Some(&active));
        expected.push(None);
        let sorted = |mut digests: Vec<Option<String>>| {
            digests.sort();
            digests
        };
        assert_eq!(sorted(before), sorted(expected));
        assert_eq!(who.get(web, "/peaks").await.json()["versions"], 4);
    });
}

#[test]
fn more_uploads_of_a_partner_than_there_are_places_wait_for_another_time() {
    run(async {
        let web = common().await;
        let who = &Uploader::new(web, "crowding", 3).await;
        let whole = variant(1);
        // Bodies that do not end hold their places.
        let endless = || {
            let first = Ok::<_, std::io::Error>(whole[..100].to_vec());
            let body = futures_util::stream::iter([first]).chain(futures_util::stream::pending());
            let request = who.signed(web, "peaks", "1", &whole);
            tokio::spawn(send(request.body(reqwest::Body::wrap_stream(body))))
        };
        let mut held = Vec::new();
        let full = async {
            loop {
                let mut upload = endless();
                let short = std::time::Duration::from_millis(200);
                match tokio::time::timeout(short, &mut upload).await {
                    Ok(refused) => return refused.expect("an answer"),
                    Err(_) => held.push(upload),
                }
            }
        };
        let full = tokio::time::timeout(crate::web::PATIENCE, full)
            .await
            .expect("in time");
        assert_eq!(held.len(), 4);
        assert_eq!(full.problem(503), "busy");
        let other = Uploader::new(web, "not-crowding", 3).await;
        assert_eq!(other.upload(web, "peaks", "1", &whole).await.status, 201);
        held.iter().for_each(tokio::task::JoinHandle::abort);
        let free = async {
            while who.upload(web, "peaks", "1", &whole).await.status == 503 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::web::PATIENCE, free)
            .await
            .expect("in time");
    });
}
