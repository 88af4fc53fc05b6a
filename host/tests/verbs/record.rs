//! Records over the command line: written while a scenario is played on a host in a process of its own, replayed without
//! it, redacted, and what is refused.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::process::Process;
use super::{NOBODY, code, complaint, done, json_of, leyden, root, write};

fn recorder(url: &str, file: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
    command
        .args(["--json", "--url", url, "record", "start", "-o"])
        .arg(file)
        .args(more)
        .env_remove("LEYDEN_TOKEN_FILE")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().expect("the binary starts")
}

fn recording(url: &str) -> Value {
    loop {
        let status = json_of(url, &["record", "status"]);
        if status["since"].is_string() {
            return status;
        }
        std::thread::yield_now();
    }
}

fn end_of(recorder: Child) -> Value {
    let output = recorder.wait_with_output().expect("an end");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_is_recorded_replayed_and_redacted() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    let file = folder.path().join("traffic.lrec");
    let running = recorder(url, &file, &["--limit", "5000"]);
    recording(url);
    let again = leyden(url, &["record", "start"]);
    assert_eq!(code(&again), 1, "one at a time");
    assert!(complaint(&again).contains("records already"));
    done(
        url,
        &["scenario", "run", "scenarios/routes.toml", "--against", url],
    );
    assert_eq!(json_of(url, &["record", "stop"])["recording"], true);
    let end = end_of(running);
    assert_eq!(
        (&end["because"], &end["missed"]),
        (&json!("stop"), &json!(0))
    );
    assert_eq!(end["differing"], 0, "all replay at once");
    let audit = json_of(url, &["audit", "*"]);
    assert_eq!(audit[0]["change"], "record");
    let record = file.to_str().expect("a path");
    all_of_it_replays(record, &end);
    another_version_differs(record);
    what_was_decided_is_compared(record);
    no_id_is_left(folder.path(), record);
}

fn all_of_it_replays(record: &str, end: &Value) {
    let told = json_of(NOBODY, &["replay", record, "--assert-identical"]);
    assert_eq!(told["invocations"], end["invocations"]);
    assert!(
        told["invocations"].as_u64().is_some_and(|all| all > 50),
        "{told}"
    );
    assert_eq!(
        (&told["identical"], &told["withoutFuel"]),
        (&told["invocations"], &json!(0))
    );
    assert_eq!(told["cut"], false);
}

fn another_version_differs(record: &str) {
    let with = "schedule=target/plugins/alternatives/schedule-load-aware.wasm";
    let told = json_of(NOBODY, &["replay", record, "--with", with]);
    assert!(
        told["different"]
            .as_u64()
            .is_some_and(|different| different > 0)
    );
    let first = &told["differing"][0];
    assert!(first["line"].as_u64().is_some_and(|line| line > 1));
    assert!(first["differences"][0]["field"].is_string());
    let asserted = leyden(
        NOBODY,
        &["replay", record, "--with", with, "--assert-identical"],
    );
    assert_eq!(code(&asserted), 1);
    assert!(String::from_utf8_lossy(&asserted.stdout).contains(" -> "));
    for (wrong, why) in [
        ("nobody=target/plugins/shed.wasm", "is named nobody"),
        ("house=README.md", "component house"),
        ("house", "NAME=FILE"),
        ("assignment=target/plugins/shed.wasm", "do not go together"),
        ("house=nowhere.wasm", "cannot read"),
    ] {
        let refused = leyden(NOBODY, &["replay", record, "--with", wrong]);
        assert_eq!(code(&refused), 2, "{wrong}");
        assert!(complaint(&refused).contains(why), "{}", complaint(&refused));
    }
}

/// A record is as good as the log of decisions for comparing a version of a policy.
fn what_was_decided_is_compared(record: &str) {
    let (same, other) = (
        "target/plugins/schedule.wasm",
        "target/plugins/alternatives/schedule-load-aware.wasm",
    );
    let diff = |version: &str| {
        let verb = ["policy", "diff", "schedule", version, "--against", record];
        json_of(NOBODY, &verb)
    };
    let told = diff(same);
    assert!(
        told["decisions"].as_u64().is_some_and(|all| all > 0),
        "{told}"
    );
    assert_eq!(
        (&told["same"], &told["failed"]),
        (&told["decisions"], &json!(0))
    );
    assert_eq!(diff(other)["decisions"], told["decisions"]);
}

fn no_id_is_left(folder: &Path, record: &str) {
    let file = folder.join("to-send.lrec");
    let redacted = file.to_str().expect("a path");
    let end = json_of(NOBODY, &["record", "redact", record, "-o", redacted]);
    let text = std::fs::read_to_string(&file).expect("text");
    // What was told of sums lies under hashes of households, and other households have others.
    let differing: Vec<&str> = invocations(&text)
        .filter(|line| line.contains("\"differs\""))
        .filter(|line| !line.contains("/partner-api/request-global-consumption"))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
    let told = json_of(NOBODY, &["replay", redacted, "--assert-identical"]);
    assert_eq!(told["invocations"], end["invocations"]);
    let (before, after) = (ids(record), ids(redacted));
    assert!(before.len() > 20, "{}", before.len());
    assert!(before.is_disjoint(&after), "an id is left");
    let head = text.lines().next().expect("a line");
    assert!(head.contains("\"redacted\":true"));
    for name in ["Émilie", "Grace", "sgsc"] {
        assert!(
            !invocations(&text).any(|line| line.contains(name)),
            "{name}"
        );
    }
}

fn invocations(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with("{\"invocation\""))
}

/// Everything in a record's invocations that looks like a UUID.
fn ids(record: &str) -> std::collections::BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(record)).expect("text");
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let id = regex_lite::Regex::new(id).expect("an expression");
    let found = invocations(&text).flat_map(|line| id.find_iter(line));
    found.map(|one| one.as_str().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_becomes_a_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    host.deploy("probe").await;
    let url = host.url.as_str();
    let publish = [
        "invoke",
        "/probe/publish",
        "--data",
        r#"{"key":"k","n":1,"payload":"poison"}"#,
    ];
    done(url, &publish);
    host.settle().await;
    let letters = json_of(url, &["streams", "dead"]);
    let id = letters[0]["id"].as_str().map(str::to_owned);
    let id = id.unwrap_or_else(|| letters[0]["id"].to_string());
    let record = folder.path().join("letter.lrec");
    let record = record.to_str().expect("a path");
    done(url, &["streams", "dead", "export", &id, "-o", record]);
    let told = json_of(NOBODY, &["replay", record, "--assert-identical"]);
    assert_eq!(
        (&told["invocations"], &told["identical"]),
        (&json!(1), &json!(1))
    );
    let text = std::fs::read_to_string(record).expect("text");
    assert!(text.contains("\"trapped\":{\"component\":\"probe\""));
    let still = json_of(url, &["streams", "dead"]);
    assert_eq!(still.as_array().map(Vec::len), Some(1), "it stays");
    let none = leyden(url, &["streams", "dead", "export", "99"]);
    assert_eq!(code(&none), 1);
    assert_eq!(json_of(url, &["audit", "probe"])[0]["change"], "record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_ends_by_its_limits_and_with_its_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut host = Process::start(&data).await;
    let url = host.url.clone();
    let file = folder.path().join("short.lrec");
    let more = ["--component", "consumption", "--seconds", "1"];
    let running = recorder(&url, &file, &more);
    assert_eq!(end_of(running)["because"], "time");
    let running = recorder(&url, &file, &["--component", "house"]);
    let status = recording(&url);
    assert_eq!(
        (&status["component"], &status["limit"]),
        (&json!("house"), &json!(1_000))
    );
    done(
        &url,
        &[
            "invoke",
            "/house/house-editor/add-house",
            "--data",
            r#"{"client_name":"Ada"}"#,
        ],
    );
    while json_of(&url, &["record", "status"])["invocations"] == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    host.kill();
    let output = running.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(1), "it was cut off");
    let record = file.to_str().expect("a path");
    let told = json_of(NOBODY, &["replay", record]);
    assert_eq!(
        (&told["cut"], &told["identical"]),
        (&json!(true), &json!(1))
    );
    let asserted = leyden(NOBODY, &["replay", record, "--assert-identical"]);
    assert_eq!(code(&asserted), 1, "a record that was cut off is not whole");
}

#[test]
fn what_is_no_record_is_refused_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, why) in [
        ("", "line 1: the file is empty"),
        ("PNG\n", "line 1: is no record of Leyden"),
        (
            "{\"leydenRecord\":{\"version\":9}}\n",
            "line 1: leydenRecord.version: is 9",
        ),
    ] {
        let file = write(folder.path(), "x.lrec", text);
        for verb in [
            &["replay", &file][..],
            &["record", "redact", &file, "-o", "y.lrec"],
        ] {
            let refused = leyden(NOBODY, verb);
            assert_eq!(code(&refused), 2);
            assert!(complaint(&refused).contains(why), "{}", complaint(&refused));
        }
    }
}
