//! What the audit tells of what operators do with partners, and of what partners deploy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::uploader::{Uploader, digest, variant};
use super::{TOKEN, common, segment, text};
use crate::web::{Web, run, send};

/// Entries about a subject, the earliest first.
async fn entries(web: &Web, subject: &str) -> Vec<Value> {
    let path = format!("/admin/audit?limit=200&subject={}", segment(subject));
    let mut entries = web.get(&path).await.json()["entries"].take();
    let mut entries = std::mem::take(entries.as_array_mut().expect("entries"));
    entries.reverse();
    entries
}

type Told<'e> = (
    &'e str,
    &'e str,
    Option<&'e str>,
    Option<&'e str>,
    Option<&'e str>,
);

/// What was done, by whom, from what to what and why.
fn told<'e>(entries: &'e [Value]) -> Vec<Told<'e>> {
    let text = |entry: &'e Value, member: &str| entry[member].as_str();
    let told = |entry| {
        (
            text(entry, "change").expect("a change"),
            text(entry, "by").expect("a name"),
            text(entry, "from"),
            text(entry, "to"),
            text(entry, "reason"),
        )
    };
    entries.iter().map(told).collect()
}

#[test]
fn it_tells_what_operators_do_with_a_partner() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "noted", 3).await;
        let post = |below: &str, body: Value| {
            let path = format!("/admin/partners/noted{below}");
            async move { web.post(&path, body.to_string()).await }
        };
        let credit = json!({ "amount": 50, "reference": "INV-1" });
        for (below, body, status) in [
            ("/trust", json!({ "level": 2 }), 200),
            ("/trust", json!({ "level": 2 }), 200),
            ("/trust", json!({ "level": 11 }), 422),
            ("/credit", credit.clone(), 200),
            ("/credit", credit, 200),
            ("/refund", json!({ "credit": "INV-1", "amount": 20 }), 200),
        ] {
            assert_eq!(post(below, body).await.status, status, "{below}");
        }
        let issued = web.post("/admin/partners/noted/keys", "").await.json();
        let id = text(&issued["id"]);
        for _ in 0..2 {
            let path = format!("/admin/partners/noted/keys/{id}");
            assert_eq!(send(web.request(Method::DELETE, &path)).await.status, 200);
        }
        let entries = entries(web, "partner/noted").await;
        let (first, pair) = (
            format!("key {}, credit 0", &who.key[4..16]),
            who.pair.verifying_key(),
        );
        let key = STANDARD.encode(pair.to_bytes());
        let expected = [
            (
                "add-partner",
                "token",
                None,
                Some("3"),
                Some(first.as_str()),
            ),
            ("upload-key", "token", None, Some(key.as_str()), None),
            ("trust", "token", Some("3"), Some("2"), None),
            ("credit", "token", None, Some("50"), Some("INV-1")),
            (
                "refund",
                "token",
                None,
                Some("20"),
                Some("refund of credit INV-1"),
            ),
            ("issue-key", "token", None, Some(id.as_str()), None),
            ("revoke-key", "token", Some(id.as_str()), None, None),
        ];
        assert_eq!(told(&entries), expected, "what changed nothing is not told");
        assert!(entries.iter().all(|entry| entry["role"] == "admin"));
        let all = web.get("/admin/audit?limit=200").await.body;
        let secret = |key: &str| all.contains(&key[17..60]);
        assert!(!secret(&who.key) && !secret(&text(&issued["key"])) && !all.contains(TOKEN));
    });
}

#[test]
fn it_tells_what_a_partner_deploys_and_with_which_key() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "deploying", 3).await;
        for (version, number) in [("1", 41), ("2", 42), ("2", 42)] {
            let uploaded = who.upload(web, "peaks", version, &variant(number)).await;
            assert!(uploaded.status < 300, "{uploaded:?}");
        }
        assert_eq!(who.roll_back(web, "peaks", "").await.status, 200);
        let refused = who.roll_back(web, "peaks", "").await;
        assert_eq!(refused.field(404), "to");
        assert!(refused.body.contains(&digest(42)), "{refused:?}");
        // An operator may do what the partner may.
        let path = who.path("/peaks");
        assert_eq!(send(web.request(Method::DELETE, &path)).await.status, 200);

        let entries = entries(web, "partner/deploying/peaks").await;
        let (one, two) = (digest(41), digest(42));
        let (one, two) = (Some(one.as_str()), Some(two.as_str()));
        let expected = [
            ("upload-plugin", "deploying", None, one, Some("version 1")),
            ("upload-plugin", "deploying", one, two, Some("version 2")),
            ("roll-back-plugin", "deploying", two, one, Some("version 1")),
            ("remove-plugin", "token", one, None, None),
        ];
        assert_eq!(told(&entries), expected);
        for entry in &entries[..3] {
            let by = (&entry["role"], &entry["keyId"]);
            assert_eq!(by, (&json!("partner"), &json!(&who.key[4..16])));
        }
        assert_eq!(entries[3]["keyId"], Value::Null);
        let whole = self::entries(web, "partner/deploying").await;
        assert_eq!(whole.len(), entries.len() + 2, "with the partner's own");
    });
}

#[test]
fn it_tells_which_triggers_are_set_and_removed() {
    run(async {
        let web = common().await;
        let who = Uploader::new(web, "triggering", 3).await;
        let uploaded = who.upload(web, "peaks", "1", &variant(43)).await;
        assert_eq!(uploaded.status, 201, "{uploaded:?}");
        let path = |name: &str| who.path(&format!("/peaks/triggers/{name}"));
        let put = |name: &str, body: Value| {
            let request = web.request_as(Some(&who.key), Method::PUT, &path(name));
            send(request.body(body.to_string()))
        };
        let daily = json!({ "cron": "0 6 * * *", "params": { "client_name": "Ingeborg" } });
        let peaks = json!({ "stream": "consumption.peak", "maxSpend": 200 });
        for (name, body, status) in [
            ("daily", &daily, 200),
            ("daily", &peaks, 200),
            ("daily", &json!({ "cron": "never" }), 422),
            ("hourly", &json!({ "cron": "0 * * * *" }), 200),
        ] {
            assert_eq!(
                put(name, body.clone()).await.status,
                status,
                "{name} {body}"
            );
        }
        // An operator may do what the partner may; what is gone cannot be removed.
        for status in [200, 404] {
            let removed = send(web.request(Method::DELETE, &path("daily"))).await;
            assert_eq!(removed.status, status, "{removed:?}");
        }
        assert_eq!(who.delete(web, "peaks").await.status, 200);

        let mut entries = entries(web, "partner/triggering/peaks").await;
        let (cron, stream) = (
            Some("cron 0 6 * * *"),
            Some("stream consumption.peak, maxSpend 200"),
        );
        let (daily, hourly) = (Some("trigger daily"), Some("trigger hourly"));
        let expected = [
            ("set-trigger", "triggering", None, cron, daily),
            ("set-trigger", "triggering", cron, stream, daily),
            (
                "set-trigger",
                "triggering",
                None,
                Some("cron 0 * * * *"),
                hourly,
            ),
            ("remove-trigger", "token", stream, None, daily),
        ];
        let last = entries.pop().expect("the plugin's end");
        assert_eq!(last["change"], "remove-plugin", "with its triggers");
        assert_eq!(told(&entries[1..]), expected);
        assert_eq!(entries[1]["keyId"], json!(&who.key[4..16]));
        assert!(
            !web.get("/admin/audit?limit=200")
                .await
                .body
                .contains("Ingeborg")
        );
    });
}

#[test]
fn it_tells_who_changed_a_consent_and_what_was_sent() {
    run(async {
        let web = common().await;
        let added = json!({ "name": "marie", "role": "deployer" }).to_string();
        let added = web.post("/admin/operators", added).await.json();
        let marie = text(&added["key"]["key"]);
        let house = web
            .post("/house/house-editor/add-house", r#"{"client_name":"Ada"}"#)
            .await;
        let path = "/client-database/client-registry/consent";
        let set = |granted: Value| {
            let body =
                json!({ "houseID": house.body, "dataset": "production", "granted": granted });
            let request = web.request_as(Some(&marie), Method::POST, path);
            async move { (send(request.json(&body)).await, body) }
        };
        let (done, sent) = set(json!(false)).await;
        assert_eq!(done.status, 204, "{done:?}");
        let (refused, _) = set(json!("perhaps")).await;
        assert!(refused.status >= 400, "{refused:?}");
        let shown = format!("{path}?houseID={}", house.body);
        assert_eq!(web.get(&shown).await.status, 200);

        let mut entries = entries(web, "client-database").await;
        entries.retain(|entry| entry["change"] == "call");
        let [entry] = entries.as_slice() else {
            panic!("neither refusals nor looks are told: {entries:?}");
        };
        assert_eq!(entry["by"], "marie");
        assert_eq!(entry["role"], "deployer");
        assert_eq!(entry["keyId"], added["keyId"]);
        assert_eq!(entry["reason"], format!("POST {path}"));
        let told: Value = serde_json::from_str(&text(&entry["to"])).expect("what was sent");
        assert_eq!(told, sent);
    });
}
