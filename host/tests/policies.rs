//! Policies: what is logged of their decisions, what happens when one fails, and how one takes over from another.

mod support;

use std::time::Duration;

use leyden::ids::{Digest, Instant};
use leyden::operators::Operator;
use leyden::operators::audit::{self, Change};
use leyden::policies::diff::Report;
use leyden::policies::promotion::{self, Wish};
use leyden::policies::{Kind, Shadowed, log};
use leyden::registry::rollout::{Guards, Plan, Share};
use support::policies::{
    access_that_traps, alone, always, counts, garbage, limit, loops, traps, traps_rarely,
};
use support::{TestHost, name, plugin};

const KIND: Kind = Kind::Assignment;

fn plan(stages: &[&str], step_ms: u64) -> Plan {
    let share = |text: &&str| Share::parse(text).expect("a share");
    Plan {
        stages: stages.iter().map(share).collect(),
        step_ms,
        decisions_min: 0,
        guards: Guards::default(),
    }
}

fn wish(plan: Plan) -> Wish {
    Wish {
        plan,
        diff_max: None,
        tried: 100,
    }
}

async fn promote(host: &TestHost, bytes: Vec<u8>, wish: Wish) -> Result<Report, promotion::Error> {
    let (store, registry) = (host.host.store.as_ref(), &host.host.registry);
    promotion::promote(store, registry, &Operator::local(), KIND, bytes, wish).await
}

/// What the audit says of the assignment policy, the latest first.
async fn changes(host: &TestHost) -> Vec<(Change, Option<String>)> {
    let store = host.host.store.as_ref();
    let page = audit::list(store, None, Some("assignment"), 50)
        .await
        .expect("an audit");
    page.entries
        .into_iter()
        .map(|entry| (entry.change, entry.reason))
        .collect()
}

/// Waits until a promotion is over.
async fn settled(host: &TestHost) {
    for _ in 0..400 {
        let generation = host.host.registry.generation();
        if generation
            .policy(KIND)
            .is_some_and(|policy| policy.rollout.is_none())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the promotion does not end");
}

fn active(host: &TestHost) -> String {
    let generation = host.host.registry.generation();
    generation
        .policy(KIND)
        .expect("a policy")
        .active
        .digest
        .to_string()
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_logged_with_the_invocation_that_it_was_made_for() {
    let host = TestHost::start().await;
    let answer = host.add_house("Ada").await;
    let page = log::page(host.host.store.as_ref(), KIND, None, 10)
        .await
        .expect("a page");
    let [part] = page.parts.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(Instant(part.at).to_string(), "2021-11-07T15:58:22.144Z");
    let [decision] = part.decisions.as_slice() else {
        panic!("{part:?}")
    };
    assert_eq!(decision.policy, active(&host));
    assert_eq!(decision.input["client-name"], "Ada");
    assert_eq!(decision.output, 1);
    let generation = answer
        .headers
        .iter()
        .find(|(name, _)| name == "leyden-generation");
    let (_, generation) = generation.expect("the answer names its generation");
    let number = host.host.registry.generation().number;
    assert!(
        generation.starts_with(&format!("{number};house=\"")),
        "{generation}"
    );
    let named = format!("assignment=\"{}\"", active(&host));
    assert!(generation.contains(&named), "{generation}");
    // What fails has decided nothing that counts.
    let known = host
        .post("house", "/house/house-editor/add-house", &[], "{}", None)
        .await;
    known.expect_err("no name");
    let page = log::page(host.host.store.as_ref(), KIND, None, 10)
        .await
        .expect("a page");
    assert_eq!(page.parts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_in_pages_and_kept_inside_its_bounds() {
    let host = TestHost::start().await;
    for n in 0..30 {
        host.add_house(&format!("Client {n}")).await;
    }
    let store = host.host.store.as_ref();
    let first = log::page(store, KIND, None, 10).await.expect("a page");
    let next = first.next.expect("there is more");
    let rest = log::page(store, KIND, Some(&next), 100)
        .await
        .expect("a page");
    assert_eq!((first.parts.len(), rest.parts.len()), (10, 20));
    let last = log::last(store, KIND, 25).await.expect("decisions");
    assert_eq!(last[0].input["client-name"], "Client 29");
    assert_eq!(last.len(), 25);
    let now = leyden::clock::system_now().0;
    let mut retention = log::Retention::default();
    let kept = log::Bounds::default();
    assert_eq!(retention.round(store, kept, now).await.expect("a round"), 0);
    let few = log::Bounds {
        bytes: 4_000,
        ..kept
    };
    let gone = retention.round(store, few, now).await.expect("a round");
    assert!(gone > 10 && gone < 30, "{gone}");
    let left = log::last(store, KIND, 100).await.expect("decisions");
    assert_eq!(left.len(), 30 - gone);
    assert_eq!(left[0].input["client-name"], "Client 29");
    let later = now + kept.age_ms + 1;
    retention.round(store, kept, later).await.expect("a round");
    assert!(
        log::last(store, KIND, 100)
            .await
            .expect("decisions")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_active_version_fails_the_one_before_decides() {
    for (bytes, told) in [
        (traps(), "trapped"),
        (garbage(), "broke its contract"),
        (loops(), "ran past 250 ms"),
    ] {
        let host = TestHost::start().await;
        let former = active(&host);
        let registry = &host.host.registry;
        host.deploy("assignment", bytes.clone()).await;
        host.add_house("Ada").await;
        let decisions = log::last(host.host.store.as_ref(), KIND, 1)
            .await
            .expect("decisions");
        assert_eq!(
            (&decisions[0].policy, &decisions[0].output),
            (&former, &1.into())
        );
        let failed = decisions[0]
            .failed
            .as_ref()
            .expect("the version that failed");
        assert_eq!(failed.policy, digest(&bytes));
        assert!(failed.reason.contains(told), "{}", failed.reason);
        let generation = registry.generation();
        let seen = generation
            .policy(KIND)
            .expect("a policy")
            .active
            .health
            .observed();
        assert_eq!((seen.decisions, seen.failures), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_ends_costs_its_callers_little() {
    let host = TestHost::start().await;
    host.deploy("assignment", loops()).await;
    for n in 0..20 {
        host.add_house(&format!("Client {n}")).await;
    }
    let generation = host.host.registry.generation();
    let policy = generation.policy(KIND).expect("a policy");
    let seen = policy.active.health.observed();
    assert_eq!(
        (seen.decisions, seen.failures),
        (0, 3),
        "then it is not asked"
    );
    let former = policy.former.as_ref().expect("a former version");
    assert_eq!(former.health.observed().decisions, 20);
    let last = log::last(host.host.store.as_ref(), KIND, 1)
        .await
        .expect("decisions");
    let failed = last[0]
        .failed
        .as_ref()
        .expect("the version that should have decided");
    assert!(
        failed.reason.contains("3 times in a row"),
        "{}",
        failed.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_policy_that_fails_lets_nobody_read() {
    let host = TestHost::start().await;
    host.host.policy.terms(3).await.expect("terms");
    let registry = &host.host.registry;
    host.deploy("access", access_that_traps()).await;
    host.host
        .policy
        .terms(3)
        .await
        .expect_err("nothing is granted");
    let generation = registry.generation();
    let policy = generation.policy(Kind::Access).expect("a policy");
    assert!(
        policy.former.is_some(),
        "there is one that would have granted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_takes_over_stage_by_stage() {
    let host = TestHost::start().await;
    host.add_house("Ada").await;
    let former = active(&host);
    let report = promote(&host, alone(), wish(plan(&["30%", "100%"], 300))).await;
    let report = report.expect("promoted");
    assert_eq!((report.decisions, report.failed), (1, 0));
    // Within the first stage each client is on one side.
    for n in 0..20 {
        host.add_house(&format!("Client {n}")).await;
    }
    let generation = host.host.registry.generation();
    let (_, rollout) = generation
        .policy(KIND)
        .and_then(|p| p.rollout.as_ref())
        .expect("it goes on");
    let decisions = log::last(host.host.store.as_ref(), KIND, 20)
        .await
        .expect("decisions");
    let mut taken = 0;
    for decision in &decisions {
        let client = decision.input["client-name"].as_str().expect("a name");
        let expected = match rollout.takes(client) {
            true => digest(&alone()),
            false => former.clone(),
        };
        taken += usize::from(rollout.takes(client));
        assert_eq!(decision.policy, expected, "{client}");
    }
    assert!((1..20).contains(&taken), "{taken}");
    settled(&host).await;
    assert_eq!(active(&host), digest(&alone()));
    let changes = changes(&host).await;
    let kinds: Vec<Change> = changes.iter().map(|(change, _)| *change).collect();
    assert_eq!(
        kinds,
        [
            Change::Complete,
            Change::Advance,
            Change::Promote,
            Change::Bundle
        ]
    );
    assert!(
        changes[2]
            .1
            .as_deref()
            .is_some_and(|r| r.contains("tried on 1 decisions"))
    );
    // Rolled back, the former one decides, and not the one that was rolled back from where it fails.
    let registry = &host.host.registry;
    registry
        .rollback(&Operator::local(), &name("assignment"), None)
        .await
        .expect("back");
    let generation = registry.generation();
    let policy = generation.policy(KIND).expect("a policy");
    assert_eq!(policy.active.digest.to_string(), former);
    assert!(policy.former.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_without_traffic_waits_for_decisions_and_may_be_taken_back() {
    let host = TestHost::start().await;
    let plan = Plan {
        decisions_min: 2,
        ..plan(&["50%", "100%"], 0)
    };
    promote(&host, alone(), wish(plan.clone()))
        .await
        .expect("promoted");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stage = || {
        let generation = host.host.registry.generation();
        let rollout = generation.policy(KIND).and_then(|p| p.rollout.clone());
        rollout.map(|(_, rollout)| rollout.stage)
    };
    assert_eq!(stage(), Some(0), "nobody has asked");
    for n in 0.. {
        if stage() != Some(0) {
            break;
        }
        assert!(n < 100, "enough was asked");
        host.add_house(&format!("Client {n}")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let registry = &host.host.registry;
    let by = Operator::local();
    let former = active(&host);
    assert_ne!(former, digest(&alone()), "the second stage waits, too");
    registry
        .take_back(&by, KIND, None, "enough")
        .await
        .expect("taken back");
    assert_eq!((stage(), active(&host)), (None, former));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_further_back_each_time_and_never_forward() {
    let host = TestHost::start().await;
    let (registry, by) = (&host.host.registry, Operator::local());
    let subject = name("assignment");
    let bundled = active(&host);
    host.deploy("assignment", always(7)).await;
    host.deploy("assignment", alone()).await;
    let back = |to: Option<Digest>| registry.rollback(&by, &subject, to);
    back(None).await.expect("one before");
    assert_eq!(active(&host), digest(&always(7)));
    let former = |host: &TestHost| {
        let generation = host.host.registry.generation();
        let policy = generation.policy(KIND).expect("a policy");
        let former = policy.former.as_ref();
        former.map(|former| former.digest.to_string())
    };
    assert_eq!(
        former(&host).as_ref(),
        Some(&bundled),
        "decides where it fails"
    );
    back(None).await.expect("one before that");
    assert_eq!((active(&host), former(&host)), (bundled.clone(), None));
    let refused = back(None).await.expect_err("none before the first");
    let refused = refused.to_string();
    let named = [digest(&alone()), digest(&always(7))];
    assert!(
        named.iter().all(|named| refused.contains(named)) && refused.contains("--to"),
        "{refused}"
    );
    // By its digest it goes anywhere, and from there back to where it came from.
    back(Some(Digest::of(&alone()))).await.expect("named");
    assert_eq!(active(&host), digest(&alone()));
    back(None).await.expect("one before");
    assert_eq!(active(&host), bundled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_fails_in_traffic_is_taken_back() {
    let host = TestHost::start().await;
    host.add_house("Ada").await;
    let former = active(&host);
    let promoted = promote(&host, traps_rarely(), wish(plan(&["100%"], 60_000))).await;
    promoted.expect("it does not fail on what was decided");
    for n in 0..10 {
        host.add_house(&format!("Client {n}")).await;
    }
    let decisions = log::last(host.host.store.as_ref(), KIND, 10)
        .await
        .expect("decisions");
    assert!(
        decisions
            .iter()
            .all(|d| d.policy == digest(&traps_rarely()))
    );
    // Its first failure: the request is answered by the version that is still active.
    host.add_house("Eve!").await;
    let decisions = log::last(host.host.store.as_ref(), KIND, 5)
        .await
        .expect("decisions");
    let of_eve = decisions.iter().find(|d| d.input["client-name"] == "Eve!");
    assert_eq!(of_eve.expect("a decision").policy, former);
    settled(&host).await;
    assert_eq!(active(&host), former);
    let changes = changes(&host).await;
    assert_eq!(changes[0].0, Change::TakeBack);
    let reason = changes[0].1.as_deref().expect("a reason");
    assert!(reason.contains("failed 1 times (0 allowed)"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_unfit_never_decides() {
    let host = TestHost::start().await;
    for n in 0..20 {
        host.add_house(&format!("Client {n}!")).await;
    }
    let number = host.host.registry.generation().number;
    for (bytes, told) in [
        (traps(), "fails on 20 of 20 inputs"),
        (traps_rarely(), "fails on 20 of 20 inputs"),
        (garbage(), "at least 1"),
        (counts(), "not a function of its input"),
        (plugin("schedule"), "decides schedule, not assignment"),
        (plugin("house"), "no policy"),
        (b"no component".to_vec(), "not a WebAssembly component"),
    ] {
        let refused = promote(&host, bytes, wish(plan(&["100%"], 0))).await;
        let refused = refused.expect_err(told).to_string();
        assert!(refused.contains(told), "{refused}");
    }
    let no_difference = Wish {
        diff_max: Some(Share::parse("0").expect("a share")),
        ..wish(plan(&["100%"], 0))
    };
    let refused = promote(&host, always(7), no_difference.clone()).await;
    let refused = refused.expect_err("it differs").to_string();
    assert!(
        refused.contains("recorded inputs otherwise (at most 0%)"),
        "{refused}"
    );
    let generation = host.host.registry.generation();
    assert_eq!(generation.number, number, "nothing has changed");
    // The same decisions from another build differ nowhere.
    let mut same = plugin("assignment");
    same.extend_from_slice(&[0, 3, 1, b'v', 1]);
    promote(&host, same.clone(), no_difference)
        .await
        .expect("it differs nowhere");
    settled(&host).await;
    assert_eq!(active(&host), digest(&same));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_promotion_at_a_time_and_an_operator_may_take_it_back() {
    let host = TestHost::start().await;
    let slow = wish(plan(&["50%", "100%"], 60_000));
    promote(&host, alone(), slow.clone())
        .await
        .expect("promoted");
    let second = promote(&host, always(7), slow)
        .await
        .expect_err("one at a time")
        .to_string();
    assert!(second.contains("is being promoted"), "{second}");
    let registry = &host.host.registry;
    let by = Operator::local();
    registry
        .take_back(&by, KIND, None, "I changed my mind")
        .await
        .expect("taken back");
    registry
        .take_back(&by, KIND, None, "again")
        .await
        .expect_err("there is none");
    assert!(
        registry
            .generation()
            .policy(KIND)
            .is_some_and(|p| p.rollout.is_none())
    );
    assert_eq!(
        changes(&host).await[0].1.as_deref(),
        Some("I changed my mind")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_goes_on_after_a_restart() {
    let data = tempfile::tempdir().expect("a folder");
    let config = support::config(data.path(), &support::built("plugins"));
    let start = || leyden::host::Host::start(&config);
    let first = start().await.expect("a host");
    let wish = wish(plan(&["50%", "100%"], 400));
    let (store, registry) = (first.store.clone(), first.registry.clone());
    let by = Operator::local();
    let begun = promotion::promote(store.as_ref(), &registry, &by, KIND, alone(), wish);
    begun.await.expect("promoted");
    drop((store, registry));
    first.stop().await;
    let second = start().await.expect("a host");
    let generation = second.registry.generation();
    let policy = generation.policy(KIND).expect("a policy");
    assert!(policy.rollout.is_some() && policy.active.digest.to_string() != digest(&alone()));
    let mut changed = second.registry.watch();
    let both = async {
        while second
            .registry
            .generation()
            .policy(KIND)
            .is_some_and(|p| p.rollout.is_some())
        {
            changed.changed().await.expect("a change");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("it ends");
    let generation = second.registry.generation();
    assert_eq!(
        generation
            .policy(KIND)
            .expect("a policy")
            .active
            .digest
            .to_string(),
        digest(&alone())
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_is_logged_is_the_operators_choice() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    let none = log::Sampling(0);
    registry
        .log_decisions(&Operator::local(), KIND, none)
        .await
        .expect("set");
    host.add_house("Ada").await;
    let store = host.host.store.as_ref();
    assert!(
        log::last(store, KIND, 10)
            .await
            .expect("decisions")
            .is_empty()
    );
    registry
        .log_decisions(&Operator::local(), KIND, log::Sampling(4))
        .await
        .expect("set");
    for n in 0..80 {
        host.add_house(&format!("Client {n}")).await;
    }
    let kept = log::last(store, KIND, 100).await.expect("decisions").len();
    assert!((5..40).contains(&kept), "{kept}");
}

/// Waits until so many invocations were run in the shadow.
async fn shadowed(host: &TestHost, kind: Kind, count: u64) -> Shadowed {
    for _ in 0..400 {
        let generation = host.host.registry.generation();
        let policy = generation.policy(kind).expect("a policy");
        let seen = policy.shadow.as_ref().expect("a shadow").health.in_shadow();
        if seen.compared + seen.failed + seen.left_out >= count {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is run in the shadow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_in_the_shadow_is_compared_and_has_no_effect() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    let by = Operator::local();
    registry
        .shadow(&by, KIND, Some(always(7)))
        .await
        .expect("a shadow");
    host.add_house("Ada").await;
    let seen = shadowed(&host, KIND, 1).await;
    assert_eq!(
        (seen.compared, seen.changed, seen.effects_changed),
        (1, 1, 1)
    );
    let example = &seen.examples[0];
    assert_eq!((&example.before, &example.after), (&1.into(), &7.into()));
    let communities = host
        .get(
            "client-database",
            "/client-database/client-registry/communities",
            &[],
        )
        .await;
    let communities = String::from_utf8(communities.expect("communities").body).expect("text");
    assert!(!communities.contains('7'), "{communities}");
    let decisions = log::last(host.host.store.as_ref(), KIND, 10)
        .await
        .expect("decisions");
    assert_eq!(
        decisions.len(),
        1,
        "what is decided in the shadow is not logged"
    );
    let generation = registry.generation();
    let policy = generation.policy(KIND).expect("a policy");
    assert_eq!(policy.active.health.observed().decisions, 1);
    // What fails there is told there, and nowhere else.
    registry
        .shadow(&by, KIND, Some(traps()))
        .await
        .expect("a shadow");
    host.add_house("Eve").await;
    let seen = shadowed(&host, KIND, 1).await;
    assert_eq!((seen.compared, seen.failed), (0, 1));
    assert!(
        seen.last_failure
            .is_some_and(|why| why.contains("assignment"))
    );
    registry.shadow(&by, KIND, None).await.expect("no shadow");
    assert!(registry.generation().shadowing(KIND).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shadow_leads_to_is_asked_of_later_policies() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    let shadow = Some(limit(5_000.0));
    registry
        .shadow(&Operator::local(), Kind::PeakLimit, shadow)
        .await
        .expect("a shadow");
    let house = String::from_utf8(host.add_house("Ada").await.body).expect("text");
    let house = house.trim_matches('"');
    let object = r#"{"object":{"name":"Car","maxConsumption":9000},"type":"SCHEDULED"}"#;
    let route = "/house/house-editor/house/{id}/add-object";
    host.post("house", route, &[("id", house)], object, None)
        .await
        .expect("added");
    let route = "/house/manage-schedul-object/{id}/scheduled-object/{name}/requestTimeSlot";
    let params = [("id", house), ("name", "Car")];
    host.post("house", route, &params, "", None)
        .await
        .expect("a slot");
    let seen = shadowed(&host, Kind::PeakLimit, 1).await;
    // The schedule is asked with another limit, and decides the same all the same: it does not look at it.
    assert_eq!(
        (seen.changed, seen.later_changed, seen.effects_changed),
        (1, 1, 0)
    );
    assert_eq!(seen.answers_changed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_reads_nothing_is_shadowed_too() {
    let host = TestHost::start().await;
    host.deploy("asker", support::guest("asker")).await;
    let registry = &host.host.registry;
    registry
        .shadow(&Operator::local(), Kind::PeakLimit, Some(limit(5_000.0)))
        .await
        .expect("a shadow");
    let body = r#"{"community":1,"at_ms":0,"houses":3}"#;
    let params = [("policy", "peak-limit")];
    host.post("asker", "/asker/{policy}", &params, body, None)
        .await
        .expect("limits");
    let seen = shadowed(&host, Kind::PeakLimit, 1).await;
    assert_eq!(
        (seen.compared, seen.changed, seen.answers_changed),
        (1, 1, 1)
    );
}
