//! Components that were built against released versions of the WIT packages, frozen in `corpus/`, on the host
//! of today: they are taken, they do what they did, and they and today's components call each other.
//!
//! The scenarios that whole installations of a release play are in `scenarios/corpus.rs`.

mod support;

use leyden::dispatch::Error;
use leyden::operators::Operator;
use leyden::registry::{self, Activation};
use serde_json::{Value, json};
use support::{TestHost, frozen, guest, name, plugin};

/// The kinds of policies.
const POLICIES: [&str; 5] = ["access", "assignment", "peak-limit", "schedule", "shed"];

/// Releases in the corpus, the oldest first.
const RELEASES: [&str; 2] = ["0.1.0", "0.2.0"];

async fn deploy(host: &TestHost, component: &str, bytes: Vec<u8>) -> Activation {
    let registry = &host.host.registry;
    let deployed = registry
        .deploy(&Operator::host(), &name(component), bytes)
        .await;
    deployed.unwrap_or_else(|error| panic!("{component}: {error}"))
}

async fn refused(host: &TestHost, component: &str, bytes: Vec<u8>) -> registry::Error {
    let registry = &host.host.registry;
    let deployed = registry
        .deploy(&Operator::host(), &name(component), bytes)
        .await;
    deployed.expect_err("it is refused")
}

/// What the asker is told when it asks a policy.
async fn ask(host: &TestHost, policy: &str, input: &Value) -> Result<Value, Error> {
    let params = [("policy", policy)];
    let body = input.to_string();
    let answer = host
        .post("asker", "/asker/{policy}", &params, &body, None)
        .await?;
    Ok(serde_json::from_slice(&answer.body).expect("JSON"))
}

async fn decided(host: &TestHost, policy: &str, input: &Value) -> Value {
    let answer = ask(host, policy, input).await;
    answer.unwrap_or_else(|error| panic!("{policy} of {input}: {error}"))
}

fn schedule(reason: &str, planned: &[(u64, u64, f64)]) -> Value {
    let load = |&(starts_at_ms, ends_at_ms, power_w): &(u64, u64, f64)| {
        json!({"house": "h", "object": "Car", "power_w": power_w,
               "starts_at_ms": starts_at_ms, "ends_at_ms": ends_at_ms})
    };
    let planned: Vec<_> = planned.iter().map(load).collect();
    json!({"now_ms": 50, "community": 7, "not_before_ms": 60, "duration_ms": 100, "power_w": 1300.0,
           "reason": reason, "limit_w": 10000.0, "base_load_w": 1500.0, "planned": planned})
}

/// Loads by power and when they were last shed.
fn shed(loads: &[(f64, Option<u64>)]) -> Value {
    let load = |&(power_w, last_shed_at_ms): &(f64, Option<u64>)| {
        json!({"house": "h", "object": "Car", "power_w": power_w, "ends_at_ms": 90,
               "last_shed_at_ms": last_shed_at_ms})
    };
    let loads: Vec<_> = loads.iter().map(load).collect();
    json!({"now_ms": 50, "community": 7, "consumption_w": 13100.0, "limit_w": 10000.0, "loads": loads})
}

/// What policies are asked, and what those that come with a host have always decided.
fn questions() -> Vec<(&'static str, Value, Value)> {
    let assignment =
        json!({"client_name": "Ada", "classes": [[2, 1, 3], [3, 4, 1]], "first_free_id": 9});
    let access = |dataset, level| json!({"dataset": dataset, "trust_level": level, "at_ms": 50});
    let peak = json!({"community": 7, "at_ms": 50, "houses": 3});
    let plan = [(0, 500, 9000.0), (70, 90, 1.0)];
    vec![
        ("assignment", assignment, json!(3)),
        (
            "access",
            access("production", 2),
            json!([{"granted": 70}, 0]),
        ),
        (
            "access",
            access("detailed-consumption", 2),
            json!([{"not-trusted": 3}, 0]),
        ),
        ("peak-limit", peak, json!([10000.0, 9500.0])),
        (
            "schedule",
            schedule("requested", &plan),
            json!([60, 160, 1300.0]),
        ),
        (
            "schedule",
            schedule("shed", &plan),
            json!([500, 600, 1300.0]),
        ),
        ("schedule", schedule("shed", &[]), json!([60, 160, 1300.0])),
        (
            "shed",
            shed(&[(1.0, None), (9.0, Some(40)), (0.0, None)]),
            json!([1, 0]),
        ),
        ("shed", shed(&[]), json!([])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_policies_of_every_release_decide_alike_with_each_other() {
    let host = TestHost::start().await;
    let mut callers: Vec<_> = RELEASES
        .map(|release| frozen(release, "guests/asker"))
        .into();
    callers.push(guest("asker"));
    for policies in RELEASES.iter().map(Some).chain([None]) {
        for policy in POLICIES {
            let bytes = policies.map_or_else(|| plugin(policy), |release| frozen(release, policy));
            deploy(&host, policy, bytes).await;
        }
        for (number, caller) in callers.iter().enumerate() {
            deploy(&host, "asker", caller.clone()).await;
            for (policy, input, expected) in questions() {
                let answer = decided(&host, policy, &input).await;
                assert_eq!(
                    answer, expected,
                    "{policies:?}, caller {number}: {policy} of {input}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_every_release_weighs_a_plan_alike() {
    let host = TestHost::start().await;
    let input = schedule("requested", &[(0, 200, 8000.0), (300, 390, 8000.0)]);
    for caller in RELEASES {
        deploy(&host, "asker", frozen(caller, "guests/asker")).await;
        for policy in RELEASES {
            let aware = frozen(policy, "alternatives/schedule-load-aware");
            deploy(&host, "schedule", aware).await;
            let answer = decided(&host, "schedule", &input).await;
            assert_eq!(answer, json!([200, 300, 1300.0]), "{caller} asks {policy}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_told_what_its_caller_knows_and_what_is_declared_for_the_rest() {
    let host = TestHost::start().await;
    deploy(&host, "schedule", guest("alternatives/telling-schedule")).await;
    deploy(&host, "shed", guest("alternatives/telling-shed")).await;
    let plan = schedule("requested", &[]);
    let loads = shed(&[(1.0, Some(40)), (9.0, None)]);
    deploy(&host, "asker", frozen("0.1.0", "guests/asker")).await;
    let unknown = decided(&host, "schedule", &plan).await;
    assert_eq!(
        unknown,
        json!([60, 160, 1300.0]),
        "0: the community is not known"
    );
    assert_eq!(
        decided(&host, "shed", &loads).await,
        json!([0, 1]),
        "none is known"
    );
    deploy(&host, "asker", guest("asker")).await;
    let known = decided(&host, "schedule", &plan).await;
    assert_eq!(known, json!([67, 167, 1300.0]), "community 7");
    assert_eq!(decided(&host, "shed", &loads).await, json!([1]));
}

/// A component with a text replaced by one of the same length.
fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "offsets stay as they are");
    let starts = 0..=bytes.len() - from.len();
    let found: Vec<_> = starts
        .filter(|start| bytes[*start..].starts_with(from.as_bytes()))
        .collect();
    assert!(!found.is_empty(), "{from} is there");
    for start in found {
        bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_the_caller_does_not_know_is_an_error_that_names_it() {
    let host = TestHost::start().await;
    let asker = frozen("0.1.0", "guests/asker");
    deploy(
        &host,
        "asker",
        replaced(asker, "not-trusted", "not-allowed"),
    )
    .await;
    let input = json!({"dataset": "production", "trust_level": 0, "at_ms": 1});
    let error = ask(&host, "access", &input).await.expect_err("unknown");
    let told = error.to_string();
    assert!(
        told.contains("`not-trusted` is none of granted, not-allowed") && told.contains("access@"),
        "{told}"
    );
    let granted = json!({"dataset": "production", "trust_level": 2, "at_ms": 1});
    assert_eq!(
        decided(&host, "access", &granted).await,
        json!([{"granted": 70}, 0])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_version_is_refused_with_those_that_are_known() {
    let host = TestHost::start().await;
    let number = host.host.registry.generation().number;
    let from = "leyden:policy/shed@0.1.0";
    let to = "leyden:policy/shed@0.9.0";
    for (component, bytes, what) in [
        ("shed", frozen("0.1.0", "shed"), "exports"),
        ("asker", frozen("0.1.0", "guests/asker"), "imports"),
    ] {
        let error = refused(&host, component, replaced(bytes, from, to)).await;
        let told = error.to_string();
        let known = "of leyden:policy 0.1.0 and 0.2.0 is known";
        assert!(
            matches!(error, registry::Error::Invalid(_))
                && told.contains(&format!("it {what} {to}"))
                && told.contains(known),
            "{told}"
        );
    }
    assert_eq!(host.host.registry.generation().number, number);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_has_one_exporter_whatever_its_version() {
    let host = TestHost::start().await;
    for release in RELEASES {
        let error = refused(&host, "shed-two", frozen(release, "shed")).await;
        assert!(
            matches!(&error, registry::Error::Conflict(why) if why.contains("as shed")),
            "{error}"
        );
        deploy(&host, "shed", frozen(release, "shed")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_the_first_release_keeps_state_and_handles_streams() {
    let host = TestHost::start().await;
    deploy(&host, "probe", frozen("0.1.0", "guests/probe")).await;
    let probe = async |action: &str, body: &str| {
        let params = [("action", action)];
        let answer = host
            .post("probe", "/probe/{action}", &params, body, None)
            .await;
        let body = answer.expect(action).body;
        serde_json::from_slice::<Value>(&body).expect("JSON")
    };
    assert_eq!(probe("increment", r#"{"key":"k"}"#).await, 1);
    assert_eq!(probe("increment", r#"{"key":"k"}"#).await, 2);
    for _ in 0..3 {
        let body = r#"{"key":"r","payload":"{}","n":1}"#;
        let params = [("action", "publish")];
        let published = host
            .post("probe", "/probe/{action}", &params, body, None)
            .await;
        published.expect("published");
    }
    host.host.streams.settle().await.expect("settled");
    assert_eq!(probe("increment", r#"{"key":"r"}"#).await, 4);
    for action in ["now", "random"] {
        assert!(!probe(action, "{}").await.is_null(), "{action}");
    }
}

/// All components of the corpus, in which the names of their interfaces are.
fn bytes_of_the_corpus() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut folders = vec![support::corpus()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the corpus") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "wasm") {
                bytes.extend(std::fs::read(path).expect("readable"));
            }
        }
    }
    bytes
}

/// Interfaces that no component of ours has ever imported; that the host serves them as they were released
/// is what the compiler checks of its bindings, and `cargo xtask wit-check` of the WIT.
const UNUSED: [&str; 1] = ["leyden:ledger/ledger@0.1.0"];

#[test]
fn the_corpus_has_a_component_for_every_released_interface() {
    let corpus = bytes_of_the_corpus();
    let has = |name: &str| {
        corpus
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    for interface in support::released_interfaces() {
        let used = has(&interface);
        let unused = UNUSED.contains(&interface.as_str());
        assert!(used != unused, "{interface}: used {used}");
    }
}
