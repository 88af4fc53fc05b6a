//! Records of what a real host runs, and their replay: identical where nothing is changed, and different where anything
//! is.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use leyden::dispatch::types::{RequestHead, RowBatch, RowFormat};
use leyden::ids::Digest;
use leyden::operators::Operator;
use leyden::policies::Kind;
use leyden::registry::manifest;
use leyden::registry::rollout::{Guards, Plan, Share};
use leyden::replay::file::Reader;
use leyden::replay::format::{Blob, Component, Input, Invocation, Line, Output, Read};
use leyden::replay::{Difference, Player, RecordError, RecordOptions, Redactor, differences};
use serde_json::{Value, json};
use support::policies::{alone, traps};
use support::{TestHost, guest, name, plugin};

fn options() -> RecordOptions {
    RecordOptions {
        component: None,
        is_failing: false,
        limit: 10_000,
        bytes_max: 1 << 30,
        time: Duration::from_secs(600),
    }
}

/// What is recorded while something is done.
async fn recorded(
    host: &TestHost,
    options: RecordOptions,
    done: impl Future<Output = ()>,
) -> Vec<u8> {
    let recorder = host.host.dispatch.recorder().clone();
    let (registry, compiled) = (&host.host.registry, host.host.compiled.clone());
    let started = recorder.start(options, registry, compiled).await;
    let mut pieces = started.expect("a recording");
    let reading = tokio::spawn(async move {
        let mut record = Vec::new();
        while let Some(piece) = pieces.recv().await {
            record.extend_from_slice(&piece);
        }
        record
    });
    done.await;
    let _ = recorder.stop();
    reading.await.expect("the record")
}

/// All lines of a record that keeps the rules.
fn lines(record: &[u8]) -> Vec<Line> {
    let mut reader = Reader::open(record).expect("a record");
    let mut lines = vec![Line::LeydenRecord(reader.header().clone())];
    while let Some(line) = reader.next_line().expect("a line") {
        lines.push(line);
    }
    assert!(reader.has_ended(), "the record is whole");
    lines
}

fn invocations(record: &[u8]) -> Vec<Invocation> {
    let lines = lines(record).into_iter();
    let invocations = lines.filter_map(|line| match line {
        Line::Invocation(invocation) => Some(*invocation),
        _ => None,
    });
    invocations.collect()
}

fn player() -> Player {
    let cache = std::path::absolute(support::built("compiled")).ok();
    Player::start(cache, Default::default()).expect("an engine")
}

/// How each invocation differs when it is replayed, with other versions of some components.
async fn replayed(record: &[u8], with: &[(&str, &[u8])]) -> Vec<(Invocation, Vec<Difference>)> {
    let mut player = player();
    let mut replayed = Vec::new();
    for line in lines(record) {
        match line {
            Line::Component(component) => admit(&mut player, &component, with),
            Line::Invocation(invocation) => {
                let played = player.play(&invocation).await.expect("a replay");
                let found = differences(&invocation.outcome, &played.outcome);
                replayed.push((*invocation, found));
            }
            _ => {}
        }
    }
    replayed
}

fn admit(player: &mut Player, component: &Component, with: &[(&str, &[u8])]) {
    let instead = with
        .iter()
        .find(|(name, _)| *name == component.name.as_str());
    let admitted = match instead {
        Some((_, bytes)) => player.admit_instead(component, bytes),
        None => player.admit(component),
    };
    admitted.expect("a component that loads");
}

async fn assert_identical(record: &[u8]) -> Vec<Invocation> {
    let all = replayed(record, &[]).await;
    for (invocation, found) in &all {
        assert_eq!(invocation.differs, None, "as the recorder saw it");
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{:?}: {told:#?}", invocation.input);
    }
    all.into_iter().map(|(invocation, _)| invocation).collect()
}

async fn probe(host: &TestHost, action: &str, params: &str) {
    let answer = host
        .post(
            "probe",
            "/probe/{action}",
            &[("action", action)],
            params,
            None,
        )
        .await;
    drop(answer);
}

fn text(answer: leyden::dispatch::types::Response) -> String {
    let text = String::from_utf8(answer.body).expect("text");
    text.trim_matches('"').to_owned()
}

/// A community with things in it, some minutes, readings, and a partner who asks.
async fn a_day(host: &TestHost) -> Vec<String> {
    let mut houses = Vec::new();
    for client in ["Jean-Sébastien", "Marie", "Ingeborg Östlund"] {
        let body = match client {
            "Marie" => json!({"client_name": client, "household": "sgsc-10017554"}),
            _ => json!({"client_name": client}),
        };
        let route = "/house/house-editor/add-house";
        let body = body.to_string();
        let added = host.post("house", route, &[], &body, None).await;
        let house = text(added.expect("a house"));
        let object = r#"{"type": "BASIC", "object": {"name": "Mixeur", "maxConsumption": 500}}"#;
        let route = "/house/house-editor/house/{id}/add-object";
        let params = [("id", house.as_str())];
        let added = host.post("house", route, &params, object, None);
        added.await.expect("an object");
        houses.push(house);
    }
    for _ in 0..3 {
        host.host.streams.tick().await.expect("a tick");
    }
    readings(host).await;
    host.host.streams.settle().await.expect("settled");
    let ask = |component: &'static str, route: &'static str, body: Value| async move {
        let body = body.to_string();
        host.post(component, route, &[], &body, None).await
    };
    let all = ask(
        "client-database",
        "/client-database/client-registry/allHouses",
        json!({}),
    );
    all.await.expect("houses");
    let date = json!({"date": "2021-11-07T16:00:22.144Z"});
    let total = ask("consumption", "/consumption-api/total-consumption", date);
    total.await.expect("a sum");
    let partner = json!({"partnerID": "acme", "trustLevel": 3, "datapoint": 20});
    let added = ask("partner-api", "/partner-api/add-partner", partner).await;
    added.expect("a partner");
    let credit = json!({"partnerID": "acme", "datapoint": 500});
    let credited = ask("partner-api", "/partner-api/add-datapoint", credit).await;
    credited.expect("datapoints");
    let detailed = json!({"partnerID": "acme", "date": "2021-11-07T16:00:22.144Z"});
    let read = ask(
        "partner-api",
        "/partner-api/request-detailed-consumption",
        detailed,
    )
    .await;
    read.expect("readings");
    houses
}

/// Readings of a real meter, as an upload.
async fn readings(host: &TestHost) {
    let row = |minute: u64| {
        format!(
            "sgsc-10017554,2021-11-07T15:{minute}0:00Z,2021-11-07T15:{}0:00Z,consumption,{}",
            minute + 1,
            100 + minute
        )
    };
    let batch = RowBatch {
        format: RowFormat::Csv,
        header: Some(b"household,startsAt,endsAt,kind,energyWh".to_vec()),
        first_row: 1,
        rows: (0..3).map(|minute| row(minute).into_bytes()).collect(),
    };
    let head = RequestHead {
        method: "POST".into(),
        route: "/meters/readings".into(),
        path: "/meters/readings".into(),
        ..RequestHead::default()
    };
    let generation = host.host.registry.generation();
    let dispatch = &host.host.dispatch;
    let taken = dispatch
        .rows(&generation, &name("meters"), head, batch, None)
        .await;
    taken.expect("readings");
}

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
        component: Some(name("probe")),
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

/// A byte of the plugin's code: the constant that it multiplies, adds or compares with.
fn with_one_bit_changed(bytes: &[u8], find: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let place = bytes.windows(find.len()).position(|window| window == find);
    changed[place.expect("the constant is there") + at] ^= 1;
    changed
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
    let mut redactor = Redactor::new(&[], &[]);
    invocations(&record)
        .iter()
        .for_each(|one| redactor.look(one));
    let replacer = redactor.replacer();
    let mut player = player();
    let mut redacted = Vec::new();
    for line in lines(&record) {
        match line {
            Line::Component(component) => {
                admit(&mut player, &component, &[]);
                redacted.push(Line::Component(component));
            }
            Line::Invocation(invocation) => {
                let new = replacer
                    .redact(*invocation, &mut player)
                    .await
                    .expect("redacted");
                assert_eq!(new.differs, None, "{:?}", new.input);
                redacted.push(Line::Invocation(Box::new(new)));
            }
            other => redacted.push(other),
        }
    }
    let line = |line: &Line| serde_json::to_string(line).expect("JSON") + "\n";
    let redacted: String = redacted.iter().map(line).collect();
    assert_identical(redacted.as_bytes()).await;
    let told: String = redacted
        .lines()
        .filter(|line| !line.starts_with("{\"component\""))
        .collect();
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
    let (registry, compiled) = (&host.host.registry, host.host.compiled.clone());
    let few = RecordOptions {
        component: Some(name("probe")),
        limit: 3,
        ..options()
    };
    let record = recorded(&host, few.clone(), async {
        assert!(recorder.status().recording);
        let second = recorder
            .start(few.clone(), registry, compiled.clone())
            .await;
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
    let pieces = recorder
        .start(few, registry, compiled)
        .await
        .expect("again");
    drop(pieces);
    while recorder.status().recording {
        tokio::task::yield_now().await;
    }
    let nobody = RecordOptions {
        component: Some(name("nobody")),
        ..options()
    };
    let unknown = recorder.start(nobody, registry, None).await;
    assert!(matches!(unknown, Err(RecordError::UnknownComponent(_))));
}

/// What is said of a broken record.
fn complaint(record: &[u8]) -> String {
    let read = || {
        let mut reader = Reader::open(record)?;
        while reader.next_line()?.is_some() {}
        Ok(reader.has_ended())
    };
    let read: Result<bool, leyden::replay::file::Error> = read();
    match read {
        Ok(has_ended) => format!("ended: {has_ended}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_records_are_refused_by_line() {
    let host = TestHost::with_guests(&["echo"]).await;
    let only = RecordOptions {
        component: Some(name("echo")),
        ..options()
    };
    let record = recorded(&host, only, async {
        for body in ["one", "two"] {
            let echoed = host.post("echo", "/echo", &[], body, None).await;
            echoed.expect("an echo");
        }
    })
    .await;
    let text = String::from_utf8(record.clone()).expect("text");
    let list: Vec<&str> = text.lines().collect();
    assert_eq!(list.len(), 5, "header, component, two invocations, end");
    let of = |lines: &[&str]| complaint((lines.join("\n") + "\n").as_bytes());
    let [header, component, first, second, end] = list[..] else {
        panic!("five lines");
    };
    assert_eq!(of(&list), "ended: true");
    assert_eq!(of(&list[..4]), "ended: false");
    assert_eq!(complaint(b""), "line 1: the file is empty");
    assert!(of(&["{}"]).starts_with("line 1: is no record of Leyden"));
    assert!(of(&["x"]).starts_with("line 1: is no record of Leyden"));
    let newer = header.replace("\"version\":1", "\"version\":2");
    let rule = "line 1: leydenRecord.version: is 2, and this version of Leyden reads 1";
    assert_eq!(of(&[&newer]), rule);
    assert!(of(&[header, header]).contains("line 2: leydenRecord: comes once"));
    assert!(of(&[header, first]).contains("line 2: invocation.components: no component 0"));
    assert!(of(&[header, component, component]).contains("line 3: component.id: 0 comes twice"));
    assert!(of(&[header, component, first, end]).contains("line 4: end.invocations: says 2"));
    assert!(of(&[header, component, first, second, end, first]).contains("line 6: comes after"));
    assert!(of(&[header, "{\"else\":1}"]).contains("line 2: unknown variant `else`"));
    assert!(of(&[header, component, "{"]).starts_with("line 3: EOF"));
    let wrong = first.replace("\"atMs\"", "\"at\"");
    assert!(of(&[header, component, &wrong]).contains("line 3: unknown field `at`"));
    let cut = &record[..record.len() - 10];
    assert_eq!(complaint(cut), "line 5: is cut off: it has no line end");
    bytes_that_change_never_panic(&record);
    let other = component.replace("\"wasm\":\"AGFz", "\"wasm\":\"AGFy");
    let other: Line = serde_json::from_str(&other).expect("a line");
    let Line::Component(other) = other else {
        panic!("a component");
    };
    let refused = player().admit(&other).expect_err("other bytes");
    assert!(
        refused.to_string().contains("component.digest"),
        "{refused}"
    );
}

/// Cuts and changed bytes all over the file are refused, or leave a record.
fn bytes_that_change_never_panic(record: &[u8]) {
    let step = record.len() / 200;
    for at in (0..record.len()).step_by(step.max(1)) {
        complaint(&record[..at]);
        for new in [0, b'"', b'}', 0xff] {
            let mut changed = record.to_vec();
            changed[at] = new;
            complaint(&changed);
        }
    }
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
