//! Recording what a host of a test runs, and replaying it as another machine would.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use leyden::host::Host;
use leyden::replay::file::Reader;
use leyden::replay::format::{Component, Invocation, Line, Plugin};
use leyden::replay::{Difference, Name, Player, RecordOptions, Redactor, differences};
use leyden::runtime::PartnerOptions;

use crate::support::{TestHost, built};

pub fn options() -> RecordOptions {
    RecordOptions {
        component: None,
        is_failing: false,
        limit: 10_000,
        bytes_max: 1 << 30,
        time: Duration::from_secs(600),
    }
}

/// What is recorded while something is done.
pub async fn recorded(
    host: &TestHost,
    options: RecordOptions,
    done: impl Future<Output = ()>,
) -> Vec<u8> {
    recorded_by(&host.host, options, done).await
}

/// The same of any host.
pub async fn recorded_by(
    host: &Host,
    options: RecordOptions,
    done: impl Future<Output = ()>,
) -> Vec<u8> {
    let recorder = host.dispatch.recorder().clone();
    let started = recorder.start(options, &host.sources).await;
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
pub fn lines(record: &[u8]) -> Vec<Line> {
    let mut reader = Reader::open(record).expect("a record");
    let mut lines = vec![Line::LeydenRecord(reader.header().clone())];
    while let Some(line) = reader.next_line().expect("a line") {
        lines.push(line);
    }
    assert!(reader.has_ended(), "the record is whole");
    lines
}

pub fn invocations(record: &[u8]) -> Vec<Invocation> {
    let lines = lines(record).into_iter();
    let invocations = lines.filter_map(|line| match line {
        Line::Invocation(invocation) => Some(*invocation),
        _ => None,
    });
    invocations.collect()
}

pub fn player() -> Player {
    let compiling = PartnerOptions {
        compiled: std::path::absolute(built("compiled")).ok(),
        // The running binary is the test.
        program: Some(env!("CARGO_BIN_EXE_leyden").into()),
        ..PartnerOptions::default()
    };
    Player::start(compiling, Default::default()).expect("an engine")
}

/// How each invocation differs when it is replayed, with other versions of some components.
pub async fn replayed(record: &[u8], with: &[(&str, &[u8])]) -> Vec<(Invocation, Vec<Difference>)> {
    let mut player = player();
    let mut replayed = Vec::new();
    for line in lines(record) {
        match line {
            Line::Component(component) => admit(&mut player, &component, with),
            Line::Plugin(plugin) => admit_plugin(&mut player, &plugin, with).await,
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

pub fn admit(player: &mut Player, component: &Component, with: &[(&str, &[u8])]) {
    let instead = with
        .iter()
        .find(|(name, _)| *name == component.name.as_str());
    let admitted = match instead {
        Some((_, bytes)) => player.admit_instead(component, bytes),
        None => player.admit(component),
    };
    admitted.expect("a component that loads");
}

pub async fn admit_plugin(player: &mut Player, plugin: &Plugin, with: &[(&str, &[u8])]) {
    let own = Name::Plugin(plugin.partner.clone(), plugin.name.clone()).to_string();
    let instead = with.iter().find(|(name, _)| *name == own);
    let instead = instead.map(|(_, bytes)| *bytes);
    let admitted = player.admit_plugin(plugin, instead).await;
    admitted.expect("a plugin that loads");
}

pub async fn assert_identical(record: &[u8]) -> Vec<Invocation> {
    let all = replayed(record, &[]).await;
    for (invocation, found) in &all {
        let input = &invocation.input;
        assert_eq!(
            invocation.differs, None,
            "as the recorder saw it: {input:?}"
        );
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{:?}: {told:#?}", invocation.input);
    }
    all.into_iter().map(|(invocation, _)| invocation).collect()
}

/// The record without what is personal; each invocation has to come to the same twice, unless `may_differ`.
pub async fn redacted(record: &[u8], may_differ: impl Fn(&Invocation) -> bool) -> String {
    let mut redactor = Redactor::new(&[], &[]);
    invocations(record)
        .iter()
        .for_each(|one| redactor.look(one));
    let replacer = redactor.replacer();
    let mut player = player();
    let mut redacted = String::new();
    for mut line in lines(record) {
        match &mut line {
            Line::Component(component) => admit(&mut player, component, &[]),
            Line::Plugin(plugin) => admit_plugin(&mut player, plugin, &[]).await,
            Line::Invocation(invocation) => {
                let new = replacer.redact((**invocation).clone(), &mut player).await;
                let new = new.expect("redacted");
                let differs = may_differ(&new);
                assert_eq!(
                    new.differs.is_some(),
                    differs,
                    "{:?}: {:?}",
                    new.differs,
                    new.input
                );
                **invocation = new;
            }
            Line::LeydenRecord(_) | Line::End(_) => {}
        }
        redacted += &(serde_json::to_string(&line).expect("JSON") + "\n");
    }
    redacted
}

/// What a record tells besides its components.
pub fn told(record: &str) -> String {
    let is_wasm =
        |line: &&str| line.starts_with("{\"component\"") || line.starts_with("{\"plugin\"");
    record.lines().filter(|line| !is_wasm(line)).collect()
}

/// A bit of a component's code, or of a constant in it, changed: at so many bytes after where this begins.
pub fn with_one_bit_changed(bytes: &[u8], find: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let place = bytes.windows(find.len()).position(|window| window == find);
    changed[place.expect("the constant is there") + at] ^= 1;
    changed
}
