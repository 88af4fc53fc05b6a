//! Records of runs of partners' plugins, and their replay elsewhere: identical where nothing is changed, and different
//! where anything is, in the plugin or beneath it.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for what a host does by itself"
)]

#[path = "replay_plugins/broken.rs"]
mod broken;
#[allow(dead_code, reason = "most of it is for the engine's own tests")]
#[path = "partner_engine/components.rs"]
mod components;
#[path = "support/records.rs"]
mod records;
mod support;
#[path = "replay_plugins/town.rs"]
mod town;

use leyden::ids::Instant;
use leyden::partners::receipts::{Outcome, Receipt};
use leyden::partners::runs::Error;
use leyden::partners::{RunRequest, Started};
use leyden::replay::format::{Blob, Input, Invocation, Line, Output, Trigger};
use leyden::replay::{Difference, Name, RecordError, RecordOptions, differences};
use records::{
    admit, admit_plugin, assert_identical, invocations, lines, options, player, recorded, redacted,
    replayed, told, with_one_bit_changed,
};
use support::{frozen, guest, name, plugin};
use town::{DICE, PLUGIN, SLOW, Town, request};

/// What came of the run with these parameters.
fn of<'a>(all: &'a [Invocation], params: &str) -> &'a Invocation {
    let is_it = |one: &&Invocation| matches!(&one.input, Input::Run(run) if run.params == params);
    all.iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("a run with {params}"))
}

fn kind(invocation: &Invocation) -> &str {
    match &invocation.outcome.output {
        Output::Report { .. } => "report",
        Output::NoReport { kind, .. } => kind,
        other => panic!("the end of a run, not {other:?}"),
    }
}

const ECHO: &str = r#"{"do":"echo"}"#;
const SUMS: &str = r#"{"do":"read","dataset":"global-consumption"}"#;
const SUMS_TWICE: &str = r#"{"do":"read","dataset":"global-consumption","n":2}"#;
const DETAILS: &str = r#"{"do":"read","dataset":"detailed-consumption"}"#;
const PRODUCTION: &str = r#"{"do":"read","dataset":"production"}"#;
const THREE: &str = r#"{"do":"read","dataset":"detailed-consumption","n":3}"#;
const READ_THEN_TRAP: &str = r#"{"do":"read-then-trap","dataset":"detailed-consumption"}"#;

/// Ways in which a run ends without a report.
const ENDS: [(&str, &str); 9] = [
    (r#"{"do":"refuse","text":"no"}"#, "invalid-params"),
    (r#"{"do":"read-then-fail"}"#, "failed"),
    (READ_THEN_TRAP, "trapped"),
    (r#"{"do":"panic"}"#, "trapped"),
    (r#"{"do":"recurse"}"#, "trapped"),
    (r#"{"do":"memory"}"#, "limit"),
    (r#"{"do":"calls","n":100000000}"#, "limit"),
    (r#"{"do":"report","n":9000000}"#, "limit"),
    (r#"{"do":"report","text":"text"}"#, "invalid-report"),
];

/// Runs that end in every way but by their deadline or fuel.
async fn many_runs(town: &Town) {
    for params in [
        ECHO,
        SUMS,
        SUMS_TWICE,
        DETAILS,
        PRODUCTION,
        r#"{"do":"budget"}"#,
    ] {
        town.run(params).await;
    }
    town.up_to(THREE, 250).await;
    for (params, _) in ENDS {
        town.run(params).await;
    }
    let due = Started::BySchedule(name("daily"), Instant(1_636_300_000_000));
    let scheduled = RunRequest {
        started: due,
        ..request(r#"{"do":"echo","text":"due"}"#)
    };
    town.asked(PLUGIN, scheduled).await.expect("a run");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_replay_bit_for_bit() {
    let town = Town::start().await;
    let record = recorded(&town.host, options(), many_runs(&town)).await;
    let all = assert_identical(&record).await;
    assert_eq!(all.len(), 7 + ENDS.len() + 1);
    for (params, end) in ENDS {
        assert_eq!(kind(of(&all, params)), end, "{params}");
    }
    for one in &all {
        let (fuel, own) = (one.outcome.fuel, one.outcome.plugin_fuel);
        assert!(
            own.is_some_and(|own| own > 0 && Some(own) <= fuel),
            "{own:?} of {fuel:?}"
        );
        assert!(
            !one.outcome.decisions.is_empty(),
            "what the access policy said"
        );
    }
    let charged = |params: &str| -> Vec<u64> {
        let metered = &of(&all, params).outcome.metered;
        metered.iter().map(|read| read.datapoints).collect()
    };
    assert_eq!(charged(ECHO), [0; 0]);
    assert_eq!(charged(DETAILS), [100]);
    assert_eq!(charged(PRODUCTION), [70]);
    assert_eq!(
        charged(READ_THEN_TRAP),
        [100],
        "what it had seen is charged"
    );
    assert_eq!(charged(THREE), [100, 100], "the third is out of credit");
    let Output::Report { body, .. } = &of(&all, THREE).outcome.output else {
        panic!("a report");
    };
    assert!(
        body.0.ends_with(br#"{"error":"out-of-credit"}]"#),
        "{body:?}"
    );
    let points = &of(&all, THREE).outcome.datapoints;
    assert_eq!((points["hold/acme"], points["revenue"]), (-250, 200));
    // What was told of groups, and what was known of it.
    assert!(!of(&all, SUMS).outcome.effects.writes.is_empty());
    let scheduled = of(&all, r#"{"do":"echo","text":"due"}"#);
    let Input::Run(run) = &scheduled.input else {
        panic!("a run");
    };
    let due_ms = 1_636_300_000_000;
    assert_eq!(run.trigger, Trigger::Schedule { due_ms });
    receipts_say_the_same(&town, &all).await;
}

/// A record is named as the receipt of its run, and says the same of what it cost.
async fn receipts_say_the_same(town: &Town, all: &[Invocation]) {
    let receipts: Vec<Receipt> = town.receipts().await;
    assert_eq!(receipts.len(), all.len());
    for (receipt, one) in receipts.iter().zip(all) {
        assert_eq!(receipt.id, one.id);
        assert_eq!(Some(receipt.fuel), one.outcome.plugin_fuel);
        let paid = one.outcome.datapoints.get("revenue").copied();
        assert_eq!(i64::try_from(receipt.total), Ok(paid.unwrap_or(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_a_stream_is_recorded() {
    let town = Town::start().await;
    let only = RecordOptions {
        component: Some(Name::parse("acme/analyst").expect("a name")),
        ..options()
    };
    let record = recorded(&town.host, only, town.a_batch(ECHO)).await;
    let all = assert_identical(&record).await;
    let Input::Run(run) = &of(&all, ECHO).input else {
        panic!("a run");
    };
    let Trigger::Batch {
        stream, records, ..
    } = &run.trigger
    else {
        panic!("a batch: {:?}", run.trigger);
    };
    assert_eq!((stream.as_str(), *records), (town::STREAM, 1));
}

/// Fuel ends a run at the same place anywhere; a deadline does not, so that what a run did by then is not compared.
#[tokio::test(flavor = "multi_thread")]
async fn runs_out_of_fuel_or_time_replay() {
    let town = Town::start().await;
    town.price_compute().await;
    let failing = RecordOptions {
        is_failing: true,
        ..options()
    };
    let record = recorded(&town.host, failing, async {
        town.run(ECHO).await;
        // Its hold pays for so little fuel that this takes no second.
        town.up_to(r#"{"do":"loop"}"#, 1).await;
        town.run_of(SLOW, "{}").await;
    })
    .await;
    let all = assert_identical(&record).await;
    assert_eq!(all.len(), 2, "what succeeds is left out");
    assert_eq!((kind(&all[0]), kind(&all[1])), ("fuel", "deadline"));
    assert_eq!(all[0].outcome.plugin_fuel, Some(500_000_000));
    assert_eq!(all[0].outcome.datapoints["revenue"], 1);
    assert_eq!(
        (all[1].outcome.fuel, all[1].outcome.plugin_fuel),
        (None, None)
    );
}

fn first(found: &[(Invocation, Vec<Difference>)], params: &str) -> Option<String> {
    let is_it = |(one, _): &&(Invocation, Vec<Difference>)| matches!(&one.input, Input::Run(run) if run.params == params);
    let (_, found) = found.iter().find(is_it).expect("a run");
    Some(found.first()?.field.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_plugin_or_of_what_is_beneath_differs() {
    let town = Town::start().await;
    let record = recorded(&town.host, options(), async {
        for params in [ECHO, DETAILS, READ_THEN_TRAP, r#"{"do":"read-then-fail"}"#] {
            town.run(params).await;
        }
    })
    .await;
    assert_identical(&record).await;
    let analyst = guest("partners/analyst");
    // One bit of a constant that shows in one error only.
    let changed = with_one_bit_changed(&analyst, b"It has read and fails", 3);
    let found = replayed(&record, &[("acme/analyst", &changed)]).await;
    let fails = first(&found, r#"{"do":"read-then-fail"}"#);
    assert_eq!(fails.as_deref(), Some("output.noReport.reason"));
    assert_eq!((first(&found, ECHO), first(&found, DETAILS)), (None, None));
    // Another build of the same: its reports are the same, what it takes is not.
    let released = frozen("0.1.0", "guests/analyst");
    let found = replayed(&record, &[("acme/analyst", &released)]).await;
    assert_eq!(first(&found, ECHO).as_deref(), Some("fuel"));
    // Prices are the access policy's.
    let found = replayed(&record, &[("access", &guest("access-open"))]).await;
    assert_eq!(
        first(&found, DETAILS).as_deref(),
        Some("output.report.body")
    );
    let fields: Vec<&str> = found[1].1.iter().map(|one| one.field.as_str()).collect();
    assert!(fields.contains(&"metered[0].datapoints"), "{fields:?}");
    assert!(fields.contains(&"datapoints.revenue"), "{fields:?}");
    // A component that is read from, without its readings.
    let consumption = with_one_bit_changed(&plugin("consumption"), b"community.balance", 10);
    let found = replayed(&record, &[("consumption", &consumption)]).await;
    assert_eq!(first(&found, ECHO), None);
}

/// Changes what a record says.
type Tamper = fn(&mut Invocation);

/// What a record says that it went by is what it goes by.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_of_a_run_differs() {
    let town = Town::start().await;
    let record = recorded(&town.host, options(), async {
        town.up_to(THREE, 250).await;
    })
    .await;
    let tampers: [(&str, Tamper); 6] = [
        ("effects.postings[1].amount", |one| run_of(one).held += 1),
        ("output", |one| run_of(one).limits.host_calls = 1),
        ("output.report.body", |one| run_of(one).limits.rows = 1),
        ("decisions[0].input.trust-level", |one| {
            run_of(one).partner.trust_level = 4;
        }),
        ("decisions[0].input.at-ms", |one| {
            run_of(one).terms_at_ms += 1;
        }),
        ("pluginFuel", |one| {
            one.outcome.plugin_fuel = one.outcome.plugin_fuel.map(|fuel| fuel + 1);
        }),
    ];
    assert_each_differs(&record, &tampers).await;
}

/// A replay of each invocation with each change differs in this field.
async fn assert_each_differs(record: &[u8], tampers: &[(&str, Tamper)]) {
    let mut player = player();
    for line in lines(record) {
        match line {
            Line::Component(component) => admit(&mut player, &component, &[]),
            Line::Plugin(plugin) => admit_plugin(&mut player, &plugin, &[]).await,
            Line::Invocation(invocation) => {
                for (field, tamper) in tampers {
                    let mut changed = (*invocation).clone();
                    tamper(&mut changed);
                    let played = player.play(&changed).await.expect("a replay");
                    let found = differences(&changed.outcome, &played.outcome);
                    let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
                    assert!(fields.contains(field), "{field}: {fields:?}");
                }
            }
            _ => {}
        }
    }
}

/// Nobody foresees what a run draws, and whoever has its record draws the same.
#[tokio::test(flavor = "multi_thread")]
async fn randomness_is_a_runs_own_and_its_records() {
    let town = Town::start().await;
    let record = recorded(&town.host, options(), async {
        for _ in 0..3 {
            town.run_of(DICE, "{}").await;
        }
    })
    .await;
    let all = assert_identical(&record).await;
    let drawn = |one: &Invocation| match one.randoms.as_slice() {
        [drawn] => drawn.0,
        others => panic!("one number, not {others:?}"),
    };
    let mut numbers: Vec<u64> = all.iter().map(drawn).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "each run has its own");
    let tamper: Tamper = |one| one.randoms.clear();
    assert_each_differs(&record, &[("output.report.body", tamper)]).await;
}

fn run_of(invocation: &mut Invocation) -> &mut leyden::replay::format::Run {
    match &mut invocation.input {
        Input::Run(run) => run,
        other => panic!("a run, not {other:?}"),
    }
}

/// The host takes it for its own fault and charges nothing; the record says which component it was, and a better one can
/// be tried.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_component_beneath_it_has_lost_is_replayed_with_a_better_one() {
    let town = Town::start().await;
    town.host.deploy_as("production", "broken-production").await;
    let record = recorded(&town.host, options(), async {
        let lost = town.asked(PLUGIN, request(PRODUCTION)).await;
        assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
    })
    .await;
    let all = assert_identical(&record).await;
    let Output::Trapped { component, .. } = &all[0].outcome.output else {
        panic!("trapped: {:?}", all[0].outcome.output);
    };
    assert_eq!(component.as_str(), "production");
    assert!(all[0].outcome.metered.is_empty());
    assert!(!all[0].outcome.datapoints.contains_key("revenue"));
    let receipts = town.receipts().await;
    assert_eq!(receipts[0].outcome, Outcome::HostFault);
    let found = replayed(&record, &[("production", &plugin("production"))]).await;
    assert_eq!(found[0].1[0].field, "output");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_record_of_runs_tells_nobody_and_replays() {
    let town = Town::start().await;
    let secret = town.secret().await;
    let params = r#"{"do":"echo","text":"x","client_name":"Ingeborg"}"#;
    let record = recorded(&town.host, options(), async {
        for params in [params, DETAILS, SUMS, READ_THEN_TRAP] {
            town.run(params).await;
        }
        town.asks_a_service().await;
    })
    .await;
    assert_identical(&record).await;
    let before = String::from_utf8(record.clone()).expect("text");
    assert!(before.contains(&secret) && before.contains("Ingeborg"));
    let of_sums = |one: &Invocation| matches!(&one.input, Input::Run(run) if run.params == SUMS);
    let redacted = redacted(&record, of_sums).await;
    let all = replayed(redacted.as_bytes(), &[]).await;
    assert!(all.iter().all(|(_, found)| found.is_empty()));
    let told = told(&redacted);
    for word in ["Ingeborg", "Client", secret.as_str()]
        .into_iter()
        .chain(town.houses())
    {
        assert!(!told.contains(word), "{word}");
    }
    let all: Vec<Invocation> = all.into_iter().map(|(one, _)| one).collect();
    assert_eq!(
        kind(of(&all, DETAILS)),
        "report",
        "of households that are made up"
    );
    one_secret(&all);
}

/// The partner has the same new secret in all its runs, and where a service has read it.
fn one_secret(all: &[Invocation]) {
    let mut secrets = Vec::new();
    for one in all {
        if let Input::Run(run) = &one.input {
            secrets.push(run.partner.secret.0.to_vec());
        }
        for read in &one.reads {
            if let leyden::replay::format::Read::Key {
                space,
                value: Some(Blob(value)),
                ..
            } = read
                && space == "leyden.partners"
            {
                let partner: serde_json::Value = serde_json::from_slice(value).expect("JSON");
                let secret = serde_json::from_value(partner["secret"].clone());
                secrets.push(secret.expect("bytes"));
            }
        }
    }
    assert!(secrets.len() > 4, "{}", secrets.len());
    assert!(secrets.iter().all(|one| *one == secrets[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_of_one_plugin_where_it_is_named() {
    let town = Town::start().await;
    let only = |text: &str| RecordOptions {
        component: Some(Name::parse(text).expect("a name")),
        ..options()
    };
    let all_kinds = || async {
        town.run(ECHO).await;
        town.run_of(SLOW, "{}").await;
        town.host.add_house("Ada").await;
    };
    let record = recorded(&town.host, only("acme/analyst"), all_kinds()).await;
    assert_eq!(invocations(&record).len(), 1);
    let plugins: Vec<String> = lines(&record)
        .into_iter()
        .filter_map(|line| match line {
            Line::Plugin(plugin) => plugin.version.map(|version| version.as_str().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(plugins, ["1.2.3"], "as its partner calls it");
    let record = recorded(&town.host, only("house"), all_kinds()).await;
    assert_eq!(invocations(&record).len(), 1);
    let recorder = town.host.host.dispatch.recorder();
    for nobody in ["acme/nothing", "nobody/analyst"] {
        let unknown = recorder.start(only(nobody), &town.host.host.sources).await;
        assert!(
            matches!(unknown, Err(RecordError::UnknownComponent(_))),
            "{nobody}"
        );
    }
}
