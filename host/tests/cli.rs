//! The command line against a host in a process of its own: what the verbs print and how they end.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support {
    #[allow(
        dead_code,
        unreachable_pub,
        clippy::expect_used,
        reason = "each test file uses its part, and one that cannot go on should stop"
    )]
    pub mod policies;
    pub mod process;
    pub mod redis;
    pub mod verbs;
}
#[path = "verbs/function.rs"]
mod function;
#[path = "verbs/ledger.rs"]
mod ledger;
#[path = "verbs/partner.rs"]
mod partner;
#[path = "verbs/plugin.rs"]
mod plugin;
#[path = "verbs/policy.rs"]
mod policy;
#[path = "verbs/receipt.rs"]
mod receipt;
#[path = "verbs/record.rs"]
mod record;
#[path = "verbs/shared.rs"]
mod shared;
#[path = "verbs/tree.rs"]
mod tree;

use std::path::Path;

use serde_json::{Value, json};
use support::process::Process;
use support::verbs::{NOBODY, code, complaint, done, json_of, leyden, root, write};

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

#[test]
fn a_host_that_is_not_there_is_its_own_exit_code() {
    let output = leyden(NOBODY, &["components"]);
    assert_eq!(code(&output), 3);
    assert!(
        complaint(&output).contains("start one with `leyden up`"),
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
