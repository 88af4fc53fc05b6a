//! Versions: deployed, swapped under traffic, rolled back, brought back after a restart.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leyden::host::Host;
use leyden::operators::Operator;
use leyden::registry::{Error, Kind, Source};
use support::{TestHost, built, config, guest, name, plugin};

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_on_a_version_finishes_on_it_while_the_next_is_swapped_in() {
    let host = Arc::new(TestHost::with_guests(&["probe"]).await);
    let stop = Arc::new(AtomicBool::new(false));
    let traffic: Vec<_> = (0..8)
        .map(|_| {
            let (host, stop) = (host.clone(), stop.clone());
            tokio::spawn(async move {
                let mut counted = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let body = r#"{"key":"swap","busy-ms":3}"#;
                    let params = [("action", "increment")];
                    let answer = host
                        .post("probe", "/probe/{action}", &params, body, None)
                        .await;
                    answer.expect("nothing is dropped while versions swap");
                    counted += 1;
                }
                counted
            })
        })
        .collect();
    // The same component with a trailing custom section is another version of it.
    for version in 0..10_u8 {
        let mut bytes = guest("probe");
        bytes.extend_from_slice(&[0, 3, 1, b'v', version]);
        let activation = host
            .host
            .registry
            .deploy(&Operator::host(), &name("probe"), bytes)
            .await
            .expect("deployed");
        assert_ne!(Some(activation.digest), activation.previous);
    }
    stop.store(true, Ordering::Relaxed);
    let mut counted = 0;
    for task in traffic {
        counted += task.await.expect("no panic");
    }
    let answer = host
        .get("probe", "/probe/counter/{key}", &[("key", "swap")])
        .await
        .expect("a counter");
    assert_eq!(answer.body, counted.to_string().into_bytes());
    let versions = host
        .host
        .registry
        .versions(&name("probe"))
        .await
        .expect("versions");
    assert_eq!(
        (versions.len(), versions.iter().filter(|v| v.active).count()),
        (11, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_swaps_and_rolls_back() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    let before = registry.generation();
    // The kind is read from the type: a policy is one that imports nothing.
    for policy in ["access", "assignment", "peak-limit", "schedule", "shed"] {
        assert_eq!(before.components[&name(policy)].kind, Kind::Policy);
    }
    let default = before.components[&name("schedule")].digest;
    let aware = plugin("alternatives/schedule-load-aware");
    let activation = registry
        .deploy(&Operator::host(), &name("schedule"), aware)
        .await
        .expect("deployed");
    assert_eq!(activation.previous, Some(default.to_string()));
    let back = registry
        .rollback(&Operator::host(), &name("schedule"), None)
        .await
        .expect("rolled back");
    assert_eq!(back.digest, default.to_string());
    assert_eq!(
        before.components[&name("schedule")].digest,
        default,
        "a held generation does not change"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alternative_takes_the_place_of_its_policy() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    for (policy, alternative) in [
        ("access", "access-dynamic"),
        ("peak-limit", "peak-limit-time-of-use"),
        ("schedule", "schedule-load-aware"),
        ("shed", "shed-fair"),
    ] {
        let bytes = plugin(&format!("alternatives/{alternative}"));
        let activation = registry
            .deploy(&Operator::host(), &name(policy), bytes)
            .await
            .expect("deployed");
        let active = &registry.generation().components[&name(policy)];
        assert_eq!(active.digest.to_string(), activation.digest);
        assert_eq!(active.kind, Kind::Policy, "{alternative} imports nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_activated_changes_nothing() {
    let host = TestHost::start().await;
    let registry = &host.host.registry;
    let number = registry.generation().number;
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let truncated = guest("echo")[..1_000].to_vec();
    for (why, bytes) in [
        ("core", core_module),
        ("text", b"hello".to_vec()),
        ("cut", truncated),
    ] {
        let result = registry
            .deploy(&Operator::host(), &name("wrong"), bytes)
            .await;
        assert!(
            matches!(result, Err(Error::Invalid(_))),
            "{why}: {result:?}"
        );
    }
    let twin = registry
        .deploy(&Operator::host(), &name("house-two"), plugin("house"))
        .await;
    assert!(
        matches!(&twin, Err(Error::Conflict(why)) if why.contains("house")),
        "{twin:?}"
    );
    assert_eq!(registry.generation().number, number);
    let versions = registry.versions(&name("house-two")).await;
    assert!(
        matches!(versions, Err(Error::UnknownComponent(_))),
        "nothing was stored"
    );
    let unknown = registry
        .rollback(&Operator::host(), &name("house"), None)
        .await;
    assert!(
        matches!(unknown, Err(Error::UnknownVersion(..))),
        "{unknown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_operators_versions_and_renews_the_bundled_ones() {
    let (data, plugins) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    for file in std::fs::read_dir(built("plugins"))
        .expect("plugins")
        .filter_map(Result::ok)
    {
        if file.path().is_file() {
            std::fs::copy(file.path(), plugins.path().join(file.file_name())).expect("copied");
        }
    }
    let config = config(data.path(), plugins.path());
    let host = Host::start(&config).await.expect("a host");
    let aware = plugin("alternatives/schedule-load-aware");
    let deployed = host
        .registry
        .deploy(&Operator::host(), &name("schedule"), aware)
        .await
        .expect("deployed");
    host.stop().await;
    // A newer host brings other bytes for `schedule` and for `shed`.
    for changed in ["schedule", "shed"] {
        let mut bytes = plugin(changed);
        bytes.extend_from_slice(&[0, 3, 1, b'v', 1]);
        std::fs::write(plugins.path().join(format!("{changed}.wasm")), bytes).expect("written");
    }
    let host = Host::start(&config).await.expect("the host again");
    let generation = host.registry.generation();
    let schedule = &generation.components[&name("schedule")];
    assert_eq!(
        (schedule.digest.to_string(), schedule.source),
        (deployed.digest, Source::Operator)
    );
    let shed = &generation.components[&name("shed")];
    assert_eq!(shed.source, Source::Bundled);
    assert_eq!(
        host.registry
            .versions(&name("shed"))
            .await
            .expect("versions")
            .len(),
        2
    );
    host.stop().await;
}
