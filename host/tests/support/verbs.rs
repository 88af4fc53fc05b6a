//! The binary with its verbs: what it prints and how it ends.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A port on which nothing listens: the discard service's, which needs a privileged process.
pub const NOBODY: &str = "http://127.0.0.1:9";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn leyden(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
    command
        .args(["--url", url])
        .args(arguments)
        .current_dir(root());
    command.env("LEYDEN_COMPILED", root().join("target/compiled"));
    // Whoever runs the tests may be a partner somewhere.
    command
        .env_remove("LEYDEN_PARTNER")
        .env_remove("LEYDEN_TOKEN_FILE");
    command.output().expect("the binary starts")
}

/// What a verb prints that succeeds.
pub fn done(url: &str, arguments: &[&str]) -> String {
    let output = leyden(url, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("text")
}

pub fn json_of(url: &str, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&done(url, &arguments)).expect("JSON")
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}
