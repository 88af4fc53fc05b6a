//! What a function finds around it: variables and its log.

use leyden::ids::VariableName;
use leyden::logs::LINES_MAX;
use leyden::operators::Operator;
use leyden::secrets::Secret;

use super::{Web, run, with_web};
use crate::support::name;

/// The lines of a component's log.
fn lines(web: &Web, component: &str) -> Vec<String> {
    let log = web.host.logs.of(&name(component));
    let lines = log.latest(0, LINES_MAX).into_iter();
    lines.map(|line| line.message).collect()
}

#[test]
fn variables_are_those_of_the_manifest_and_no_others() {
    run(async {
        let web = with_web("[env]\nGREETING = \"good day\"\nEMPTY = \"\"\n").await;
        for way in ["env", "config"] {
            let greeting = web.get(&format!("/fn/web/{way}?GREETING")).await;
            assert_eq!(
                (greeting.status, &*greeting.body),
                (200, "good day"),
                "{way}"
            );
            assert_eq!(
                web.get(&format!("/fn/web/{way}?EMPTY")).await.status,
                200,
                "{way}"
            );
            for hosts in ["PATH", "HOME", "CARGO_MANIFEST_DIR"] {
                let answer = web.client.get(format!(
                    "http://{}/fn/web/{way}?{hosts}",
                    web.server.address()
                ));
                assert_eq!(
                    answer.send().await.expect("an answer").status(),
                    404,
                    "{way} {hosts}"
                );
            }
        }
    });
}

#[test]
fn both_outputs_are_the_functions_log_within_bounds() {
    run(async {
        let web = with_web("[limits]\ndeadline-ms = 20000\n").await;
        web.get("/fn/web/log?2").await;
        let mut written = lines(&web, "web");
        written.sort_unstable();
        assert_eq!(
            written,
            ["err 0", "err 1", "out 0", "out 1", "without an end"]
        );
        web.get("/fn/web/log?5000").await;
        let written = lines(&web, "web");
        assert_eq!(written.len(), 5 + 101);
        assert!(
            written
                .last()
                .is_some_and(|line| line.contains("are dropped"))
        );
    });
}

/// Sets the secret KEY of the function `web`.
pub(super) async fn set(web: &Web, value: &str) {
    let (function, secret) = (name("web"), VariableName::parse("KEY").expect("a name"));
    let value = Secret::parse(value.into()).expect("a value");
    let registry = &web.host.registry;
    let set = registry
        .set_secret(&Operator::host(), &function, &secret, &value)
        .await;
    set.expect("set");
}

#[test]
fn secrets_are_for_the_function_alone() {
    run(async {
        let web = with_web("secrets = [\"KEY\"]\n[reuse]\n").await;
        let unset = web.get("/fn/web/hello").await;
        assert_eq!(unset.problem(409), "conflict");
        assert!(
            unset.body.contains("leyden secret set web KEY"),
            "{}",
            unset.body
        );
        for value in ["hunter2-hunter2", "another-value"] {
            set(&web, value).await;
            for way in ["env", "config", "env"] {
                assert_eq!(web.get(&format!("/fn/web/{way}?KEY")).await.body, value);
            }
            web.get("/fn/web/say?KEY").await;
            let written = lines(&web, "web");
            assert_eq!(written.last().map(String::as_str), Some("KEY is [secret]"));
            let listed = web.get("/admin/components").await.body;
            assert!(!listed.contains(value), "{listed}");
        }
    });
}
