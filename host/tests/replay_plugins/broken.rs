//! Records of runs that break a rule of the format, and what is said of them.

use leyden::replay::file::Reader;
use leyden::replay::format::Line;

use super::ECHO;
use super::records::{lines, options, player, recorded};
use super::town::Town;

/// What is said of a record with one line changed.
fn complaint(record: &str, old: &str, new: &str) -> String {
    assert!(record.contains(old), "{old}");
    let changed = record.replacen(old, new, 1);
    let mut reader = Reader::open(changed.as_bytes()).expect("a header");
    loop {
        match reader.next_line() {
            Ok(Some(_)) => {}
            Ok(None) => return "nothing".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// The id of a record's plugin, and that of a component.
fn ids(record: &[u8]) -> (u32, u32) {
    let (mut plugin, mut component) = (None, None);
    for line in lines(record) {
        match line {
            Line::Plugin(one) => plugin = Some(one.id),
            Line::Component(one) => component = Some(one.id),
            _ => {}
        }
    }
    plugin.zip(component).expect("both")
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_records_of_runs_are_refused() {
    let town = Town::start().await;
    let record = recorded(&town.host, options(), async {
        town.run(ECHO).await;
    })
    .await;
    let (own, other) = ids(&record);
    let record = String::from_utf8(record).expect("text");
    let plugin = |id: u32| format!("{{\"plugin\":{{\"id\":{id},");
    let runs = |id: u32| format!("\"runs\":{id},");
    let limit = |figures: &str| format!("{figures},\"table");
    let most = "\"memoryBytes\":201326592";
    let twice = format!("component.id: {other} comes twice");
    for (old, new, says) in [
        (
            limit(most),
            limit(&most.replace('2', "3")),
            "run.limits: must be within",
        ),
        (plugin(own), plugin(other), twice.as_str()),
        (runs(own), runs(other), "invocation.runs: must be a plugin"),
        (runs(own), runs(99), "invocation.runs: must be one of"),
        (
            "\"trigger\":\"request\"".into(),
            "\"trigger\":\"else\"".into(),
            "unknown variant `else`",
        ),
        ("\"held\":".into(), "\"has\":".into(), "unknown field `has`"),
        (
            "\"secret\":\"".into(),
            "\"secret\":\"x".into(),
            "must be 64 hexadecimal digits",
        ),
        (
            "\"partner\":\"acme\"".into(),
            "\"partner\":\"a/b\"".into(),
            "must be 1 to 128 bytes",
        ),
    ] {
        let said = complaint(&record, &old, &new);
        assert!(said.contains(says), "{old}: {said}");
    }
    let other = record.replacen("\"wasm\":\"AGFz", "\"wasm\":\"AGFy", 1);
    let mut player = player();
    for line in lines(other.as_bytes()) {
        if let Line::Plugin(plugin) = line {
            let refused = player.admit_plugin(&plugin, None).await;
            let refused = refused.expect_err("other bytes").to_string();
            assert!(refused.contains("acme/analyst: plugin.digest"), "{refused}");
        }
    }
}
