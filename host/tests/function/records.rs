//! Functions in records: what one answered is replayed bit for bit elsewhere, without its clients, its network and its
//! secrets.

use std::time::Duration;

use leyden::config::Config;
use leyden::ids::Digest;
use leyden::replay::format::{Input, Invocation, Output};
use reqwest::Method;

use super::{PATIENCE, Web, built, deploy, run, send};
use crate::records::{
    assert_identical, invocations, lines, options, recorded_by, redacted, replayed, told,
    with_one_bit_changed,
};
use crate::support::guest;

const PATIENT: &str = "[limits]\ndeadline-ms = 20000\n";

/// What is recorded on a host while something is done.
async fn recorded(web: &Web, done: impl Future<Output = ()>) -> Vec<u8> {
    recorded_by(&web.host, options(), done).await
}

fn path(invocation: &Invocation) -> &str {
    match &invocation.input {
        Input::Http { head, .. } => &head.path,
        other => panic!("{other:?} is no request"),
    }
}

fn body(invocation: &Invocation) -> String {
    match &invocation.outcome.output {
        Output::Http { body, .. } => String::from_utf8_lossy(&body.0).into_owned(),
        other => panic!("{other:?} is no answer"),
    }
}

#[test]
fn what_a_function_answers_is_replayed_bit_for_bit() {
    run(async {
        let web = super::with_web(PATIENT).await;
        let record = recorded(&web, async {
            for path in [
                "/hello",
                "/request?a=b",
                "/draw",
                "/sleep?20",
                "/status?404",
            ] {
                let ask = web.request(Method::GET, &format!("/fn/web{path}"));
                ask.send().await.expect("an answer");
            }
            let long = "word ".repeat(100_000);
            for path in ["/echo", "/count"] {
                let asked = web.request(Method::POST, &format!("/fn/web{path}"));
                let answer = asked.body(long.clone()).send().await.expect("an answer");
                answer.bytes().await.expect("its body");
            }
            send(web.request(Method::GET, "/fn/web/zeros?3000000")).await;
            let ask = web.request(Method::HEAD, "/fn/web/hello");
            ask.send().await.expect("an answer");
        })
        .await;
        let all = assert_identical(&record).await;
        assert_eq!(all.len(), 9, "all of them were recorded");
        assert!(
            all.iter()
                .all(|one| one.outcome.fuel.is_some_and(|fuel| fuel > 0))
        );
        let drawn = all.iter().find(|one| path(one) == "/draw").expect("a draw");
        assert!(!drawn.outside.wall_ns.is_empty() && drawn.randoms.len() > 4);
        let echoed = all
            .iter()
            .find(|one| path(one) == "/echo")
            .expect("an echo");
        assert_eq!(body(echoed).len(), 500_000);
    });
}

#[test]
fn what_fails_is_recorded_as_it_failed() {
    run(async {
        let web = super::with_web("[limits]\ndeadline-ms = 1000\n").await;
        let record = recorded(&web, async {
            for path in [
                "/trap-before",
                "/trap-after",
                "/loop",
                "/loop-after",
                "/abort",
                "/silent",
                "/refuse",
                "/memory",
            ] {
                let ask = web.request(Method::GET, &format!("/fn/web{path}"));
                if let Ok(answer) = ask.send().await {
                    drop(answer.bytes().await);
                }
            }
        })
        .await;
        let all = assert_identical(&record).await;
        let outputs: Vec<_> = all
            .iter()
            .map(|one| (path(one), &one.outcome.output))
            .collect();
        assert_eq!(outputs.len(), 8, "{outputs:?}");
        assert!(
            outputs
                .iter()
                .all(|(path, output)| output.is_failure() || *path == "/memory"),
            "{outputs:?}"
        );
        assert!(
            matches!(outputs[1].1, Output::Trapped { .. }),
            "{:?}",
            outputs[1]
        );
        assert!(
            matches!(outputs[3].1, Output::Deadline { .. }),
            "{:?}",
            outputs[3]
        );
    });
}

/// A host whose function `web` may ask another host's.
async fn two(manifest: &str) -> (Web, Web) {
    let there = super::with_web(PATIENT).await;
    let address = there.server.address().to_string();
    let allow = vec![address.parse().expect("an entry")];
    let configure = |config: &mut Config| config.outbound_allow = allow;
    let here = Web::start_as(configure, &built("guests"), |_| {}).await;
    let manifest = format!("{manifest}[outbound]\nhosts = [\"{address}\"]\n{PATIENT}");
    deploy(&here, "web", &manifest).await;
    (here, there)
}

#[test]
fn answers_from_elsewhere_are_part_of_a_record() {
    run(async {
        let (here, there) = two("").await;
        let url = format!("http://{}/fn/web", there.server.address());
        let record = recorded(&here, async {
            for fetched in ["/hello", "/zeros?200000", "/status?404", "/draw"] {
                let ask = here.client.get(format!(
                    "http://{}/fn/web/fetch?{url}{fetched}",
                    here.server.address()
                ));
                let answer = ask.send().await.expect("an answer");
                answer.bytes().await.expect("its body");
            }
            // The second is there first.
            let race = format!("/fn/web/race?{url}/sleep%3F300|{url}/hello|{url}/sleep%3F100");
            let race = race.replace("%3F", "?");
            assert_eq!(here.get(&race).await.body, "1:200 2:200 0:200 ");
            let refused = here.client.get(format!(
                "http://{}/fn/web/fetch?http://elsewhere.example/",
                here.server.address()
            ));
            assert_eq!(refused.send().await.expect("an answer").status(), 502);
        })
        .await;
        // Nothing is asked again.
        drop(there);
        let all = assert_identical(&record).await;
        assert_eq!(all.len(), 6);
        let sent = &all[0].outcome.effects.sent;
        assert_eq!(
            (sent.len(), &*sent[0].method, &sent[0].uri),
            (1, "GET", &format!("{url}/hello"))
        );
        assert_eq!(sent[0].sha256, None, "it has no body");
        assert!(all[5].outside.answers[0].error.as_deref() == Some("HTTP-request-denied"));
    });
}

#[test]
fn a_record_tells_no_secret_and_its_replay_does_without() {
    run(async {
        let (here, there) = two("secrets = [\"KEY\"]\n").await;
        let secret = "hunter2-hunter2";
        super::surroundings::set(&here, secret).await;
        let url = format!("http://{}/fn/web/hello", there.server.address());
        let record = recorded(&here, async {
            assert_eq!(here.get("/fn/web/env?KEY").await.body, secret);
            let told = here.get(&format!("/fn/web/tell?{url}")).await.body;
            assert_eq!(told, format!("{secret} 200"));
            let echo = here
                .request(Method::POST, "/fn/web/echo")
                .body(format!("is {secret}"));
            send(echo).await;
        })
        .await;
        let text = String::from_utf8_lossy(&record);
        assert!(!text.contains(secret), "a secret is in the record");
        let all = assert_identical(&record).await;
        let covered = "x".repeat(secret.len());
        let bodies: Vec<String> = all.iter().map(body).collect();
        let sent = all[1].outcome.effects.sent[0].sha256;
        assert_eq!(sent, Some(Digest::of(covered.as_bytes())));
        assert_eq!(
            bodies,
            [
                covered.clone(),
                format!("{covered} 200"),
                format!("is {covered}")
            ]
        );
    });
}

#[test]
fn what_a_function_keeps_is_recorded_and_redacted() {
    run(async {
        let web = super::host().await;
        super::values::deploy(&web, "keeper", super::values::GRANTED).await;
        let id = "8a4ef3f8-34d7-4bd3-9a2e-1c5b1a1f0c11";
        let record = recorded(&web, async {
            let household = format!("{{\"household\": \"{id}\", \"client_name\": \"Jean-Paul\"}}");
            send(web.request(Method::PUT, "/fn/keeper/set?a").body(household)).await;
            assert!(web.get("/fn/keeper/get?a").await.body.contains(id));
            web.get("/fn/keeper/list").await;
        })
        .await;
        let all = assert_identical(&record).await;
        assert_eq!(all.len(), 3);
        assert!(!all[0].outcome.effects.writes.is_empty());
        assert!(!all[1].reads.is_empty());
        let redacted = redacted(&record, |_| false).await;
        for personal in [id, "Jean-Paul"] {
            assert!(!told(&redacted).contains(personal), "{personal}");
        }
        assert_identical(redacted.as_bytes()).await;
    });
}

#[test]
fn another_version_and_a_changed_record_differ() {
    run(async {
        let (here, there) = two("").await;
        let url = format!("http://{}/fn/web/hello", there.server.address());
        let record = recorded(&here, async {
            here.get("/fn/web/hello").await;
            here.get(&format!("/fn/web/fetch?{url}")).await;
        })
        .await;
        let changed = with_one_bit_changed(&guest("alternatives/web"), b"Hello, world!", 0);
        let all = replayed(&record, &[("web", &changed)]).await;
        let first: Vec<String> = all[0].1.iter().map(ToString::to_string).collect();
        assert!(
            first[0].starts_with("output.http.body: \"Hello"),
            "{first:?}"
        );
        assert!(all[1].1.is_empty(), "what it fetched is in the record");
        // Without the answer, the replay does not make one up.
        let mut player = crate::records::player();
        for line in lines(&record) {
            if let leyden::replay::format::Line::Component(component) = line {
                crate::records::admit(&mut player, &component, &[]);
            }
        }
        let mut fetched = invocations(&record).remove(1);
        fetched.outside.answers.clear();
        let played = player.play(&fetched).await.expect("played");
        let missing = Output::NotRecorded(format!("sends GET {url}"));
        assert_eq!(played.outcome.output, missing);
    });
}

#[test]
fn recording_holds_nothing_up_and_reused_instances_stay() {
    run(async {
        let web = super::with_web(&format!("[reuse]\n{PATIENT}")).await;
        assert_eq!(web.get("/fn/web/uses").await.body, "1");
        assert_eq!(web.get("/fn/web/uses").await.body, "2");
        let recorder = web.host.dispatch.recorder();
        let record = recorded(&web, async {
            assert_eq!(web.get("/fn/web/uses").await.body, "1", "a fresh one");
            // The head and the first bytes are there long before the end.
            let begun = web.request(Method::GET, "/fn/web/afterwards?4000").send();
            let begun = tokio::time::timeout(Duration::from_secs(3), begun).await;
            let begun = begun.expect("at once").expect("an answer");
            begun.bytes().await.expect("its body");
            // Whoever leaves is not recorded.
            let left = web.request(Method::GET, "/fn/web/loop-after").send().await;
            drop(left);
            let written = async {
                while recorder.status().invocations < 2 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let written = tokio::time::timeout(PATIENCE, written).await;
            written.expect("both are written");
        })
        .await;
        assert_eq!(web.get("/fn/web/uses").await.body, "3");
        let all = assert_identical(&record).await;
        let paths: Vec<&str> = all.iter().map(path).collect();
        assert_eq!(paths, ["/uses", "/afterwards"]);
    });
}
