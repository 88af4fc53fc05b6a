//! Who may name what: the boundaries of ARCHITECTURE.md, read off the sources.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

/// A crate or path, and the places under `src/` that may name it.
const RULES: [(&[&str], &[&str]); 8] = [
    (&["axum::"], &["gateway"]),
    (&["hyper::", "hyper_util::"], &["gateway", "outbound"]),
    (
        &["rustls::"],
        &["gateway/tls.rs", "cli/tunnel.rs", "outbound", "store/redis"],
    ),
    (
        &["wasmtime::", "wasmtime_wasi"],
        &["runtime", "capabilities"],
    ),
    (&["rusqlite::"], &["store/embedded"]),
    // The crate, not the module of the same name.
    (
        &[
            "use ::redis",
            "redis::cmd",
            "redis::Client",
            "redis::Script",
            "redis::aio",
            "redis::FromRedisValue",
        ],
        &["store/redis"],
    ),
    (
        &["SystemTime", "Instant::now", "Utc::now", "thread::sleep"],
        &["clock.rs"],
    ),
    (&["env::var"], &["config.rs"]),
];

/// Modules that must not know of others: who, and what they must not name.
const BLIND: [(&str, &[&str]); 6] = [
    (
        "outbound",
        &[
            "crate::dispatch",
            "crate::runtime",
            "crate::gateway",
            "crate::store",
        ],
    ),
    (
        "telemetry",
        &[
            "crate::dispatch",
            "crate::runtime",
            "crate::registry",
            "crate::gateway",
            "crate::store",
            "crate::streams",
            "crate::cli",
        ],
    ),
    (
        "store",
        &[
            "crate::dispatch",
            "crate::runtime",
            "crate::registry",
            "crate::gateway",
            "crate::streams",
        ],
    ),
    (
        "dispatch",
        &["crate::gateway", "crate::cli", "crate::capabilities"],
    ),
    (
        "runtime",
        &["crate::gateway", "crate::cli", "crate::streams"],
    ),
    (
        "streams",
        &["crate::gateway", "crate::cli", "crate::runtime"],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
        {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => {
                    let text = std::fs::read_to_string(&path).expect("text");
                    let code = text
                        .lines()
                        .filter(|line| !line.trim_start().starts_with("//"));
                    let code = code.collect::<Vec<_>>().join("\n");
                    files.push((path.strip_prefix(&root).expect("below").to_path_buf(), code));
                }
            }
        }
    }
    files
}

#[test]
fn only_the_named_modules_name_a_backend() {
    for (path, code) in sources() {
        for (names, places) in RULES {
            let allowed = places
                .iter()
                .any(|place| path.to_string_lossy().starts_with(place));
            for name in names.iter().filter(|_| !allowed) {
                assert!(
                    !code.contains(name),
                    "{} names {name}: only {places:?} may",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn modules_do_not_know_of_those_above_them() {
    for (path, code) in sources() {
        for (module, names) in BLIND {
            let inside =
                path.starts_with(module) || path.to_string_lossy() == format!("{module}.rs");
            for name in names.iter().filter(|_| inside) {
                assert!(!code.contains(name), "{} names {name}", path.display());
            }
        }
    }
}
