//! Hosts that share a Redis: keys count on all of them, and end on all of them at once.

use leyden::config::Store;
use leyden::store::redis;
use reqwest::Method;

use super::uploader::{Uploader, digest, variant};
use super::{add, get, text};
use crate::redis_servers::{Kept, Server};
use crate::support::built;
use crate::web::{Web, run, send};

async fn shared(server: &Server) -> Web {
    let options = redis::Options::new(server.url());
    Web::start_on(Store::Redis(options), &built("guests"), |_| {}).await
}

#[test]
fn a_key_counts_on_every_host_and_is_revoked_on_all_of_them() {
    run(async {
        let mut server = Server::start(Kept::Always);
        let (one, other) = (shared(&server).await, shared(&server).await);
        let key = text(&add(&one, "acme", 1, 5).await.json()["key"]["key"]);
        assert_eq!(
            get(&other, &key, "/partners/acme").await.json()["balance"],
            5
        );
        assert_eq!(get(&other, &key, "/partners/other").await.status, 403);
        let path = format!("/admin/partners/acme/keys/{}", &key[4..16]);
        assert_eq!(send(one.request(Method::DELETE, &path)).await.status, 200);
        assert_eq!(get(&other, &key, "/partners/acme").await.status, 401);

        // Nobody is let in while nobody can tell who it is.
        let key = text(&other.post("/admin/partners/acme/keys", "").await.json()["key"]);
        assert_eq!(get(&one, &key, "/partners/acme").await.status, 200);
        server.kill();
        let refused = get(&one, &key, "/partners/acme").await;
        assert_eq!(refused.status, 503, "{refused:?}");
        for web in [one, other] {
            web.host.clone().stop().await;
        }
    });
}

#[test]
fn two_hosts_credit_an_invoice_once_and_make_two_keys_at_most() {
    run(async {
        let server = Server::start(Kept::Nothing);
        let (one, other) = (shared(&server).await, shared(&server).await);
        assert_eq!(add(&one, "acme", 1, 0).await.status, 201);
        let credit = |web| async move {
            let body = r#"{"amount":7,"reference":"INV-1"}"#;
            Web::post(web, "/admin/partners/acme/credit", body).await
        };
        let rounds = (0..16).map(|n| credit(if n % 2 == 0 { &one } else { &other }));
        let answers = futures_util::future::join_all(rounds).await;
        let counted = answers
            .iter()
            .filter(|answer| answer.json()["repeated"] == false);
        assert_eq!(counted.count(), 1, "{answers:?}");
        assert_eq!(one.get("/admin/partners/acme").await.json()["balance"], 7);

        let rounds = (0..8).map(|n| {
            let web = if n % 2 == 0 { &one } else { &other };
            web.post("/admin/partners/acme/keys", "")
        });
        let answers = futures_util::future::join_all(rounds).await;
        let made = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(made.count(), 1, "{answers:?}");
        for web in [one, other] {
            web.host.clone().stop().await;
        }
    });
}

#[test]
fn a_plugin_that_one_host_took_is_active_on_all() {
    run(async {
        let server = Server::start(Kept::Nothing);
        let start = async || {
            let options = redis::Options::new(server.url());
            Web::start_on(Store::Redis(options), &built("plugins"), |_| {}).await
        };
        let (one, other) = (start().await, start().await);
        let who = &Uploader::new(&one, "acme", 3).await;
        let first = who.upload(&one, "peaks", "1", &variant(1)).await;
        assert_eq!(first.status, 201, "{first:?}");
        let again = who.upload(&other, "peaks", "1", &variant(1)).await;
        assert_eq!((again.status, again.json()), (200, first.json()));
        assert_eq!(
            who.get(&other, "/peaks").await.json(),
            who.get(&one, "/peaks").await.json()
        );

        // Uploads to both at once end in one order, each active once.
        let uploads = (2..6).map(|number| {
            let web = if number % 2 == 0 { &one } else { &other };
            async move {
                let answer = who
                    .upload(web, "peaks", &number.to_string(), &variant(number))
                    .await;
                assert_eq!(answer.status, 201, "{answer:?}");
                text(&answer.json()["previous"])
            }
        });
        let mut before = futures_util::future::join_all(uploads).await;
        before.push(text(
            &who.get(&one, "/peaks").await.json()["active"]["digest"],
        ));
        before.sort();
        let mut all: Vec<String> = (1..6).map(digest).collect();
        all.sort();
        assert_eq!(before, all);

        assert_eq!(who.delete(&other, "peaks").await.status, 200);
        assert_eq!(who.get(&one, "/peaks").await.status, 404);
        for web in [one, other] {
            web.host.clone().stop().await;
        }
    });
}
