//! Which instance serves a request.

use std::time::Duration;

use super::{PATIENCE, Web, name, run, with_web};

async fn uses(web: &Web) -> String {
    web.get("/fn/web/uses").await.body
}

#[test]
fn every_request_gets_a_fresh_instance() {
    run(async {
        let web = with_web("").await;
        assert_eq!(
            (uses(&web).await, uses(&web).await),
            ("1".into(), "1".into())
        );
    });
}

#[test]
fn an_instance_serves_as_often_as_its_manifest_says() {
    run(async {
        let web = with_web("[reuse]\ncount = 3\n").await;
        let mut all = Vec::new();
        for _ in 0..7 {
            all.push(uses(&web).await);
        }
        assert_eq!(all, ["1", "2", "3", "1", "2", "3", "1"]);
    });
}

#[test]
fn an_instance_serves_no_longer_than_its_manifest_says() {
    run(async {
        let web = with_web("[reuse]\nage-s = 1\n").await;
        assert_eq!(
            (uses(&web).await, uses(&web).await),
            ("1".into(), "2".into())
        );
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(uses(&web).await, "1");
    });
}

#[test]
fn an_instance_that_failed_or_lost_its_client_serves_no_more() {
    run(async {
        let web = with_web("[reuse]\n[limits]\ndeadline-ms = 300\n").await;
        for path in [
            "/trap-before",
            "/trap-after",
            "/loop",
            "/loop-after",
            "/sleep?5000",
            "/abort",
        ] {
            assert_eq!(
                (uses(&web).await, uses(&web).await),
                ("1".into(), "2".into()),
                "{path}"
            );
            let url = format!("http://{}/fn/web{path}", web.server.address());
            let answer = web.client.get(url).send().await.expect("an answer");
            drop(answer.bytes().await);
            let next = uses(&web).await;
            assert_eq!(next, "1", "{path}");
            // The next round begins with a fresh one, too.
            web.get("/fn/web/trap-before").await;
        }
    });
}

/// Some runtimes fail at the second request of an instance, whatever it is.
#[test]
fn a_function_whose_instances_never_answer_again_gets_fresh_ones() {
    run(async {
        for (path, kind) in [("/silent", "misbehaved"), ("/trap-before", "trapped")] {
            let web = with_web("[reuse]\n").await;
            for _ in 0..3 {
                assert_eq!(uses(&web).await, "1", "{path}");
                let failed = web.get(&format!("/fn/web{path}")).await;
                assert_eq!(failed.problem(502), kind);
                assert!(failed.body.contains("leave [reuse] out"), "{}", failed.body);
            }
            let failed = web.get(&format!("/fn/web{path}")).await;
            assert!(
                !failed.body.contains("[reuse]"),
                "it was the first of its instance"
            );
            assert_eq!(
                (uses(&web).await, uses(&web).await),
                ("1".into(), "1".into())
            );
            let log = web.get("/admin/components/web/logs").await;
            assert!(
                log.body.contains("gets a fresh one from now on"),
                "{}",
                log.body
            );
        }
    });
}

#[test]
fn a_function_that_has_answered_again_is_reused_whatever_fails_later() {
    run(async {
        let web = with_web("[reuse]\n").await;
        assert_eq!(
            (uses(&web).await, uses(&web).await),
            ("1".into(), "2".into())
        );
        for _ in 0..5 {
            let failed = web.get("/fn/web/trap-before").await;
            assert!(!failed.body.contains("[reuse]"), "{}", failed.body);
            assert_eq!(
                (uses(&web).await, uses(&web).await),
                ("1".into(), "2".into())
            );
        }
    });
}

/// Waits until the function's instance is back: that is when the last piece of its answer was read, which may be after the
/// client has it.
async fn idle(web: &Web) {
    let generation = web.host.registry.generation();
    let loaded = &generation.components[&name("web")].loaded;
    let back = async {
        while loaded.instances_idle() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, back).await;
    waited.expect("it gives its instance back");
}

#[test]
fn streamed_answers_give_their_instance_back() {
    run(async {
        let web = with_web("[reuse]\n").await;
        for (path, expected) in [
            ("/zeros?1000000", "2"),
            ("/status?204", "4"),
            ("/echo", "6"),
        ] {
            let answer = web.get(&format!("/fn/web{path}")).await;
            assert!(answer.status < 300);
            idle(&web).await;
            assert_eq!(uses(&web).await, expected, "{path}");
        }
    });
}

#[test]
fn requests_at_the_same_time_have_instances_of_their_own() {
    run(async {
        let web = with_web("[reuse]\n").await;
        let (one, other) = tokio::join!(web.get("/fn/web/sleep?200"), web.get("/fn/web/uses"));
        assert_eq!((&*one.body, &*other.body), ("awake", "1"));
    });
}
