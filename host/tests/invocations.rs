//! Invocations on a host without its gateway: what an invocation leaves behind when it succeeds,
//! fails, races, is repeated or is cut off.

mod support;

use std::sync::Arc;

use leyden::dispatch::Error;
use leyden::dispatch::types::{ProblemKind, Response};
use support::{TestHost, guest};

fn text(answer: Response) -> String {
    String::from_utf8(answer.body).expect("text")
}

async fn counter(host: &TestHost, key: &str) -> u64 {
    let answer = host
        .get("probe", "/probe/counter/{key}", &[("key", key)])
        .await
        .expect("a counter");
    text(answer).parse().unwrap_or(0)
}

async fn probe(host: &TestHost, action: &str, params: &str) -> Result<Response, Error> {
    host.post(
        "probe",
        "/probe/{action}",
        &[("action", action)],
        params,
        None,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trapping_refusing_or_retrying_component_wrote_is_gone() {
    let host = TestHost::with_guests(&["probe"]).await;
    for action in ["write-then-trap", "write-then-reject", "write-then-retry"] {
        let result = probe(&host, action, r#"{"key":"k","value":"v"}"#).await;
        let as_expected = match action {
            "write-then-trap" => matches!(&result, Err(Error::Trapped(culprit, reason))
                if culprit.component.as_str() == "probe" && !reason.is_empty()),
            "write-then-reject" => matches!(&result, Err(Error::Rejected(problem))
                if problem.kind == ProblemKind::Invalid && problem.errors[0].field == "value"),
            _ => matches!(&result, Err(Error::Retry(..))),
        };
        assert!(as_expected, "{action}: {result:?}");
        let value = probe(&host, "get", r#"{"key":"k"}"#).await.expect("a read");
        assert_eq!(text(value), "null", "{action}");
    }
    let streams = host.host.streams.list().await.expect("streams");
    assert!(
        streams
            .iter()
            .all(|s| s.stream != "probe.out" || s.newest.0 == 0),
        "published: {streams:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_component_is_stopped_at_its_deadline_and_others_go_on() {
    let host = Arc::new(TestHost::with_guests(&["probe", "echo"]).await);
    let endless: Vec<_> = (0..4)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { probe(&host, "loop", "{}").await })
        })
        .collect();
    for _ in 0..50 {
        host.get("echo", "/echo", &[])
            .await
            .expect("an answer beside endless loops");
    }
    for task in endless {
        let result = task.await.expect("no panic");
        assert!(
            matches!(result, Err(Error::Deadline(_, 1_000))),
            "{result:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn greedy_components_trap_and_the_next_call_is_served() {
    let host = TestHost::with_guests(&["probe"]).await;
    for action in ["allocate", "recurse", "panic", "trap"] {
        let result = probe(&host, action, "{}").await;
        assert!(
            matches!(result, Err(Error::Trapped(..))),
            "{action}: {result:?}"
        );
        probe(&host, "now", "{}")
            .await
            .expect("the next call is served");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_effects_of_one_invocation_are_bounded() {
    let host = TestHost::with_guests(&["probe"]).await;
    for action in ["calls", "effects"] {
        let result = probe(&host, action, r#"{"n":100000000}"#).await;
        assert!(
            matches!(result, Err(Error::Rejected(_) | Error::Deadline(..))),
            "{action}: {result:?}"
        );
    }
    let kept = probe(&host, "scan", r#"{"prefix":"flood/"}"#)
        .await
        .expect("a scan");
    assert_eq!(text(kept), "[]", "nothing of the flood is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_that_race_for_a_key_all_count() {
    let host = Arc::new(TestHost::with_guests(&["probe"]).await);
    let racers: Vec<_> = (0..100)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(
                async move { probe(&host, "increment", r#"{"key":"hot","busy-ms":1}"#).await },
            )
        })
        .collect();
    for racer in racers {
        racer.await.expect("no panic").expect("counted");
    }
    assert_eq!(counter(&host, "hot").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_under_an_idempotency_key_gets_the_first_answer() {
    let host = Arc::new(TestHost::with_guests(&["probe"]).await);
    let under = |key: &'static str, body: &'static str| {
        let host = host.clone();
        async move {
            host.post(
                "probe",
                "/probe/{action}",
                &[("action", "increment")],
                body,
                Some(key),
            )
            .await
        }
    };
    let first = text(under("a", r#"{"key":"once"}"#).await.expect("first"));
    let again = text(under("a", r#"{"key":"once"}"#).await.expect("again"));
    assert_eq!((first.as_str(), again.as_str()), ("1", "1"));
    let other = under("a", r#"{"key":"other"}"#).await;
    assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
    let twins: Vec<_> = (0..16)
        .map(|_| tokio::spawn(under("b", r#"{"key":"twins","busy-ms":5}"#)))
        .collect();
    for twin in twins {
        assert_eq!(text(twin.await.expect("no panic").expect("an answer")), "1");
    }
    assert_eq!(
        (counter(&host, "once").await, counter(&host, "twins").await),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer_that_an_idempotency_key_keeps() {
    let host = TestHost::start().await;
    let add = || {
        host.post(
            "house",
            "/house/house-editor/add-house",
            &[],
            r#"{"client_name":""}"#,
            Some("k"),
        )
    };
    let (first, again) = (add().await, add().await);
    let detail = |result: Result<Response, Error>| match result {
        Err(Error::Rejected(problem)) => problem.detail,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(detail(first), detail(again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_becomes_a_dead_letter_and_the_rest_counts_once() {
    let host = TestHost::with_guests(&["probe"]).await;
    for number in 0..20 {
        let payload = if number == 7 { "poison" } else { "{}" };
        let body = format!(r#"{{"key":"r{number}","payload":"{payload}","n":1}}"#);
        probe(&host, "publish", &body).await.expect("published");
    }
    host.host.streams.settle().await.expect("settled");
    for number in 0..20 {
        let expected = u64::from(number != 7);
        assert_eq!(
            counter(&host, &format!("r{number}")).await,
            expected,
            "record {number}"
        );
    }
    let streams = host.host.streams.list().await.expect("streams");
    let dead = streams
        .iter()
        .find(|s| s.stream == "leyden.dead-letters")
        .expect("dead letters");
    assert_eq!(dead.newest.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_callee_fails_its_caller_and_is_named() {
    let host = TestHost::with_guests(&[]).await;
    host.deploy_as("schedule", "bad-schedule").await;
    // The version before, which decides where this one fails, must fail, too.
    let mut again = guest("bad-schedule");
    again.extend_from_slice(&[0, 3, 1, b'v', 1]);
    host.deploy("schedule", again).await;
    let house = text(host.add_house("Ada").await);
    let object = r#"{"object":{"name":"Car","maxConsumption":1300},"type":"SCHEDULED"}"#;
    let id = [("id", house.as_str())];
    host.post(
        "house",
        "/house/house-editor/house/{id}/add-object",
        &id,
        object,
        None,
    )
    .await
    .expect("added");
    let route = "/house/manage-schedul-object/{id}/scheduled-object/{name}/requestTimeSlot";
    let params = [("id", house.as_str()), ("name", "Car")];
    let result = host.post("house", route, &params, "", None).await;
    let named = matches!(&result, Err(Error::Trapped(culprit, _)) if culprit.component.as_str() == "schedule");
    assert!(named, "{result:?}");
    let objects = host
        .get(
            "house",
            "/house/house-editor/house/{id}/get_all_object",
            &id,
        )
        .await;
    assert!(text(objects.expect("objects")).contains(r#""timeSlots":[]"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_for_one_read_pays_for_one_of_many_at_once() {
    let host = Arc::new(TestHost::start().await);
    let house = text(host.add_house("Ada").await);
    let object =
        r#"{"object":{"name":"Panel","maxProduction":1700,"enabled":true},"type":"BASIC"}"#;
    let id = [("id", house.as_str())];
    host.post(
        "house",
        "/house/house-editor/house/{id}/add-object",
        &id,
        object,
        None,
    )
    .await
    .expect("added");
    let now = host.host.streams.tick().await.expect("a tick");
    let partner = r#"{"partnerID":"acme","datapoint":100,"trustLevel":2}"#;
    host.post(
        "partner-api",
        "/partner-api/add-partner",
        &[],
        partner,
        None,
    )
    .await
    .expect("a partner");
    let body = format!(r#"{{"partnerID":"acme","date":"{now}"}}"#);
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let (host, body) = (host.clone(), body.clone());
            tokio::spawn(async move {
                host.post(
                    "partner-api",
                    "/partner-api/request-production",
                    &[],
                    &body,
                    None,
                )
                .await
            })
        })
        .collect();
    let mut paid = 0;
    for read in reads {
        match read.await.expect("no panic") {
            Ok(answer) => {
                assert!(text(answer).contains("1700"));
                paid += 1;
            }
            Err(Error::Rejected(problem)) => assert_eq!(problem.kind, ProblemKind::PaymentRequired),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(paid, 1);
    let books = host.host.store.check_ledger(None).await.expect("books");
    assert!(books.is_sound(), "{books:?}");
}
