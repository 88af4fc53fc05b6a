//! The partner's verbs that need no host: new projects, the check, keys and signatures.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::process::Process;
use super::{NOBODY, code, complaint, done, json_of, leyden, root};

const LOAD_CURVE: &str = "target/plugins-partners/load-curve.wasm";

fn path(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn a_new_project_has_the_hosts_own_interfaces() {
    let folder = tempfile::tempdir().expect("a folder");
    for (language, glue) in [
        ("rust", "src/lib.rs"),
        ("python", "app.py"),
        ("js", "plugin.js"),
    ] {
        let project = path(folder.path(), language);
        let new = [
            "plugin",
            "new",
            "my-report",
            "--lang",
            language,
            "--folder",
            &project,
        ];
        let told = done(NOBODY, &new);
        assert!(told.contains("leyden plugin check"), "{told}");
        assert!(Path::new(&project).join(glue).is_file(), "{language}");
        for package in ["data", "clock", "log"] {
            let wit = format!("deps/{package}@0.1.0/{package}.wit");
            let own = fs::read(root().join("wit").join(&wit)).expect("the repository's");
            assert_eq!(
                fs::read(Path::new(&project).join("wit").join(&wit)).ok(),
                Some(own)
            );
        }
        let again = leyden(NOBODY, &new);
        assert_eq!(code(&again), 2, "what is there stays");
        assert!(
            complaint(&again).contains("--folder"),
            "{}",
            complaint(&again)
        );
    }
    assert_eq!(
        code(&leyden(
            NOBODY,
            &["plugin", "new", "My Report", "--lang", "rust"]
        )),
        2
    );
    assert_eq!(
        code(&leyden(NOBODY, &["plugin", "new", "x", "--lang", "cobol"])),
        2
    );
}

#[test]
fn a_check_names_each_import_and_what_it_needs() {
    let checked = json_of(NOBODY, &["plugin", "check", LOAD_CURVE]);
    assert_eq!(checked["datasets"], json!(["global-consumption"]));
    assert_eq!(checked["trustLevel"], 1);
    let bytes = fs::read(root().join(LOAD_CURVE)).expect("cargo xtask build");
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(checked["digest"], json!(digest));
    let table = done(NOBODY, &["plugin", "check", LOAD_CURVE, "--trust", "1"]);
    let line = |import: &str| {
        table
            .lines()
            .find(|line| line.starts_with(import))
            .map(str::to_owned)
    };
    let dataset = line("leyden:data/global-consumption@0.1.0").expect("its line");
    assert!(
        dataset.contains("trust level 1") && dataset.ends_with("yes"),
        "{dataset}"
    );
    let log = line("leyden:log/log@0.1.0").expect("its line");
    assert!(log.contains("nothing") && log.ends_with("yes"), "{log}");
}

#[test]
fn what_would_be_refused_is_told_with_its_reason() {
    let little = leyden(NOBODY, &["plugin", "check", LOAD_CURVE, "--trust", "0"]);
    assert_eq!(code(&little), 1);
    let says = complaint(&little);
    assert!(
        says.contains("leyden:data/global-consumption@0.1.0: needs trust level 1, not 0"),
        "{says}"
    );
    let service = leyden(
        NOBODY,
        &["--json", "plugin", "check", "target/guests/echo.wasm"],
    );
    assert_eq!(code(&service), 1, "a component of the operator");
    let refused: Value = serde_json::from_str(&complaint(&service)).expect("JSON");
    assert!(refused["reasons"][0]["remedy"].is_string(), "{refused}");
    let text = leyden(NOBODY, &["plugin", "check", "Cargo.toml"]);
    assert_eq!(code(&text), 1);
    assert!(
        complaint(&text).contains("not a WebAssembly component"),
        "{}",
        complaint(&text)
    );
    assert_eq!(
        code(&leyden(NOBODY, &["plugin", "check", "no such file"])),
        2
    );
}

#[test]
fn a_plugin_in_python_passes_the_check() {
    let component = "target/plugins-partners/solar-report.wasm";
    if !root().join(component).is_file() {
        eprintln!("skipped: cargo xtask build could not make {component}");
        return;
    }
    let checked = json_of(NOBODY, &["plugin", "check", component, "--trust", "3"]);
    assert_eq!(
        checked["datasets"],
        json!(["production", "detailed-consumption"])
    );
    let imports = checked["imports"].as_array().expect("a list");
    assert!(
        imports.iter().all(|import| import["needs"] != "empty-wasi"),
        "{checked}"
    );
    assert_eq!(
        code(&leyden(
            NOBODY,
            &["plugin", "check", component, "--trust", "2"]
        )),
        1
    );
}

#[test]
fn a_signature_fits_the_documented_text_and_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = path(folder.path(), "signing.pem");
    done(NOBODY, &["plugin", "keygen", &key]);
    assert_eq!(
        code(&leyden(NOBODY, &["plugin", "keygen", &key])),
        2,
        "a key is never written over"
    );
    let sign = |version: &str| {
        let named = ["--partner", "acme", "--name", "peaks", "--version", version];
        done(
            NOBODY,
            &[&["plugin", "sign", LOAD_CURVE, "--key", &key], &named[..]].concat(),
        )
    };
    let signature = STANDARD.decode(sign("1.0").trim()).expect("base64");
    let signature = Signature::from_slice(&signature).expect("64 bytes");
    let public = fs::read_to_string(format!("{key}.pub")).expect("the public key");
    let public = VerifyingKey::from_public_key_pem(&public).expect("PEM");
    let digest = json_of(NOBODY, &["plugin", "check", LOAD_CURVE])["digest"].clone();
    let digest = digest.as_str().expect("a digest");
    let text = format!("leyden-upload-v1\n{digest}\nacme\npeaks\n1.0\n");
    assert!(public.verify(text.as_bytes(), &signature).is_ok());
    assert_ne!(sign("1.1"), sign("1.0"));
}

#[test]
fn what_a_signature_needs_is_asked_for_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = path(folder.path(), "signing.pem");
    done(NOBODY, &["plugin", "keygen", &key]);
    let public = format!("{key}.pub");
    for (arguments, says) in [
        (&["--key", &key, "--name", "peaks"][..], "LEYDEN_PARTNER"),
        (
            &["--key", &key, "--name", "Peaks", "--partner", "acme"],
            "a plugin's name",
        ),
        (
            &["--key", &key, "--name", "p", "--partner", "a/b"],
            "a partner's id",
        ),
        (
            &[
                "--key",
                &key,
                "--name",
                "p",
                "--partner",
                "a",
                "--version",
                "1 0",
            ],
            "--version",
        ),
        (
            &["--key", &public, "--name", "p", "--partner", "a"],
            "PRIVATE KEY",
        ),
        (
            &["--key", "no such file", "--name", "p", "--partner", "a"],
            "no such file",
        ),
    ] {
        let output = leyden(
            NOBODY,
            &[&["plugin", "sign", LOAD_CURVE], arguments].concat(),
        );
        assert_eq!(code(&output), 2, "{arguments:?}: {}", complaint(&output));
        assert!(
            complaint(&output).contains(says),
            "{arguments:?}: {}",
            complaint(&output)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_brings_versions_in_and_takes_them_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    let (token, signing) = (
        path(folder.path(), "token"),
        path(folder.path(), "signing.pem"),
    );
    done(
        url,
        &[
            "partner",
            "add",
            "acme",
            "--trust",
            "1",
            "--key-file",
            &token,
        ],
    );
    done(url, &["plugin", "keygen", &signing]);
    let push = as_acme(
        &[
            "push",
            LOAD_CURVE,
            "--name",
            "curve",
            "--version",
            "1",
            "--key",
            &signing,
        ],
        &token,
    );
    let unknown = leyden(url, &push);
    assert_eq!(code(&unknown), 4, "no key is registered");
    done(url, &["partner", "key", "acme", &format!("{signing}.pub")]);
    let first = json_of(url, &push)["digest"].clone();
    assert!(done(url, &as_acme(&["list"], &token)).contains("global-consumption"));

    let second = with_a_section_more(folder.path());
    let sign = as_acme(
        &[
            "sign",
            &second,
            "--name",
            "curve",
            "--version",
            "2",
            "--key",
            &signing,
        ],
        &token,
    );
    let signature = done(url, &sign).trim().to_owned();
    let push = |version| {
        let label = ["push", &second, "--name", "curve", "--version", version];
        leyden(
            url,
            &as_acme(&[&label[..], &["--signature", &signature]].concat(), &token),
        )
    };
    let other = push("3");
    assert!(
        code(&other) == 4 && complaint(&other).contains("ignature"),
        "{}",
        complaint(&other)
    );
    assert_eq!(code(&push("2")), 0);
    let versions = json_of(url, &as_acme(&["versions", "curve"], &token));
    assert_eq!(
        (&versions[0]["version"], &versions[1]["version"]),
        (&json!("2"), &json!("1"))
    );
    let back = json_of(
        url,
        &as_acme(
            &[
                "rollback",
                "curve",
                "--to",
                first.as_str().expect("a digest"),
            ],
            &token,
        ),
    );
    assert_eq!((&back["digest"], &back["version"]), (&first, &json!("1")));
    assert_eq!(
        code(&leyden(
            url,
            &as_acme(&["rollback", "curve", "--to", "x"], &token)
        )),
        1
    );

    let as_other = [
        "plugin",
        "list",
        "--token-file",
        &token,
        "--partner",
        "other",
    ];
    assert_eq!(
        code(&leyden(url, &as_other)),
        4,
        "a key opens its own partner only"
    );
    done(url, &as_acme(&["delete", "curve"], &token));
    assert_eq!(done(url, &as_acme(&["list"], &token)), "(none)\n");
}

/// The words of a verb that acme uses.
fn as_acme<'a>(verb: &[&'a str], token: &'a str) -> Vec<&'a str> {
    [
        &["plugin"],
        verb,
        &["--token-file", token, "--partner", "acme"],
    ]
    .concat()
}

/// The same component with an empty custom section more: other bytes, so another version.
fn with_a_section_more(folder: &Path) -> String {
    let mut bytes = fs::read(root().join(LOAD_CURVE)).expect("cargo xtask build");
    bytes.extend([0, 2, 1, b'x']);
    let file = path(folder, "second.wasm");
    fs::write(&file, bytes).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_told_in_words_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    let token = path(folder.path(), "token");
    let signing = path(folder.path(), "signing.pem");
    let add = ["partner", "add", "acme", "--trust", "1", "--credit", "1000"];
    done(url, &[&add[..], &["--key-file", &token]].concat());
    done(url, &["plugin", "keygen", &signing]);
    done(url, &["partner", "key", "acme", &format!("{signing}.pub")]);
    let push = ["push", LOAD_CURVE, "--name", "curve", "--version", "1"];
    let push = [&push[..], &["--key", &signing]].concat();
    done(url, &as_acme(&push, &token));

    let params = r#"{"from":"2021-11-07T00:00:00Z","to":"2021-11-08T00:00:00Z"}"#;
    let quote = as_acme(&["quote", "curve", "--params", params], &token);
    let told = json_of(url, &quote);
    assert_eq!(told["plugin"]["name"], "curve");
    let price = json!([{ "dataset": "global-consumption", "datapointsPerRead": 50 }]);
    assert_eq!((&told["prices"], &told["balance"]), (&price, &json!(1_000)));
    let total = told["tried"]["total"].as_u64().expect("a sum");
    assert!(total > 0 && total.is_multiple_of(50), "{told}");
    let words = done(url, &quote);
    let estimate = format!("{total} datapoints");
    for says in [estimate.as_str(), "made-up households: report", "none yet"] {
        assert!(words.contains(says), "{says} in {words}");
    }
    let unknown = leyden(url, &as_acme(&["quote", "nothing"], &token));
    assert_eq!(code(&unknown), 1);
}
