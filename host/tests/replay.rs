//! Records of what a real host runs, and their replay: identical where nothing is changed, and different where anything
//! is.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

#[path = "replay/broken.rs"]
mod broken;
#[path = "replay/day.rs"]
mod day;
#[path = "support/records.rs"]
mod records;
mod support;

use std::collections::HashSet;

use day::{a_day, probe};
use leyden::ids::Digest;
use leyden::operators::Operator;
use leyden::policies::Kind;
use leyden::registry::manifest;
use leyden::registry::rollout::{Guards, Plan, Share};
use leyden::replay::format::{Blob, Input, Invocation, Line, Output, Read};
use leyden::replay::{RecordError, RecordOptions, differences};
use records::{
    admit, assert_identical, invocations, lines, options, player, recorded, redacted, replayed,
    told, with_one_bit_changed,
};
use support::policies::{alone, traps};
use support::{TestHost, guest, name, plugin};

#[tokio::test(flavor = "multi_thread")]
async fn requests_streams_and_uploads_replay_bit_for_bit() {
    let host = TestHost::start().await;
    let record = recorded(&host, options(), async {
        a_day(&host).await;
    })
    .await;
    let all = assert_identical(&record).await;
    let kinds: HashSet<&str> = all.iter().map(kind).collect();
    assert_eq!(kinds, HashSet::from(["http", "rows", "events"]));
    assert!(
        all.iter()
            .all(|one| one.outcome.fuel.is_some_and(|fuel| fuel > 0))
    );
    let metered = all.iter().find(|one| !one.outcome.metered.is_empty());
    let metered = metered.expect("a metered read");
    assert_eq!(
        metered.outcome.datapoints.len(),
        2,
        "who paid, and who got it"
    );
    let nested = all.iter().filter(|one| one.components.len() > 1).count();
    assert!(nested > 5, "{nested} call others");
}

fn kind(invocation: &Invocation) -> &'static str {
    match invocation.input {
        Input::Http { .. } => "http",
        Input::Rows { .. } => "rows",
        Input::Events { .. } => "events",
        Input::Run(_) => "run",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_randomness_and_conflicts_replay_too() {
    let host = TestHost::with_guests(&["probe"]).await;
    let record = recorded(&host, options(), async {
        for action in [
            "trap",
            "panic",
            "loop",
            "allocate",
            "reject",
            "retry",
            "now",
            "random",
            "write-then-trap",
            "write-then-reject",
        ] {
            probe(&host, action, r#"{"key":"k","value":"v"}"#).await;
        }
        probe(&host, "status", r#"{"status":99}"#).await;
        probe(&host, "effects", r#"{"n":100000000}"#).await;
        let racer = || probe(&host, "increment", r#"{"key":"hot","busy-ms":1}"#);
        futures_util::future::join_all((0..20).map(|_| racer())).await;
        let body = r#"{"key":"k","n":2,"payload":"poison"}"#;
        let again = || {
            host.post(
                "probe",
                "/probe/{action}",
                &[("action", "increment")],
                body,
                Some("key-1"),
            )
        };
        again().await.expect("counted");
        again().await.expect("the first answer");
    })
    .await;
    let all = assert_identical(&record).await;
    let outputs: Vec<&Output> = all.iter().map(|one| &one.outcome.output).collect();
    let count = |is: fn(&&&Output) -> bool| outputs.iter().filter(is).count();
    assert!(count(|one| matches!(one, Output::Trapped { .. })) >= 4);
    assert_eq!(count(|one| matches!(one, Output::Deadline { .. })), 1);
    assert!(count(|one| matches!(one, Output::Rejected(_))) >= 2);
    assert_eq!(count(|one| matches!(one, Output::Misbehaved { .. })), 1);
    let increments = all.iter().filter(
        |one| matches!(&one.input, Input::Http { head, .. } if head.params[0].1 == "increment"),
    );
    assert_eq!(
        increments.count(),
        21,
        "each once, and the first answer runs nothing"
    );
    for one in &all {
        let is_slow = matches!(one.outcome.output, Output::Deadline { .. });
        assert_eq!(
            one.outcome.fuel.is_none(),
            is_slow,
            "{:?}",
            one.outcome.output
        );
        if one.outcome.output.is_failure() {
            assert_eq!(one.outcome.effects, Default::default());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_exported_and_replayed_with_another_version() {
    let host = TestHost::with_guests(&["probe"]).await;
    probe(&host, "publish", r#"{"key":"k","n":1,"payload":"retry"}"#).await;
    host.host.streams.settle().await.expect("settled");
    let letters = host.host.streams.dead_letters(0).await.expect("letters");
    assert_eq!(letters.len(), 1);
    let only = RecordOptions {
        component: Some(name("probe").into()),
        is_failing: true,
        ..options()
    };
    let record = recorded(&host, only, async {
        let retried = host.host.streams.retry_dead(letters[0].id.0).await;
        assert!(retried.is_err());
        probe(&host, "now", "{}").await;
    })
    .await;
    let all = assert_identical(&record).await;
    assert_eq!(all.len(), 4, "each run of what asks to be run again");
    assert!(all.iter().all(|one| one.id == all[0].id));
    let fixed = replayed(&record, &[("probe", &guest("tally"))]).await;
    let first = fixed[0].1.first().expect("a difference");
    assert_eq!(first.field, "output");
    assert!(first.recorded["retry"].is_object(), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_component_and_a_changed_record_differ() {
    let host = TestHost::start().await;
    let record = recorded(&host, options(), async {
        a_day(&host).await;
    })
    .await;
    let consumption = plugin("consumption");
    // A prefix of keys: the series' rows.
    let changed = with_one_bit_changed(&consumption, b"community.balance", 10);
    let found = replayed(&record, &[("consumption", &changed)]).await;
    let differing = found.iter().filter(|(_, found)| !found.is_empty()).count();
    assert!(differing > 0, "one bit of a component is found");
    assert!(differing < found.len(), "others do not call it");
    for tamper in [tampered_read, tampered_answer, tampered_fuel, tampered_time] {
        let mut player = player();
        let mut has_differed = false;
        for line in lines(&record) {
            match line {
                Line::Component(component) => admit(&mut player, &component, &[]),
                Line::Invocation(mut invocation) => {
                    if !tamper(&mut invocation) {
                        continue;
                    }
                    let played = player.play(&invocation).await.expect("a replay");
                    has_differed |= !differences(&invocation.outcome, &played.outcome).is_empty();
                }
                _ => {}
            }
        }
        assert!(has_differed);
    }
}

fn tampered_read(invocation: &mut Invocation) -> bool {
    let read = invocation.reads.iter_mut().find_map(|read| match read {
        Read::Key { value, .. } => value.as_mut(),
        _ => None,
    });
    read.is_some_and(|Blob(value)| value.pop().is_some())
}

fn tampered_answer(invocation: &mut Invocation) -> bool {
    match &mut invocation.outcome.output {
        Output::Http { body, .. } => {
            body.0.push(b' ');
            true
        }
        _ => false,
    }
}

fn tampered_fuel(invocation: &mut Invocation) -> bool {
    invocation.outcome.fuel = invocation.outcome.fuel.map(|fuel| fuel + 1);
    true
}

fn tampered_time(invocation: &mut Invocation) -> bool {
    invocation.at_ms += 86_400_000;
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_record_tells_nobody_and_replays() {
    let host = TestHost::start().await;
    let mut houses = Vec::new();
    let record = recorded(&host, options(), async {
        houses = a_day(&host).await;
    })
    .await;
    let redacted = redacted(&record, |_| false).await;
    assert_identical(redacted.as_bytes()).await;
    let told = told(&redacted);
    let words = [
        "Sébastien",
        "Marie",
        "Ingeborg",
        "Östlund",
        "sgsc",
        "10017554",
        "Mixeur",
    ];
    for secret in words.into_iter().chain(houses.iter().map(String::as_str)) {
        assert!(!told.contains(secret), "{secret}");
    }
    let before = String::from_utf8_lossy(&record).into_owned();
    for id in invocations(&record).iter().map(|one| one.id.as_str()) {
        assert!(before.contains(id) && !told.contains(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_bounded_and_one_at_a_time() {
    let host = TestHost::with_guests(&["probe"]).await;
    let recorder = host.host.dispatch.recorder().clone();
    let sources = &host.host.sources;
    let few = RecordOptions {
        component: Some(name("probe").into()),
        limit: 3,
        ..options()
    };
    let record = recorded(&host, few.clone(), async {
        assert!(recorder.status().recording);
        let second = recorder.start(few.clone(), sources).await;
        assert!(matches!(second, Err(RecordError::Running)));
        for _ in 0..5 {
            probe(&host, "now", "{}").await;
            host.add_house("Ada").await;
        }
        while recorder.status().recording {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(invocations(&record).len(), 3);
    let Some(Line::End(end)) = lines(&record).pop() else {
        panic!("an end");
    };
    assert_eq!((end.invocations, end.because.as_str()), (3, "limit"));
    // Who does not read any more ends it.
    let pieces = recorder.start(few, sources).await;
    drop(pieces.expect("again"));
    while recorder.status().recording {
        tokio::task::yield_now().await;
    }
    // Who stops it before it has begun ends it, too.
    let begun = recorder.start(options(), sources);
    let (pieces, _) = tokio::join!(begun, async { recorder.stop() });
    let mut pieces = pieces.expect("once more");
    let mut record = Vec::new();
    while let Some(piece) = pieces.recv().await {
        record.extend_from_slice(&piece);
    }
    let Some(Line::End(end)) = lines(&record).pop() else {
        panic!("an end");
    };
    assert_eq!((end.invocations, end.because.as_str()), (0, "stop"));
    let nobody = RecordOptions {
        component: Some(name("nobody").into()),
        ..options()
    };
    let unknown = recorder.start(nobody, sources).await;
    assert!(matches!(unknown, Err(RecordError::UnknownComponent(_))));
}

/// A manifest inside another version holds instead of the record's.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_runs_under_its_own_manifest() {
    let host = TestHost::with_guests(&["probe"]).await;
    let record = recorded(&host, options(), async {
        probe(
            &host,
            "publish",
            r#"{"key":"k","n":1,"stream":"probe.out"}"#,
        )
        .await;
    })
    .await;
    let manifest = "name = \"probe\"\n[streams]\npublish = [\"probe.in\"]\n";
    let bytes = guest("probe");
    let narrower = manifest::attach(&bytes, manifest).expect("a component");
    let found = replayed(&record, &[("probe", &narrower)]).await;
    assert!(!found[0].1.is_empty(), "it may not publish there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_candidate_or_a_former_version_decided_is_replayed_by_it() {
    for (candidate, is_promoted) in [(alone(), true), (traps(), false)] {
        let host = TestHost::start().await;
        let registry = &host.host.registry;
        let mut decides = registry.generation().components[&name("assignment")].digest;
        if is_promoted {
            let plan = Plan {
                stages: vec![Share::ALL],
                step_ms: 600_000,
                decisions_min: 0,
                guards: Guards::default(),
            };
            decides = Digest::of(&candidate);
            let by = Operator::local();
            let promoted = registry.promote(&by, Kind::Assignment, candidate, plan, "untried");
            promoted.await.expect("promoted");
        } else {
            host.deploy("assignment", candidate).await;
        }
        let record = recorded(&host, options(), async {
            host.add_house("Ada").await;
        });
        let record = record.await;
        let all = assert_identical(&record).await;
        let decided = all.iter().flat_map(|one| &one.outcome.decisions);
        let decided: Vec<_> = decided.map(|one| one.policy.clone()).collect();
        assert_eq!(decided, [decides.to_string()]);
    }
}
