//! A host in a process of its own, reached over HTTP.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its part"
)]
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running `leyden up`; killed when dropped.
pub struct Process {
    child: Child,
    pub url: String,
}

pub fn built(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(kind)
}

/// The host that is started: the one that was built with this program, or, for proofs that need one that breaks
/// on request, what `LEYDEN_HOST` names.
fn program() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "tests and proofs read their own settings"
    )]
    let named = std::env::var_os("LEYDEN_HOST");
    named.map_or_else(|| env!("CARGO_BIN_EXE_leyden").into(), PathBuf::from)
}

fn command(data: &Path, more: &[&str], variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(program());
    command
        .args(["up", "--json", "--port", "0", "--clock", "simulated"])
        .args(["--start", "2021-11-07T15:58:22.144Z", "--data"])
        .arg(data)
        .arg("--plugins")
        .arg(built("plugins"))
        .arg("--compiled")
        .arg(built("compiled"))
        .args(more)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped());
    command
}

impl Process {
    /// Starts a host with a simulated clock over a folder, on a free port.
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// The same with more options.
    pub async fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::start_in(data, more, &[]).await
    }

    /// The same with more environment variables.
    pub async fn start_in(data: &Path, more: &[&str], variables: &[(&str, String)]) -> Self {
        Self::start_as(command(data, more, variables)).await
    }

    /// The same with its log in a file.
    pub async fn start_logged(
        data: &Path,
        more: &[&str],
        variables: &[(&str, String)],
        log: &Path,
    ) -> Self {
        let log = std::fs::File::create(log).expect("a file");
        let mut command = command(data, more, variables);
        command.stderr(log);
        Self::start_as(command).await
    }

    async fn start_as(mut command: Command) -> Self {
        let mut child = command.spawn().expect("leyden starts");
        let stdout = child.stdout.take().expect("piped");
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let line = line.await.expect("no panic").expect("a line");
        let greeting: Value = serde_json::from_str(&line).expect("the greeting is JSON");
        let url = greeting["url"].as_str().expect("a url").to_string();
        Self { child, url }
    }

    /// Process id, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "sent {name}");
    }

    /// With which code it has ended by itself, if it has.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a child");
        status.and_then(|status| status.code())
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Deploys a test component under its own name.
    pub async fn deploy(&self, name: &str) {
        let file = built("guests").join(format!("{name}.wasm"));
        let bytes = std::fs::read(file).expect("cargo xtask build");
        let request = reqwest::Client::new()
            .post(format!("{}/admin/components/{name}", self.url))
            .header("content-type", "application/wasm")
            .body(bytes);
        let answer = request.send().await.expect("an answer");
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap_or_default()
        );
    }

    pub async fn get_json(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.url))
            .await
            .expect("an answer");
        let text = answer.text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    /// Waits until every stream group is idle.
    pub async fn settle(&self) {
        let request = reqwest::Client::new().post(format!("{}/admin/settle", self.url));
        assert!(
            request
                .send()
                .await
                .expect("an answer")
                .status()
                .is_success()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
