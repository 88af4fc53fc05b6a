//! Verbs over hosts that share a store, and over the store itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::process::Process;
use super::support::redis::{Kept, Server};
use super::{NOBODY, code, complaint, done, json_of, leyden};

/// Longest wait for what will be so, far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let table = done(&second.url, &["hosts"]);
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
