//! Partners with adversarial names: none of them sees, or learns of, what is another's.

use futures_util::StreamExt as _;
use reqwest::Method;

use super::{TOKEN, add, ask, common, get, partner, segment, text};
use crate::web::{Web, run, send};

/// Names that are made to be taken for each other, or for a part of a path.
fn names() -> Vec<String> {
    let odd = [
        "acme",
        "Acme",
        "ACME",
        "acme.",
        "a.cme",
        "acme..",
        "acme...",
        "%2e",
        "%2E%2E",
        "%2f",
        "%252f",
        "acme%2fx",
        "acme%00",
        "acme\u{200b}",
        "ac\u{2028}me",
        "acme\u{feff}",
        "ａｃｍｅ",
        "аcme",
        "ac\u{301}me",
        "ác",
        "a\u{301}c",
        "ﬁ",
        "fi",
        "ſ",
        "s",
        "K",
        "\u{212a}",
        "ß",
        "SS",
        "i",
        "ı",
        "İ",
        "a b",
        "a+b",
        "a%20b",
        "a\u{a0}b",
        "?",
        "#",
        "?x=1",
        "#x",
        "a?b",
        "a#b",
        "&",
        "=",
        ";",
        "a;b",
        "a:b",
        "a@b",
        "*",
        "a*",
        "{id}",
        "{*rest}",
        ":id",
        "\\",
        "a\\b",
        "acme\\..\\x",
        "'",
        "\"",
        "' OR 1=1 --",
        "\u{202e}emca",
        "🏭",
        "keys",
        "plugins",
        "receipts",
        "usage",
        "admin",
        "null",
        "undefined",
        "0",
        "-1",
        "partner/",
        "hold",
        "issuer",
        "revenue",
        "leyden",
        "acme\u{1f3fb}",
        "~",
        "~root",
        "$HOME",
        "`id`",
        "|",
        "<b>",
        "acme,acme",
        "acme&id=x",
        "é",
        "e\u{301}",
    ];
    let mut names: Vec<String> = odd.iter().map(|name| (*name).to_owned()).collect();
    names.retain(|name| !name.contains('/'));
    let mut number = 0;
    names.truncate(100);
    while names.len() < 100 {
        names.push(format!("acme-{number}"));
        number += 1;
    }
    names
}

/// Partners by name with their keys.
async fn all(web: &Web) -> Vec<(String, String)> {
    let mut partners = Vec::new();
    for name in names() {
        let added = add(web, &name, 1, 10).await;
        assert_eq!(added.status, 201, "{name:?}: {added:?}");
        partners.push((name, text(&added.json()["key"]["key"])));
    }
    partners
}

#[test]
fn a_hundred_partners_see_their_own_and_nothing_else() {
    run(async {
        let web = common().await;
        let partners = &all(web).await;
        assert_eq!(partners.len(), 100);
        for (name, key) in partners {
            let own = get(web, key, &format!("/partners/{}", segment(name))).await;
            assert_eq!(
                (own.status, own.json()["id"].as_str()),
                (200, Some(name.as_str()))
            );
        }
        // Every partner with every other's path, from which each must learn the same: nothing.
        let pairs = partners
            .iter()
            .flat_map(|one| partners.iter().map(move |other| (one, other)));
        let others = pairs.filter(|(one, other)| one.0 != other.0);
        let checks = others.map(|((_, key), (other, _))| async move {
            for below in ["", "/plugins", "/keys"] {
                let answer = get(web, key, &format!("/partners/{}{below}", segment(other))).await;
                assert_eq!(answer.problem(403), "forbidden", "{other:?}{below}");
                assert!(!answer.body.contains("balance"), "{answer:?}");
            }
        });
        futures_util::stream::iter(checks)
            .buffer_unordered(64)
            .collect::<()>()
            .await;
    });
}

#[test]
fn a_refusal_is_the_same_whether_something_exists_or_not() {
    run(async {
        let web = common().await;
        let key = partner(web, "curious", 1).await;
        partner(web, "present", 1).await;
        let mut bodies = Vec::new();
        for path in [
            "/partners/present",
            "/partners/absent",
            "/partners/present/plugins/x",
            "/partners/absent/plugins/x",
            "/partners/present/no/such/route",
            "/admin/partners/present",
            "/admin/partners/absent",
            "/admin/partners/curious",
            "/admin/partners/curious/keys",
            "/admin/nothing",
            "/metrics",
            "/streams/house.readings",
            "/house/house-list/houses",
            "/no-such-route",
            "/partners",
            "/partners/",
            "/",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let answer = ask(web, &key, method, path).await;
                assert_eq!(answer.problem(403), "forbidden", "{path}");
                bodies.push(answer.body);
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
    });
}

#[test]
fn the_open_documents_are_open_to_all() {
    run(async {
        let web = common().await;
        let key = partner(web, "reader", 0).await;
        for token in [
            None,
            Some(key.as_str()),
            Some(TOKEN),
            Some("nonsense"),
            Some("ley_nonsense"),
        ] {
            for path in ["/openapi.json", "/health", "/ready"] {
                let answer = send(web.request_as(token, Method::GET, path)).await;
                assert_eq!(answer.status, 200, "{path} {token:?}");
            }
        }
    });
}

/// The status that a path gets exactly as it is written.
async fn status(web: &Web, key: &str, path: &[u8]) -> u16 {
    let head =
        format!(" HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
    let answer = web.exact(&[b"GET ", path, head.as_bytes()].concat()).await;
    assert!(!answer.contains("\"id\":\"b\""), "{answer}");
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn no_spelling_of_a_path_leads_to_somebody_else() {
    run(async {
        let web = common().await;
        let key = partner(web, "a", 1).await;
        partner(web, "b", 1).await;
        assert_eq!(status(web, &key, b"/partners/a").await, 200);
        assert_eq!(status(web, &key, b"/partners/%61").await, 200);
        for path in [
            &b"/partners/a/../b"[..],
            b"/partners/a/..%2fb",
            b"/partners/a/%2e%2e/b",
            b"/partners/a%2f..%2fb",
            b"/partners/a/./../b",
            b"/partners/./b",
            b"/partners//b",
            b"//partners/b",
            b"/partners/../partners/b",
            b"/partners/b",
            b"/partners/%62",
            b"/partners/a%00",
            b"/partners/a%00b",
            b"/partners/A",
            b"/partners/a%20",
            b"/partners/a;b",
            b"/partners/a,b",
            b"/partners/%2561",
            b"/partners/%c1%a1",
            b"/partners/%ef%bd%81",
            b"/partners/%",
            b"/partners/%6",
            b"/partners/%zz",
            b"/partners/%+1",
            b"/partners/\xff",
            b"/partners/a\\..\\b",
            b"/PARTNERS/a",
            b"/partners",
            b"/admin/../partners/b",
            b"http://x/partners/b",
            b"http://x/partners/a/../b",
            b"*",
        ] {
            let status = status(web, &key, path).await;
            let shown = String::from_utf8_lossy(path);
            assert!([400, 403, 404].contains(&status), "{shown}: {status}");
        }
        // A query names nobody.
        assert_eq!(status(web, &key, b"/partners/a?id=b").await, 200);
        assert_eq!(status(web, &key, b"/partners/b?id=a").await, 403);
    });
}
