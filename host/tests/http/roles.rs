//! Operators by name: what each role may send, what ends with a revoked key, and what the audit tells afterwards.

use leyden::gateway::Token;
use leyden::registry::manifest::attach;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Web, own, run, send};
use crate::support::guest;

const TOKEN: &str = "a-token-of-some-length";

/// A host that asks for a token.
async fn host() -> Web {
    own(|options| options.token = Some(Token::parse(TOKEN).unwrap())).await
}

async fn ask(web: &Web, key: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = web.request(method, path).bearer_auth(key).json(body);
    send(request).await
}

/// A new operator's key.
async fn add(web: &Web, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "role": role });
    let answer = ask(web, TOKEN, Method::POST, "/admin/operators", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.json()["key"]["key"]
        .as_str()
        .expect("a key")
        .to_owned()
}

/// Deploys a new version of the test component `probe`.
async fn deploy(web: &Web, key: &str) -> Answer {
    let manifest =
        "description = \"another\"\n[[routes]]\nmethods = [\"GET\"]\npath = \"/probe/{what}\"\n";
    let bytes = attach(&guest("probe"), manifest).expect("a manifest");
    let request = web
        .request(Method::POST, "/admin/components/probe")
        .bearer_auth(key);
    send(
        request
            .header("content-type", "application/wasm")
            .body(bytes),
    )
    .await
}

#[test]
fn each_role_may_send_what_it_should_and_no_more() {
    run(async {
        let web = host().await;
        let nothing = json!({});
        let roles = ["viewer", "deployer", "admin"];
        let mut keys = Vec::new();
        for role in roles {
            keys.push(add(&web, &format!("a-{role}"), role).await);
        }
        // From which role on each is done.
        for (from, method, path, body) in [
            (0, Method::GET, "/admin/status", &nothing),
            (0, Method::GET, "/admin/operators", &nothing),
            (0, Method::GET, "/metrics", &nothing),
            (1, Method::POST, "/admin/components/echo/rollback", &nothing),
            (1, Method::DELETE, "/admin/dead-letters/0-1", &nothing),
            (1, Method::POST, "/echo", &nothing),
            (2, Method::POST, "/admin/operators", &nothing),
            (2, Method::POST, "/admin/clock/tick", &json!({ "count": 0 })),
            (2, Method::POST, "/admin/partners", &nothing),
            (2, Method::DELETE, "/admin/operators/nobody", &nothing),
            (2, Method::POST, "/partners/acme/plugins/x/run", &nothing),
        ] {
            for (number, key) in keys.iter().enumerate() {
                let answer = ask(&web, key, method.clone(), path, body).await;
                let role = roles[number];
                assert_eq!(
                    answer.status == 403,
                    number < from,
                    "{role} {method} {path}: {}",
                    answer.body
                );
            }
        }
        let refused = ask(&web, &keys[0], Method::POST, "/admin/clock/tick", &nothing).await;
        assert_eq!(refused.problem(403), "forbidden");
        assert!(
            refused
                .body
                .contains("operator 'a-viewer' has the role viewer; this takes the role admin"),
            "{}",
            refused.body
        );
        assert_eq!(deploy(&web, &keys[0]).await.status, 403);
        assert_eq!(deploy(&web, &keys[1]).await.status, 200);
    });
}

#[test]
fn a_revoked_key_ends_with_the_next_request() {
    run(async {
        let web = host().await;
        let nothing = json!({});
        let (old, new) = (
            add(&web, "marie", "admin").await,
            add(&web, "marie", "admin").await,
        );
        let third = json!({ "name": "marie", "role": "admin" });
        let answer = ask(&web, TOKEN, Method::POST, "/admin/operators", &third).await;
        assert_eq!(answer.problem(409), "conflict");
        let path = format!("/admin/operators/marie?key={}", &old[4..16]);
        assert_eq!(
            ask(&web, &new, Method::DELETE, &path, &nothing)
                .await
                .status,
            200
        );
        assert_eq!(
            ask(&web, &old, Method::GET, "/admin/status", &nothing)
                .await
                .problem(401),
            "unauthorized"
        );
        assert_eq!(
            ask(&web, &new, Method::GET, "/admin/status", &nothing)
                .await
                .status,
            200
        );
        let again = ask(&web, TOKEN, Method::DELETE, &path, &nothing).await;
        assert_eq!(again.status, 404);
        assert_eq!(
            ask(
                &web,
                TOKEN,
                Method::DELETE,
                "/admin/operators/marie",
                &nothing
            )
            .await
            .status,
            200
        );
        assert_eq!(
            ask(&web, &new, Method::GET, "/admin/status", &nothing)
                .await
                .status,
            401
        );
        let other = json!({ "name": "marie", "role": "viewer" });
        assert_eq!(
            ask(&web, TOKEN, Method::POST, "/admin/operators", &other)
                .await
                .status,
            201
        );
        let listed = ask(&web, TOKEN, Method::GET, "/admin/operators", &nothing).await;
        assert_eq!(listed.json()["operators"].as_array().map(Vec::len), Some(3));
        assert!(
            !listed.body.contains(&new[17..60]),
            "a secret is told again"
        );
    });
}

#[test]
fn what_is_wrong_with_an_operator_is_told_by_its_member() {
    run(async {
        let web = host().await;
        for (body, member) in [
            (json!({ "name": "Marie", "role": "admin" }), "name"),
            (json!({ "name": "host", "role": "admin" }), "name"),
            (json!({ "name": "marie", "role": "root" }), "role"),
            (json!({ "role": "admin" }), "name"),
        ] {
            let answer = ask(&web, TOKEN, Method::POST, "/admin/operators", &body).await;
            assert_eq!(answer.problem(422), "invalid", "{body}");
            assert_eq!(answer.json()["errors"][0]["field"], member, "{body}");
        }
        for key in [
            "leo_x",
            "leo_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000",
        ] {
            assert_eq!(
                ask(&web, key, Method::GET, "/admin/status", &json!({}))
                    .await
                    .status,
                401
            );
        }
    });
}

#[test]
fn the_audit_tells_who_did_what_from_what_to_what() {
    run(async {
        let web = host().await;
        let ci = add(&web, "ci", "deployer").await;
        let before = web
            .host
            .registry
            .generation()
            .components
            .values()
            .find(|c| c.name.as_str() == "probe")
            .map(|c| c.digest.to_string());
        let deployed = deploy(&web, &ci).await.json();
        let back = ask(
            &web,
            TOKEN,
            Method::POST,
            "/admin/components/probe/rollback",
            &json!({}),
        )
        .await;
        assert_eq!(back.status, 200, "{}", back.body);
        let audit = ask(
            &web,
            &ci,
            Method::GET,
            "/admin/audit?subject=probe",
            &json!({}),
        )
        .await
        .json();
        let told: Vec<_> = audit["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| {
                (
                    entry["by"].as_str().unwrap(),
                    entry["change"].as_str().unwrap(),
                    entry["from"].as_str(),
                    entry["to"].as_str(),
                )
            })
            .collect();
        let (first, second) = (before.as_deref(), deployed["digest"].as_str());
        assert_eq!(
            told,
            [
                ("token", "rollback", second, first),
                ("ci", "deploy", first, second),
                ("host", "bundle", None, first),
            ]
        );
        assert_eq!(audit["entries"][1]["role"], "deployer");
        // A page at a time, nothing twice and nothing left out.
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/admin/audit?limit=1{after}");
            let page = ask(&web, TOKEN, Method::GET, &path, &json!({}))
                .await
                .json();
            pages.extend(page["entries"].as_array().expect("entries").clone());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        let whole = ask(
            &web,
            TOKEN,
            Method::GET,
            "/admin/audit?limit=200",
            &json!({}),
        )
        .await
        .json();
        assert_eq!(Value::from(pages), whole["entries"]);
        assert_eq!(whole["entries"][2]["change"], "add-operator");
        let wrong = ask(&web, TOKEN, Method::GET, "/admin/audit?after=x", &json!({})).await;
        assert_eq!(wrong.problem(422), "invalid");
    });
}
