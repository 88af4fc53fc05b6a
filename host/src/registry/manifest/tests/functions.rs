//! What manifests say of functions, what is refused for which kind, and how a project's file adds to it.

use super::super::*;
use super::refusal;
use crate::registry::Kind;

const FUNCTION: &str = r#"
name = "hello"
component = "target/hello.wasm"
secrets = ["API_KEY"]

[build]
command = "cargo build --release"
watch = ["src", "Cargo.toml"]

[[routes]]
path = "/hello/{*rest}"

[reuse]
count = 10
age-s = 5

[env]
GREETING = "hello\nworld"
level = ""

[outbound]
hosts = ["api.example.com", "*.example.org:8443"]

[grants]
keyvalue = true

[limits]
queue = 7
request-body-bytes = 1000
response-body-bytes = 4294967296
"#;

#[test]
fn reads_what_functions_have() {
    let project = Project::parse(FUNCTION).unwrap();
    assert_eq!(project.component.as_deref(), Some("target/hello.wasm"));
    let build = project.build.unwrap();
    assert_eq!(build.command, "cargo build --release");
    assert_eq!(build.watch, ["src", "Cargo.toml"]);
    let manifest = project.manifest;
    assert_eq!(manifest, Manifest::parse(FUNCTION).unwrap());
    assert!(manifest.routes[0].any_method);
    assert_eq!(manifest.routes[0].methods, Method::ALL);
    let reuse = Reuse {
        count: 10,
        age_s: 5,
    };
    assert_eq!(manifest.reuse, Some(reuse));
    let name = |name| VariableName::parse(name).unwrap();
    assert_eq!(manifest.env[&name("GREETING")], "hello\nworld");
    assert_eq!(manifest.env[&name("level")], "");
    assert_eq!(manifest.secrets, [name("API_KEY")]);
    let outbound: Vec<String> = manifest.outbound.iter().map(ToString::to_string).collect();
    assert_eq!(outbound, ["api.example.com", "*.example.org:8443"]);
    assert!(manifest.grants.keyvalue && !manifest.grants.ledger);
    let limits = manifest.limits;
    assert_eq!((limits.queue, limits.request_body_bytes), (7, 1000));
    assert_eq!(limits.response_body_bytes, 4 << 30);
}

#[test]
fn without_a_word_a_function_is_fresh_and_closed() {
    let manifest = Manifest::parse("").unwrap();
    assert_eq!(manifest.reuse, None);
    assert!(manifest.outbound.is_empty() && manifest.secrets.is_empty());
    let reuse = Manifest::parse("[reuse]").unwrap().reuse.unwrap();
    assert_eq!((reuse.count, reuse.age_s), (1_000, 60));
}

#[test]
fn what_breaks_a_rule_is_named_with_its_place() {
    let long = format!("[env]\nA = \"{}\"", "x".repeat(ENV_VALUE_BYTES_MAX + 1));
    let hosts = format!(
        "[outbound]\nhosts = [\n{}]",
        host_lines(OUTBOUND_HOSTS_MAX + 1)
    );
    for (text, line, key) in [
        ("[reuse]\ncount = 0", 2, "reuse.count"),
        ("[reuse]\nage-s = 3601", 2, "reuse.age-s"),
        ("[env]\nA = \"1\"\n\"B-C\" = \"2\"", 3, "env.B-C"),
        ("[env]\nA = \"a\\u0000\"", 2, "env.A"),
        (&long, 2, "env.A"),
        ("secrets = [\"A\",\n\"1A\"]", 2, "secrets[1]"),
        ("secrets = [\"A\", \"A\"]", 1, "secrets[1]"),
        ("secrets = [\"A\"]\n[env]\nA = \"1\"", 1, "secrets[0]"),
        (
            "[outbound]\nhosts = [\"a.com\", \"http://a.com\"]",
            2,
            "outbound.hosts[1]",
        ),
        (
            "[outbound]\nhosts = [\"a.com\", \"a.com\"]",
            2,
            "outbound.hosts[1]",
        ),
        (&hosts, 3 + OUTBOUND_HOSTS_MAX, "outbound.hosts[32]"),
        ("[limits]\nqueue = 4097", 2, "limits.queue"),
        (
            "[limits]\nrequest-body-bytes = 4294967297",
            2,
            "limits.request-body-bytes",
        ),
        ("component = \"\"", 1, "component"),
        ("[build]\ncommand = \" \"", 2, "build.command"),
        (
            "[build]\ncommand = \"x\"\nwatch = [\"a\", \"\"]",
            3,
            "build.watch[1]",
        ),
        ("[reuse]\nfresh = true", 2, "fresh"),
    ] {
        let refused = refusal(text);
        assert_eq!((refused.0, refused.1.as_str()), (line, key), "{text}");
    }
}

fn host_lines(count: usize) -> String {
    (0..count).map(|n| format!("\"h{n}.com\",\n")).collect()
}

#[test]
fn places_have_columns_in_characters() {
    let refused = Manifest::parse("[env]\nA = \"é\"\n\"é\" = \"x\"").unwrap_err();
    let Error::Rule { place, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((place.line, place.column, place.width), (3, 1, 3));
    let refused = Manifest::parse("[limits]\nqueue   =  0 # none").unwrap_err();
    let Error::Rule { place, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((place.line, place.column, place.width), (2, 12, 1));
}

#[test]
fn what_a_kind_does_not_have_is_refused_with_its_place() {
    let route = "[[routes]]\npath = \"/a\"\nmethods = [\"POST\"]\n";
    let (rows, body, audited) = (
        format!("{route}rows = true"),
        format!("{route}body-limit-bytes = 5"),
        format!("{route}audited = true"),
    );
    for (text, line, key) in [
        ("[streams]\nsubscribe = [\"a\"]", 2, "streams.subscribe"),
        ("[streams]\npublish = [\"a\"]", 2, "streams.publish"),
        ("[grants]\nledger = true", 2, "grants.ledger"),
        ("[grants]\n\npartners = true", 3, "grants.partners"),
        ("[limits]\nbatch = 5", 2, "limits.batch"),
        (&rows, 4, "routes[0].rows"),
        (&body, 4, "routes[0].body-limit-bytes"),
        (&audited, 4, "routes[0].audited"),
    ] {
        let manifest = Manifest::parse(text).unwrap();
        let refused = manifest.check_kind(Kind::Function).unwrap_err();
        let Error::Rule { place, key: at, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((place.line, at.as_str()), (line, key), "{text}");
        assert_eq!(manifest.check_kind(Kind::Service), Ok(()), "{text}");
    }
    for text in [
        "[env]\nA = \"1\"",
        "secrets = [\"A\"]",
        "[outbound]\nhosts = [\"a.com\"]",
        "[limits]\nqueue = 1",
        "[limits]\nresponse-body-bytes = 1",
        "[grants]\nkeyvalue = true",
    ] {
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.check_kind(Kind::Function), Ok(()), "{text}");
        assert!(manifest.check_kind(Kind::Service).is_err(), "{text}");
        assert!(manifest.check_kind(Kind::Policy).is_err(), "{text}");
    }
    let reuse = Manifest::parse("[reuse]").unwrap();
    assert_eq!(reuse.check_kind(Kind::Function), Ok(()));
    assert_eq!(reuse.check_kind(Kind::Service), Ok(()));
    assert!(reuse.check_kind(Kind::Policy).is_err());
}

#[test]
fn switched_off_is_not_misplaced() {
    let text = "[grants]\nledger = false\n[streams]\nsubscribe = []";
    assert_eq!(
        Manifest::parse(text).unwrap().check_kind(Kind::Function),
        Ok(())
    );
    let text = "secrets = []\n[env]\n[outbound]\nhosts = []\n[grants]\nkeyvalue = false";
    assert_eq!(
        Manifest::parse(text).unwrap().check_kind(Kind::Service),
        Ok(())
    );
}
