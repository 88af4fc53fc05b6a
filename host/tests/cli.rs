//! The command line against a host in a process of its own: what the verbs print and how they end.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support {
    pub mod process;
    pub mod redis;
}

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use support::process::Process;
use support::redis::{Kept, Server};

/// A port on which nothing listens: the discard service's, which needs a privileged process.
const NOBODY: &str = "http://127.0.0.1:9";

/// Longest wait for what will be so, far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn leyden(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
    command
        .args(["--url", url])
        .args(arguments)
        .current_dir(root());
    command.env("LEYDEN_COMPILED", root().join("target/compiled"));
    command.output().expect("the binary starts")
}

/// What a verb prints that succeeds.
fn done(url: &str, arguments: &[&str]) -> String {
    let output = leyden(url, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn json_of(url: &str, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&done(url, &arguments)).expect("JSON")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_talk_to_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    components_are_swapped_and_rolled_back(url);
    readings_are_taken_in_or_refused_by_row(url, folder.path());
    time_moves(url);
    a_host_alone_owns_everything(url);
    routes_are_called(url);
    a_scenario_can_use_this_host(url, folder.path());
}

fn components_are_swapped_and_rolled_back(url: &str) {
    let first = &json_of(url, &["versions", "schedule"])[0]["digest"];
    let file = "target/plugins/alternatives/schedule-load-aware.wasm";
    done(url, &["deploy", "schedule", file]);
    let versions = json_of(url, &["versions", "schedule"]);
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
    done(
        url,
        &[
            "rollback",
            "schedule",
            "--to",
            first.as_str().expect("a digest"),
        ],
    );
    let listed = json_of(url, &["components"]);
    let active = listed
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["name"] == "schedule");
    assert_eq!(&active.expect("still there")["digest"], first);
    assert!(done(url, &["components"]).contains("schedule"));
    assert_eq!(code(&leyden(url, &["deploy", "../x", file])), 2);
    assert_eq!(code(&leyden(url, &["deploy", "x", "no such file"])), 2);
    assert_eq!(code(&leyden(url, &["deploy", "x", "Cargo.toml"])), 1);
    assert_eq!(code(&leyden(url, &["versions", "nobody"])), 1);
}

fn readings_are_taken_in_or_refused_by_row(url: &str, folder: &Path) {
    let house = r#"{"client_name":"Ada","household":"meter-1"}"#;
    done(
        url,
        &["invoke", "/house/house-editor/add-house", "--data", house],
    );
    let head = "household,startsAt,endsAt,kind,energyWh\n";
    let row = "meter-1,2021-11-07T15:00:00Z,2021-11-07T15:30:00Z,consumption";
    let good = write(folder, "good.csv", &format!("{head}{row},250\n"));
    let tallies = json_of(url, &["ingest", &good]);
    assert_eq!((&tallies["rows"], &tallies["new"]), (&json!(1), &json!(1)));
    let bad = write(folder, "bad.txt", &format!("{head}{row},250\n{row},-1\n"));
    let refused = leyden(url, &["ingest", &bad, "--format", "csv"]);
    assert_eq!(code(&refused), 1);
    assert!(
        complaint(&refused).contains("row 2: energyWh:"),
        "{}",
        complaint(&refused)
    );
    assert_eq!(
        code(&leyden(url, &["ingest", &bad])),
        2,
        "its format is not known"
    );
}

fn time_moves(url: &str) {
    assert_eq!(
        json_of(url, &["tick", "2"])["now"],
        "2021-11-07T16:00:22.144Z"
    );
    assert_eq!(json_of(url, &["clock"])["mode"], "simulated");
    assert!(done(url, &["streams"]).contains("house.readings"));
}

fn a_host_alone_owns_everything(url: &str) {
    let hosts = json_of(url, &["hosts"]);
    assert_eq!((&hosts["units"], &hosts["free"]), (&json!(1), &json!([])));
    let url_of_it = &hosts["hosts"][0]["url"];
    assert_eq!(url_of_it, url, "it tells where it listens");
    assert!(done(url, &["streams", "--partitions"]).contains("partition"));
    assert_eq!(done(url, &["streams", "dead"]), "(none)\n");
    for verb in ["show", "retry", "drop"] {
        assert_eq!(
            code(&leyden(url, &["streams", "dead", verb, "7"])),
            1,
            "{verb}"
        );
        assert_eq!(
            code(&leyden(url, &["streams", "dead", verb, "../x"])),
            2,
            "{verb}"
        );
    }
}

fn routes_are_called(url: &str) {
    let houses = json_of(
        url,
        &["invoke", "/client-database/client-registry/allHouses"],
    );
    assert_eq!(
        (&houses["status"], &houses["body"][0]["client_name"]),
        (&json!(200), &json!("Ada"))
    );
    let missing = leyden(
        url,
        &[
            "--json",
            "invoke",
            "/client-database/client-registry/house/x",
        ],
    );
    assert_eq!(code(&missing), 1);
    let problem: Value = serde_json::from_slice(&missing.stderr).expect("the problem");
    assert_eq!(problem["status"], 404);
}

fn a_scenario_can_use_this_host(url: &str, folder: &Path) {
    let scenario = |expected: &str| {
        format!(
            "title = {{ fr = \"a\", en = \"b\" }}\n\
             clock = {{ start = \"2022-01-01T00:00:00Z\", tick-seconds = 60 }}\n\
             [[steps]]\ntitle = {{ fr = \"un\", en = \"one\" }}\n[[steps.actions]]\n\
             get = {{ service = \"client-database\", route = \"client-registry/allHouses\" }}\n\
             {expected}\n"
        )
    };
    let met = write(folder, "met.toml", &scenario("expect = { length = 1 }"));
    let printed = done(url, &["scenario", "run", "--against", url, &met]);
    assert!(
        printed.contains("✓ 1 expectations met, 0 not met"),
        "{printed}"
    );
    let not_met = write(folder, "not-met.toml", &scenario("expect = { length = 7 }"));
    let failed = leyden(
        url,
        &[
            "scenario",
            "run",
            "--against",
            url,
            "--lang",
            "fr",
            &not_met,
        ],
    );
    let printed = String::from_utf8_lossy(&failed.stdout);
    assert_eq!(code(&failed), 1);
    assert!(
        printed.contains("✗ réponse : attendu (length)7, obtenu [{"),
        "{printed}"
    );
    let wrong = write(folder, "wrong.toml", &scenario("expct = { length = 7 }"));
    let refused = leyden(url, &["scenario", "run", "--against", url, &wrong]);
    assert_eq!(code(&refused), 2);
    assert!(
        complaint(&refused).contains("wrong.toml: line 7: unknown field"),
        "{}",
        complaint(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_share_a_store_are_listed_with_what_they_own() {
    let server = Server::start(Kept::Nothing);
    let folder = tempfile::tempdir().expect("a folder");
    let store = [
        "--store",
        &server.url(),
        "--partitions",
        "4",
        "--lease",
        "5s",
    ];
    let first = Process::start_with(folder.path(), &store).await;
    let second = Process::start_with(folder.path(), &store).await;
    let shares = |hosts: &Value| {
        let hosts = hosts["hosts"].as_array().cloned().unwrap_or_default();
        let units = |host: &Value| host["units"].as_array().map_or(0, Vec::len);
        hosts.iter().map(units).collect::<Vec<_>>()
    };
    let even = async {
        loop {
            let hosts = json_of(&second.url, &["hosts"]);
            if shares(&hosts) == [2, 2] {
                return hosts;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let hosts = tokio::time::timeout(PATIENCE, even).await;
    let hosts = hosts.expect("even shares");
    assert_eq!(hosts["free"], json!([]));
    let urls: Vec<&str> = hosts["hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|host| host["url"].as_str())
        .collect();
    assert!(
        urls.contains(&first.url.as_str()) && urls.contains(&second.url.as_str()),
        "{urls:?}"
    );
    let table = done(&first.url, &["hosts"]);
    assert!(
        table.contains("yes") && table.lines().count() == 3,
        "{table}"
    );

    done(&first.url, &["tick"]);
    let readings = json_of(&second.url, &["streams"]);
    let readings = readings
        .as_array()
        .expect("a list")
        .iter()
        .find(|stream| stream["stream"] == "house.readings")
        .expect("a stream that is subscribed to");
    assert_eq!(readings["partitions"].as_array().map(Vec::len), Some(4));
    assert!(done(&second.url, &["streams"]).contains("2 hosts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_copied_to_a_shared_store_and_goes_on_there() {
    let server = Server::start(Kept::Nothing);
    let to = server.url();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let from = data.to_str().expect("a path in UTF-8");
    let mut alone = Process::start(&data).await;
    let house = r#"{"client_name":"Ada"}"#;
    let add = ["invoke", "/house/house-editor/add-house", "--data", house];
    done(&alone.url, &add);
    done(&alone.url, &["tick", "3"]);
    let houses = ["invoke", "/client-database/client-registry/allHouses"];
    let kept = json_of(&alone.url, &houses);
    let copy = [
        "store",
        "copy",
        "--from",
        from,
        "--to",
        &to,
        "--partitions",
        "2",
    ];
    let busy = leyden(NOBODY, &copy);
    assert_eq!(code(&busy), 1, "the folder is in use");

    alone.kill();
    let report = json_of(NOBODY, &copy);
    assert_eq!(
        (&report["verified"], &report["parts"][0]["part"]),
        (&json!(true), &json!("state"))
    );
    assert!(report["parts"][1]["rows"].as_u64() > Some(3), "{report}");
    let again = leyden(NOBODY, &copy);
    assert_eq!(code(&again), 1);
    assert!(
        complaint(&again).contains("a copy needs one that is empty"),
        "{}",
        complaint(&again)
    );
    let nothing = ["store", "copy", "--from", "no such folder", "--to", &to];
    assert_eq!(code(&leyden(NOBODY, &nothing)), 1);
    assert_eq!(code(&leyden(NOBODY, &["store", "copy", "--to", "x"])), 2);

    let shared = Process::start_with(folder.path(), &["--store", &to]).await;
    assert_eq!(json_of(&shared.url, &houses), kept);
    let ticked = json_of(&shared.url, &["tick"]);
    assert_eq!(
        ticked["now"], "2021-11-07T16:02:22.144Z",
        "time goes on where it was"
    );
}

#[test]
fn a_host_that_is_not_there_is_its_own_exit_code() {
    let output = leyden(NOBODY, &["components"]);
    assert_eq!(code(&output), 3);
    assert!(
        complaint(&output).contains("is `leyden up` running?"),
        "{}",
        complaint(&output)
    );
    let scenario = [
        "scenario",
        "run",
        "--against",
        NOBODY,
        "scenarios/routes.toml",
    ];
    assert_eq!(code(&leyden(NOBODY, &scenario)), 3);
}

#[test]
fn options_of_a_shared_store_are_checked_and_name_their_rule() {
    let shared = "redis://user:secret@127.0.0.1:9/0";
    for (arguments, says) in [
        (
            &["--store", "http://user:secret@h"][..],
            "--store: must begin with redis://",
        ),
        (
            &["--store", "redis://user:secret@"],
            "--store: names no host",
        ),
        (
            &["--store", shared, "--namespace", "{x}"],
            "--namespace: must be",
        ),
        (&["--store", shared, "--partitions", "0"], "--partitions"),
        (
            &["--store", shared, "--lease", "1ms"],
            "--lease: must be 500 ms to 10 min",
        ),
        (&["--store", shared, "--lease", "soon"], "--lease"),
        (
            &["--store", shared, "--advertise", "x"],
            "--advertise: must be a URL",
        ),
        (
            &["--lease", "3s"],
            "--lease: is for hosts that share a store",
        ),
        (&["--durable"], "--durable: is for hosts that share a store"),
    ] {
        let output = leyden(NOBODY, &[&["up"], arguments].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
        let complaint = complaint(&output);
        assert!(complaint.contains(says), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
}

#[test]
fn a_store_that_is_not_there_is_told_without_its_password() {
    let shared = "redis://user:secret@127.0.0.1:9/0";
    let output = leyden(NOBODY, &["up", "--port", "0", "--store", shared]);
    assert_eq!(code(&output), 1);
    let complaint = complaint(&output);
    assert!(complaint.contains("the host does not start"), "{complaint}");
    assert!(!complaint.contains("secret"), "{complaint}");
}

#[test]
fn a_command_line_that_is_wrong_is_its_own_exit_code() {
    assert_eq!(code(&leyden(NOBODY, &["tick", "many"])), 2);
    assert_eq!(code(&leyden("ftp://x", &["components"])), 2);
    assert_eq!(
        code(&leyden(
            NOBODY,
            &["up", "--listen", "0.0.0.0", "--tick", "0"]
        )),
        2
    );
}
