//! Tests of the manifest's rules and of the section that carries it.

mod chance;
mod functions;

use super::*;

const FULL: &str = r#"
name = "house"
description = "Devices of houses"
bundled = false

[[routes]]
path = "/house/house-editor/house/{id}/add-object"
methods = ["POST"]
body-limit-bytes = 2048
audited = true

[[routes]]
path = "/meters/readings"
methods = ["POST", "PUT"]
rows = true

[streams]
subscribe = ["clock.ticks"]
publish = ["house.readings"]

[grants]
ledger = true

[limits]
memory-mib = 128
deadline-ms = 5000
concurrency = 8
batch = 100
"#;

/// A component with nothing inside.
const EMPTY_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// The line, key and rule of the error that a text gives.
fn refusal(text: &str) -> (usize, String, String) {
    match Manifest::parse(text) {
        Err(Error::Rule { place, key, rule }) => (place.line, key, rule),
        other => panic!("expected a broken rule, got {other:?}"),
    }
}

#[test]
fn reads_every_key() {
    let manifest = Manifest::parse(FULL).unwrap();
    assert_eq!(manifest.name.unwrap().as_str(), "house");
    assert!(!manifest.bundled);
    assert_eq!(manifest.routes[0].methods, [Method::Post]);
    assert_eq!(manifest.routes[0].body_limit_bytes, 2048);
    assert!(manifest.routes[1].rows);
    let audited = manifest.routes.iter().map(|route| route.audited);
    assert_eq!(audited.collect::<Vec<_>>(), [true, false]);
    assert_eq!(manifest.subscribe[0].as_str(), "clock.ticks");
    assert_eq!(manifest.publish[0].as_str(), "house.readings");
    assert!(manifest.grants.ledger);
    let limits = Limits {
        memory_bytes: 128 << 20,
        deadline_ms: 5000,
        concurrency: 8,
        batch: 100,
        ..Limits::default()
    };
    assert_eq!(manifest.limits, limits);
}

#[test]
fn an_empty_manifest_has_the_defaults() {
    let manifest = Manifest::parse("").unwrap();
    assert!(manifest.bundled && manifest.routes.is_empty() && !manifest.grants.ledger);
    let limits = Limits {
        memory_bytes: 64 << 20,
        deadline_ms: 2000,
        concurrency: 64,
        batch: 500,
        queue: 256,
        request_body_bytes: 128 << 20,
        response_body_bytes: 128 << 20,
    };
    assert_eq!(manifest.limits, limits);
}

#[test]
fn errors_name_line_key_and_rule() {
    let (line, key, rule) = refusal("name = \"a\"\n\n[limits]\nbatch = 0\n");
    assert_eq!(
        (line, key.as_str(), rule.as_str()),
        (4, "limits.batch", "must be 1 to 10000")
    );

    let (line, key, rule) = refusal("name = \"a\"\ncolour = \"red\"\n");
    assert_eq!((line, key.as_str()), (2, "colour"));
    assert!(rule.contains("unknown field"), "{rule}");

    let (line, key, _) = refusal("[grants]\nledger = \"yes\"\n");
    assert_eq!((line, key.as_str()), (2, "ledger"));

    let route = |line: &str| {
        format!("[[routes]]\npath = \"/a\"\nmethods = [\"GET\"]\n[[routes]]\n{line}\n")
    };
    let (line, key, _) = refusal(&route("path = \"a\"\nmethods = [\"GET\"]"));
    assert_eq!((line, key.as_str()), (5, "routes[1].path"));
}

#[test]
fn a_missing_key_is_named() {
    let (_, _, rule) = refusal("[[routes]]\nmethods = [\"GET\"]\n");
    assert!(rule.contains("path"), "{rule}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    for (key, value) in [
        ("memory-mib", "1025"),
        ("memory-mib", "-1"),
        ("deadline-ms", "60001"),
        ("concurrency", "0"),
        ("batch", "9223372036854775807"),
    ] {
        assert_eq!(
            refusal(&format!("[limits]\n{key} = {value}\n")).1,
            format!("limits.{key}")
        );
    }
}

#[test]
fn bad_paths_are_refused() {
    for path in [
        "",
        "a",
        "/",
        "//",
        "/a/",
        "/a//b",
        "/{x}",
        "/{*x}",
        "/admin",
        "/admin/x",
        "/fn/a",
        "/health",
        "/streams/x",
        "/a/{*x}/b",
        "/a/{x}/{x}",
        "/a/{}",
        "/a/{x",
        "/a/x}",
        "/a/b{x}",
        "/a/..",
        "/a/é",
        "/a/%41",
        "/a?b",
        "/a/{{x}}",
        "/a/*",
    ] {
        let text = format!("[[routes]]\npath = \"{path}\"\nmethods = [\"GET\"]\n");
        assert_eq!(refusal(&text).1, "routes[0].path", "{path}");
    }
}

#[test]
fn bad_methods_are_refused() {
    for methods in [
        "[]",
        "[\"HEAD\"]",
        "[\"get\"]",
        "[\"TRACE\"]",
        "[\"GET\", \"GET\"]",
    ] {
        let text = format!("[[routes]]\npath = \"/a\"\nmethods = {methods}\n");
        assert_eq!(refusal(&text).1, "routes[0].methods", "{methods}");
    }
}

#[test]
fn rows_go_with_writing_methods_and_without_a_body_limit() {
    let text = |rest: &str| format!("[[routes]]\npath = \"/a\"\nrows = true\n{rest}\n");
    assert_eq!(refusal(&text("methods = [\"GET\"]")).1, "routes[0].methods");
    assert!(refusal(&text("")).2.ends_with("name them"));
    let limited = text("methods = [\"POST\"]\nbody-limit-bytes = 5");
    assert_eq!(refusal(&limited).1, "routes[0].body-limit-bytes");
    let audited = text("methods = [\"POST\"]\naudited = true");
    assert_eq!(refusal(&audited).1, "routes[0].audited");
}

#[test]
fn streams_are_named_once_and_well() {
    assert_eq!(
        refusal("[streams]\nsubscribe = [\"a\", \"a\"]").1,
        "streams.subscribe[1]"
    );
    assert_eq!(
        refusal("[streams]\npublish = [\"A\"]").1,
        "streams.publish[0]"
    );
}

#[test]
fn the_default_answers_below_its_name_and_nothing_reserved() {
    let manifest = Manifest::default_for(&ComponentName::parse("echo").unwrap());
    let paths: Vec<&str> = manifest
        .routes
        .iter()
        .map(|route| route.path.as_str())
        .collect();
    assert_eq!(paths, ["/echo", "/echo/{*rest}"]);
    assert_eq!(manifest.routes[0].methods, Method::ALL);
    let admin = Manifest::default_for(&ComponentName::parse("admin").unwrap());
    assert!(admin.routes.is_empty());
}

#[test]
fn a_component_carries_its_manifest() {
    assert_eq!(Manifest::from_component(&EMPTY_COMPONENT), Ok(None));
    let with = attach(&EMPTY_COMPONENT, FULL).unwrap();
    assert_eq!(
        Manifest::from_component(&with),
        Manifest::parse(FULL).map(Some)
    );
}

#[test]
fn attaching_replaces_the_manifest_before() {
    let first = attach(&EMPTY_COMPONENT, FULL).unwrap();
    let second = attach(&first, "name = \"other\"").unwrap();
    assert_eq!(
        second,
        attach(&EMPTY_COMPONENT, "name = \"other\"").unwrap()
    );
    assert_eq!(
        attach(&first, "colour = 1").unwrap_err(),
        Manifest::parse("colour = 1").unwrap_err()
    );
}

#[test]
fn only_one_manifest_at_the_top_level_counts() {
    let with = attach(&EMPTY_COMPONENT, FULL).unwrap();
    let mut twice = with.clone();
    twice.extend_from_slice(&with[8..]);
    assert_eq!(Manifest::from_component(&twice), Err(Error::Repeated));

    // A nested component (section 4) that carries one.
    let mut nested = EMPTY_COMPONENT.to_vec();
    let inner = attach(&EMPTY_COMPONENT, "").unwrap();
    nested.extend([4, u8::try_from(inner.len()).unwrap()]);
    nested.extend(&inner);
    assert_eq!(Manifest::from_component(&nested), Ok(None));
}

#[test]
fn a_cut_component_is_refused_and_never_panics() {
    let with = attach(&EMPTY_COMPONENT, FULL).unwrap();
    for end in 0..with.len() {
        let result = Manifest::from_component(&with[..end]);
        assert!(
            end == 8 || matches!(result, Err(Error::NotAComponent(_))),
            "{end}: {result:?}"
        );
    }
    let module = *b"\0asm\x01\0\0\0";
    let error = Manifest::from_component(&module).unwrap_err().to_string();
    assert!(error.contains("core module"), "{error}");
}
