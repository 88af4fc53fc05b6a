//! What the example plugins did, recorded as they ran, and replayed without their host: also those in Python.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::support::verbs::{NOBODY, done, json_of};

/// A recording of all runs of plugins and whatever else happens.
pub(crate) struct Recording {
    url: String,
    file: String,
    child: Child,
}

impl Recording {
    /// Returns once what runs is recorded.
    pub(crate) fn start(url: &str, file: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command
            .args(["--json", "--url", url, "record", "start", "-o", file])
            .env_remove("LEYDEN_TOKEN_FILE")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command.spawn().expect("the binary starts");
        while !json_of(url, &["record", "status"])["since"].is_string() {
            std::thread::yield_now();
        }
        Self {
            url: url.to_owned(),
            file: file.to_owned(),
            child,
        }
    }

    /// Ends it. So many runs are in it, all of which come to the same; with another plugin they do not; and no
    /// household is left in it once it is redacted.
    pub(crate) fn replays_elsewhere(self, runs: usize) {
        let Self { url, file, child } = self;
        done(&url, &["record", "stop"]);
        let output = child.wait_with_output().expect("an end");
        let end: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&end["missed"], &end["differing"]), (&json!(0), &json!(0)));
        let text = fs::read_to_string(&file).expect("a record");
        let is_run = |line: &&str| line.contains(r#""input":{"run":"#);
        assert_eq!(text.lines().filter(is_run).count(), runs);
        let replayed = json_of(NOBODY, &["replay", &file, "--assert-identical"]);
        assert_eq!(
            (&replayed["identical"], &replayed["withoutFuel"]),
            (&end["invocations"], &json!(0))
        );
        let with = "acme/load-curve=target/guests/partners/analyst.wasm";
        let other = json_of(NOBODY, &["replay", &file, "--with", with]);
        assert_eq!(other["different"], 3, "each run of it");
        assert_eq!(other["differing"][0]["component"], "acme/load-curve");
        no_household_is_left(&file);
    }
}

fn no_household_is_left(record: &str) {
    let to_send = format!("{record}.redacted");
    done(NOBODY, &["record", "redact", record, "-o", &to_send]);
    let text = fs::read_to_string(&to_send).expect("a record");
    let is_wasm = |line: &&str| line.starts_with("{\"plugin") || line.starts_with("{\"component");
    let told: String = text.lines().filter(|line| !is_wasm(line)).collect();
    assert!(!told.contains("ausgrid-"), "no household is named");
    let again = json_of(NOBODY, &["replay", &to_send]);
    assert_eq!(again["identical"], again["invocations"], "{again}");
}
