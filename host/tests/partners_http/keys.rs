//! API keys: made, replaced, revoked; and what is no key.

use leyden::keys::{ApiKey, Of};
use reqwest::Method;
use serde_json::Value;

use super::{TOKEN, add, ask, common, get, partner, text};
use crate::support::built;
use crate::web::{Answer, Web, run, send};

async fn rotate(web: &Web, id: &str) -> Answer {
    web.post(&format!("/admin/partners/{id}/keys"), "").await
}

async fn revoke(web: &Web, id: &str, key_id: &str) -> Answer {
    let path = format!("/admin/partners/{id}/keys/{key_id}");
    send(web.request(Method::DELETE, &path)).await
}

fn id_of(key: &str) -> String {
    key[4..16].to_owned()
}

#[test]
fn keys_are_replaced_without_a_gap() {
    run(async {
        let web = common().await;
        let first = partner(web, "rotating", 0).await;
        let second = rotate(web, "rotating").await;
        assert_eq!(
            (second.status, second.headers["cache-control"].as_str()),
            (201, "no-store")
        );
        let second = text(&second.json()["key"]);
        for key in [&first, &second] {
            assert_eq!(get(web, key, "/partners/rotating").await.status, 200);
        }
        let third = rotate(web, "rotating").await;
        assert_eq!(third.problem(409), "conflict");

        assert_eq!(revoke(web, "rotating", &id_of(&first)).await.status, 200);
        assert_eq!(
            get(web, &first, "/partners/rotating").await.problem(401),
            "unauthorized"
        );
        assert_eq!(get(web, &second, "/partners/rotating").await.status, 200);
        let third = text(&rotate(web, "rotating").await.json()["key"]);
        assert_eq!(get(web, &third, "/partners/rotating").await.status, 200);

        let listed = web.get("/admin/partners/rotating/keys").await.json();
        let listed = listed["keys"].as_array().expect("a list").clone();
        let ids: Vec<_> = listed.iter().map(|key| text(&key["id"])).collect();
        assert_eq!(ids, [id_of(&third), id_of(&second), id_of(&first)]);
        let revoked: Vec<_> = listed
            .iter()
            .map(|key| key["revokedAt"].is_string())
            .collect();
        assert_eq!(revoked, [false, false, true]);
    });
}

#[test]
fn no_storm_of_requests_makes_a_third_key() {
    run(async {
        let web = common().await;
        partner(web, "greedy", 0).await;
        let made = futures_util::future::join_all((0..10).map(|_| rotate(web, "greedy"))).await;
        let made: Vec<u16> = made.iter().map(|answer| answer.status).collect();
        assert_eq!(
            made.iter().filter(|status| **status == 201).count(),
            1,
            "{made:?}"
        );
        assert!(
            made.iter().all(|status| [201, 409].contains(status)),
            "{made:?}"
        );
    });
}

#[test]
fn revoked_keys_stay_revoked_and_only_their_partner_has_them() {
    run(async {
        let web = common().await;
        let (one, other) = (partner(web, "one", 0).await, partner(web, "other", 0).await);
        let foreign = revoke(web, "one", &id_of(&other)).await;
        assert_eq!(
            (foreign.problem(404), foreign.field(404)),
            ("not-found".into(), "keyId".into())
        );
        assert_eq!(get(web, &other, "/partners/other").await.status, 200);
        let first = revoke(web, "one", &id_of(&one)).await.json();
        assert_eq!(
            revoke(web, "one", &id_of(&one)).await.json(),
            first,
            "nothing changes"
        );
        assert_eq!(get(web, &one, "/partners/one").await.status, 401);
        for odd in ["x", "..%2F", "%00", &"0".repeat(200)] {
            assert_eq!(revoke(web, "one", odd).await.field(404), "keyId", "{odd}");
        }
    });
}

#[test]
fn many_rotations_forget_the_oldest() {
    run(async {
        let web = common().await;
        let first = partner(web, "often", 0).await;
        let mut last = first.clone();
        for _ in 0..20 {
            let next = text(&rotate(web, "often").await.json()["key"]);
            assert_eq!(revoke(web, "often", &id_of(&last)).await.status, 200);
            last = next;
        }
        let listed = web.get("/admin/partners/often/keys").await.json();
        assert_eq!(listed["keys"].as_array().map(Vec::len), Some(16));
        assert_eq!(get(web, &first, "/partners/often").await.status, 401);
        assert_eq!(get(web, &last, "/partners/often").await.status, 200);
    });
}

#[test]
fn what_is_no_key_is_refused_and_says_why() {
    run(async {
        let web = common().await;
        let key = partner(web, "keyed", 0).await;
        let invented = ApiKey::generate(Of::Partner).reveal().to_owned();
        // Another secret under an id that exists.
        let stolen = {
            let head = format!("{}{}", &key[..17], &invented[17..60]);
            format!("{head}_{:08x}", crc32fast::hash(head.as_bytes()))
        };
        let swapped = key.replace(&key[4..16], "0123456789ab");
        for (wrong, why) in [
            (invented.as_str(), "unknown"),
            (&stolen, "unknown"),
            (&swapped, "mistyped"),
            (&key[..68], "must be a partner's key"),
            (&format!("{key}0"), "must be a partner's key"),
            ("ley_", "must be a partner's key"),
            (&key.to_uppercase(), "token"),
            ("nonsense", "token"),
        ] {
            let answer = get(web, wrong, "/partners/keyed").await;
            assert_eq!(answer.problem(401), "unauthorized", "{wrong}");
            assert!(answer.body.contains(why), "{wrong}: {answer:?}");
            assert!(answer.headers["www-authenticate"].starts_with("Bearer"));
            assert!(!answer.body.contains(&key[17..60]), "repeats the secret");
        }
        let twice = web.request_as(Some(&key), Method::GET, "/partners/keyed");
        assert_eq!(send(twice.bearer_auth(TOKEN)).await.status, 401);
        let basic = web.request_as(None, Method::GET, "/partners/keyed");
        assert_eq!(
            send(basic.basic_auth("keyed", Some(&key))).await.status,
            401
        );
        assert_eq!(
            send(web.request_as(None, Method::GET, "/partners/keyed"))
                .await
                .status,
            401
        );
    });
}

#[test]
fn on_a_host_without_a_token_a_key_is_still_its_partner_only() {
    run(async {
        let web = Web::start(&built("guests"), |_| {}).await;
        let key = text(&add(&web, "local", 0, 0).await.json()["key"]["key"]);
        assert_eq!(add(&web, "neighbour", 0, 0).await.status, 201);
        assert_eq!(get(&web, &key, "/partners/local").await.status, 200);
        for path in [
            "/partners/neighbour",
            "/admin/partners",
            "/admin/status",
            "/echo",
            "/metrics",
        ] {
            assert_eq!(
                get(&web, &key, path).await.problem(403),
                "forbidden",
                "{path}"
            );
            assert!(web.get(path).await.status < 300, "the operator may: {path}");
        }
        let wrong = key.replace(&key[60..], "_00000000");
        assert_eq!(get(&web, &wrong, "/partners/local").await.status, 401);
        let invented = ApiKey::generate(Of::Partner);
        let refused = ask(&web, invented.reveal(), Method::GET, "/admin/status").await;
        assert_eq!(refused.problem(401), "unauthorized");
        let both = web.request_as(Some(&key), Method::GET, "/admin/status");
        let both = send(both.header("authorization", "Basic eDp5")).await;
        assert_eq!(both.status, 401, "which one counts is not guessed");
        // Other credentials are a component's business there, as ever.
        let other = web.request_as(Some("some-other-token"), Method::GET, "/echo");
        assert_eq!(send(other).await.status, 200);
        let kept: Value = web.get("/admin/partners/local/keys").await.json();
        assert!(!kept.to_string().contains(&key[17..60]));
        web.host.clone().stop().await;
    });
}
