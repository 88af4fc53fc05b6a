//! `leyden receipt verify`, which needs no host: receipts are signed here as a host signs them.

use std::fs;
use std::path::Path;

use leyden::ids::{Digest, Instant, PartnerId};
use leyden::metering::{Dataset, ReadEntry};
use leyden::partners::receipts::{Facts, Head, Outcome, Reader, Signer, Subject};
use serde_json::json;

use super::{NOBODY, code, complaint, done, json_of, leyden};

const REPORT: &[u8] = b"<svg/>";

fn facts(id: &str) -> Facts {
    Facts {
        id: id.into(),
        partner: PartnerId::parse("acme").expect("an id"),
        reader: Reader::Plugin(Subject {
            name: "peaks".into(),
            digest: Digest::of(b"plugin").to_string(),
        }),
        policy: Some(Digest::of(b"policy")),
        generation: None,
        trust_level: 1,
        at: Instant(1_636_300_702_144),
        trigger: "request".into(),
        reads: vec![ReadEntry {
            dataset: Dataset::GlobalConsumption,
            from_ms: 1_636_300_000_000,
            to_ms: 1_636_300_600_000,
            rows: 10,
            datapoints: 50,
        }],
        fuel: 1_000,
        compute: 0,
        outcome: Outcome::Report,
        report: Some(Digest::of(REPORT)),
    }
}

/// Three receipts that follow on each other, and the key that they are verified with.
fn chain(folder: &Path) -> (Vec<String>, String) {
    let signer = Signer::new(&[7; 32]);
    let mut head = Head::default();
    let mut files = Vec::new();
    for id in ["a", "b", "c"] {
        let issued = signer.issue(&head, &facts(id));
        head = issued.head;
        files.push(write(&folder.join(format!("{id}.json")), &issued.bytes));
    }
    let key = signer.public_key().to_pem();
    (files, write(&folder.join("leyden.pub"), key.as_bytes()))
}

fn write(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The exit code and the complaint about these files.
fn verified(files: &[&String], key: &str) -> (i32, String) {
    let files = files.iter().map(|file| file.as_str());
    let arguments: Vec<&str> = ["receipt", "verify"]
        .into_iter()
        .chain(files)
        .chain(["--key", key])
        .collect();
    let output = leyden(NOBODY, &arguments);
    (code(&output), complaint(&output))
}

#[test]
fn a_receipt_is_verified_without_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, key) = chain(folder.path());
    let text = done(NOBODY, &["receipt", "verify", &files[0], "--key", &key]);
    assert!(
        text.contains("The receipt is sound: 50 datapoints."),
        "{text}"
    );
    let told = json_of(NOBODY, &["receipt", "verify", &files[1], "--key", &key]);
    assert_eq!(
        (&told["sound"], &told["receipts"][0]["sequence"]),
        (&json!(true), &json!(2))
    );
}

#[test]
fn several_receipts_are_a_chain_in_any_order_of_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, key) = chain(folder.path());
    let [a, b, c] = &files[..] else {
        panic!("three files")
    };
    assert_eq!(verified(&[c, a, b], &key).0, 0);
    assert_eq!(verified(&[b, c], &key).0, 0, "a part of it");
    let (code, says) = verified(&[a, c], &key);
    assert!(
        code == 1 && says.contains("does not follow"),
        "{code}: {says}"
    );
    assert!(says.contains("c.json"), "{says}");
    assert_eq!(verified(&[a, a], &key).0, 1, "twice the same");
}

#[test]
fn a_changed_byte_another_key_or_another_report_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, key) = chain(folder.path());
    let mut bytes = fs::read(&files[0]).expect("a receipt");
    let at = bytes
        .windows(2)
        .position(|pair| pair == b"50")
        .expect("a price");
    bytes[at] = b'1';
    let changed = write(&folder.path().join("changed.json"), &bytes);
    let (code_of, says) = verified(&[&changed], &key);
    assert!(
        code_of == 1 && says.contains("changed"),
        "{code_of}: {says}"
    );
    let other = Signer::new(&[8; 32]).public_key().to_pem();
    let other = write(&folder.path().join("other.pub"), other.as_bytes());
    assert_eq!(verified(&[&files[0]], &other).0, 1);
    assert_eq!(verified(&[&files[0]], &files[0]).0, 2, "no key at all");
    assert_eq!(verified(&[&key], &key).0, 1, "no receipt at all");
    let report = |bytes: &[u8]| write(&folder.path().join("report"), bytes);
    let with_report = |report: &str| {
        let arguments = [
            "receipt", "verify", &files[0], "--key", &key, "--report", report,
        ];
        code(&leyden(NOBODY, &arguments))
    };
    assert_eq!(with_report(&report(REPORT)), 0);
    assert_eq!(with_report(&report(b"<svg />")), 1);
    assert_eq!(with_report("no such file"), 2);
}
