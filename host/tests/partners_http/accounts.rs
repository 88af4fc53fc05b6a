//! What the operator does with partners' accounts.

use reqwest::Method;
use serde_json::json;

use super::{TOKEN, add, common, get, partner, text};
use crate::support::built;
use crate::web::{Answer, Web, run, send};

async fn post(web: &Web, path: &str, body: serde_json::Value) -> Answer {
    web.post(path, body.to_string()).await
}

#[test]
fn a_partner_is_registered_once_and_its_key_is_told_once() {
    run(async {
        let web = common().await;
        let added = add(web, "once", 2, 1_000).await;
        assert_eq!(added.status, 201, "{added:?}");
        let key = text(&added.json()["key"]["key"]);
        assert!(key.starts_with("ley_"));
        assert_eq!(added.headers["cache-control"], "no-store");
        for (member, value) in [
            ("id", json!("once")),
            ("trustLevel", json!(2)),
            ("balance", json!(1_000)),
            ("held", json!(0)),
            ("uploadKey", json!(null)),
        ] {
            assert_eq!(added.json()[member], value, "{member}");
        }
        let shown = web.get("/admin/partners/once").await;
        assert_eq!(shown.json()["balance"], 1_000);
        let own = get(web, &key, "/partners/once").await;
        assert_eq!((own.status, own.json()), (200, shown.json()));
        for told in [
            &shown.body,
            &own.body,
            &web.get("/admin/partners/once/keys").await.body,
        ] {
            assert!(!told.contains(&key) && !told.contains("secret"), "{told}");
        }

        let again = add(web, "once", 3, 5).await;
        assert_eq!(again.problem(409), "conflict");
        assert!(
            again.body.contains("leyden partner trust once"),
            "{again:?}"
        );
        assert_eq!(web.get("/admin/partners/once").await.json(), shown.json());
    });
}

#[test]
fn a_partner_learns_what_it_may_read_and_what_that_costs() {
    run(async {
        let web = common().await;
        let key = partner(web, "asking", 2).await;
        let own = get(web, &key, "/partners/asking").await.json();
        let dataset = |name: &str, price: Option<u64>, needed: Option<u64>| {
            json!({
                "dataset": name,
                "granted": price.is_some(),
                "price": price,
                "trustLevelNeeded": needed,
            })
        };
        assert_eq!(
            own["terms"]["datasets"],
            json!([
                dataset("global-consumption", Some(50), None),
                dataset("production", Some(70), None),
                dataset("detailed-consumption", None, Some(3)),
            ])
        );
        let components = web.get("/admin/components").await.json();
        let mut components = components.as_array().expect("a list").iter();
        let access = components.find(|component| component["name"] == "access");
        assert_eq!(own["terms"]["policy"], access.expect("a policy")["digest"]);
        assert_eq!(own["terms"]["computePrice"], 0);
        assert_eq!(own["limits"]["concurrentRuns"], 4);
        // Without an access policy there is nothing to be read, and an account all the same.
        let folder = tempfile::tempdir().expect("a folder");
        let echo = folder.path().join("echo.wasm");
        std::fs::copy(built("guests/echo.wasm"), echo).expect("a component");
        let bare = Web::start(folder.path(), |_| {}).await;
        assert_eq!(add(&bare, "asking", 2, 0).await.status, 201);
        assert_eq!(
            bare.get("/partners/asking").await.json()["terms"],
            json!(null)
        );
        bare.host.clone().stop().await;
    });
}

#[test]
fn a_credit_counts_once_for_its_reference() {
    run(async {
        let web = common().await;
        partner(web, "credited", 0).await;
        let credit = |amount: u64, reference: &'static str| {
            let body = json!({ "amount": amount, "reference": reference });
            post(web, "/admin/partners/credited/credit", body)
        };
        let first = credit(500, "INV-17").await;
        assert_eq!((first.status, &first.json()["balance"]), (200, &json!(500)));
        assert_eq!(first.json()["repeated"], false);
        let again = credit(500, "INV-17").await;
        assert_eq!((again.status, &again.json()["balance"]), (200, &json!(500)));
        assert_eq!(again.json()["repeated"], true);
        let other = credit(501, "INV-17").await;
        assert_eq!(other.problem(409), "conflict");
        assert_eq!(credit(1, "INV-18").await.json()["balance"], 501);
        let opening = add(web, "opened", 0, 5).await;
        assert_eq!(opening.status, 201);
        let clash = json!({ "amount": 6, "reference": "opening" });
        assert_eq!(
            post(web, "/admin/partners/opened/credit", clash)
                .await
                .status,
            409
        );
        assert_eq!(web.get("/admin/ledger").await.json()["sound"], true);
    });
}

#[test]
fn one_invoice_sent_many_times_at_once_is_credited_once() {
    run(async {
        let web = common().await;
        partner(web, "hasty", 0).await;
        let credit = || {
            let body = json!({ "amount": 7, "reference": "INV-1" });
            post(web, "/admin/partners/hasty/credit", body)
        };
        let answers = futures_util::future::join_all((0..20).map(|_| credit())).await;
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{answers:?}"
        );
        let first = answers
            .iter()
            .filter(|answer| answer.json()["repeated"] == false);
        assert_eq!(first.count(), 1);
        assert_eq!(web.get("/admin/partners/hasty").await.json()["balance"], 7);
    });
}

#[test]
fn sums_and_levels_have_bounds() {
    run(async {
        let web = common().await;
        partner(web, "bounded", 0).await;
        let credit = "/admin/partners/bounded/credit";
        let most = 1_000_000_000_000_u64;
        for (path, body, field) in [
            (credit, json!({ "amount": 0, "reference": "x" }), "amount"),
            (
                credit,
                json!({ "amount": most + 1, "reference": "x" }),
                "amount",
            ),
            (credit, json!({ "amount": -1, "reference": "x" }), "amount"),
            (credit, json!({ "amount": 1.5, "reference": "x" }), "amount"),
            (credit, json!({ "reference": "x" }), "amount"),
            (credit, json!({ "amount": 1 }), "reference"),
            (credit, json!({ "amount": 1, "reference": "" }), "reference"),
            (
                credit,
                json!({ "amount": 1, "reference": "a\nb" }),
                "reference",
            ),
            (
                credit,
                json!({ "amount": 1, "reference": " a" }),
                "reference",
            ),
            (
                credit,
                json!({ "amount": 1, "reference": "é".repeat(101) }),
                "reference",
            ),
            (
                credit,
                json!({ "amount": 1, "reference": "a", "to": "b" }),
                "to",
            ),
            (
                "/admin/partners/bounded/trust",
                json!({ "level": 11 }),
                "level",
            ),
            ("/admin/partners/bounded/trust", json!({}), "level"),
            (
                "/admin/partners/bounded/upload-key",
                json!({ "pem": "x" }),
                "pem",
            ),
            ("/admin/partners/bounded/upload-key", json!({}), "pem"),
            (
                "/admin/partners",
                json!({ "id": "b", "trustLevel": 11 }),
                "trustLevel",
            ),
            (
                "/admin/partners",
                json!({ "id": "b", "credit": most + 1 }),
                "credit",
            ),
            ("/admin/partners", json!({ "trustLevel": 1 }), "id"),
        ] {
            let answer = post(web, path, body.clone()).await;
            assert_eq!(answer.field(422), field, "{path} {body}");
        }
        let all = json!({ "amount": most, "reference": "x" });
        assert_eq!(post(web, credit, all).await.json()["balance"], most);
        for id in [
            "",
            " a",
            "a ",
            "a/b",
            "a\u{0}",
            "\n",
            &"x".repeat(129),
            ".",
            "..",
            "receipt-key",
        ] {
            assert_eq!(add(web, id, 0, 0).await.field(422), "id", "{id:?}");
        }
        assert_eq!(add(web, &"x".repeat(128), 0, 0).await.status, 201);
    });
}

#[test]
fn trust_and_the_upload_key_are_changed() {
    run(async {
        let web = common().await;
        let key = partner(web, "changed", 1).await;
        let trusted = post(web, "/admin/partners/changed/trust", json!({ "level": 10 })).await;
        assert_eq!(trusted.json()["trustLevel"], 10);
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let path = "/admin/partners/changed/upload-key";
        assert_eq!(post(web, path, json!({ "pem": pem })).await.status, 200);
        let own = get(web, &key, "/partners/changed").await.json();
        assert_eq!(
            own["uploadKey"],
            "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        );
        let private = pem.replace("PUBLIC", "PRIVATE");
        let refused = post(web, path, json!({ "pem": private })).await;
        assert_eq!(refused.field(422), "pem");
        assert!(refused.body.contains("private key") && !refused.body.contains("Gb9E"));
    });
}

#[test]
fn partners_that_are_not_there_are_named() {
    run(async {
        let web = common().await;
        for (method, path) in [
            (Method::GET, "/admin/partners/nobody"),
            (Method::GET, "/partners/nobody"),
            (Method::GET, "/admin/partners/nobody/keys"),
            (Method::POST, "/admin/partners/nobody/keys"),
            (Method::DELETE, "/admin/partners/nobody/keys/0123456789ab"),
        ] {
            let answer = send(web.request(method, path)).await;
            assert_eq!(
                (answer.problem(404), answer.field(404)),
                ("not-found".into(), "id".into())
            );
        }
        for (path, body) in [
            ("credit", json!({ "amount": 1, "reference": "x" })),
            ("trust", json!({ "level": 1 })),
        ] {
            let answer = post(web, &format!("/admin/partners/nobody/{path}"), body).await;
            assert_eq!(answer.field(404), "id", "{path}");
        }
        assert_eq!(
            web.get("/admin/partners/nobody/nothing").await.problem(404),
            "no-route"
        );
    });
}

#[test]
fn partners_are_listed_in_pages() {
    run(async {
        let mut web = Web::start(&built("guests"), |_| {}).await;
        for id in ["a", "b", "a b", "é", "B"] {
            assert_eq!(add(&web, id, 1, 10).await.status, 201);
        }
        let all = web.get("/admin/partners").await.json();
        let ids = |page: &serde_json::Value| {
            let partners = page["partners"].as_array().expect("a list").iter();
            partners
                .map(|partner| text(&partner["id"]))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&all), ["B", "a", "a b", "b", "é"]);
        assert!(all.get("next").is_none());
        let mut seen = Vec::new();
        let mut page = web.get("/admin/partners?limit=2").await.json();
        loop {
            seen.extend(ids(&page));
            let Some(next) = page["next"].as_str() else {
                break;
            };
            let after = next.replace(' ', "+").replace('é', "%C3%A9");
            page = web
                .get(&format!("/admin/partners?limit=2&after={after}"))
                .await
                .json();
            assert!(ids(&page).len() <= 2);
        }
        assert_eq!(seen, ids(&all));
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("x=1", "x"),
            ("after=%2F", "after"),
        ] {
            assert_eq!(
                web.get(&format!("/admin/partners?{query}"))
                    .await
                    .field(422),
                field
            );
        }
        web.token = Some(TOKEN);
        web.host.clone().stop().await;
    });
}

#[test]
fn a_wrong_credit_is_taken_back_once() {
    run(async {
        let web = common().await;
        let key = partner(web, "overpaid", 0).await;
        let path = "/admin/partners/overpaid/refund";
        let given = json!({ "amount": 5_000, "reference": "INV-17" });
        let given = post(web, "/admin/partners/overpaid/credit", given).await;
        assert_eq!(given.json()["balance"], 5_000);
        let back = json!({ "credit": "INV-17", "amount": 4_500 });
        for repeated in [false, true] {
            let answer = post(web, path, back.clone()).await;
            assert_eq!(
                (answer.status, &answer.json()["balance"]),
                (200, &json!(500))
            );
            assert_eq!(answer.json()["reference"], "refund of credit INV-17");
            assert_eq!(answer.json()["repeated"], repeated);
        }
        let other = post(web, path, json!({ "credit": "INV-17", "amount": 1 })).await;
        assert_eq!(other.problem(409), "conflict");
        for (body, status, field) in [
            (json!({}), 422, "receipt"),
            (json!({ "receipt": 1, "credit": "INV-17" }), 422, "receipt"),
            (json!({ "receipt": 0 }), 422, "receipt"),
            (json!({ "receipt": 1 }), 404, "receipt"),
            (json!({ "credit": "INV-18" }), 404, "credit"),
            (json!({ "credit": "INV-17", "amount": 0 }), 422, "amount"),
            (
                json!({ "credit": "INV-17", "amount": 5_001 }),
                422,
                "amount",
            ),
        ] {
            assert_eq!(
                post(web, path, body.clone()).await.field(status),
                field,
                "{body}"
            );
        }
        let own = web.request_as(Some(&key), Method::POST, path);
        assert_eq!(
            send(own.body(back.to_string())).await.problem(403),
            "forbidden"
        );
        assert_eq!(web.get("/admin/ledger").await.json()["sound"], true);
    });
}
