//! A function's way through the command line: a project that is written, built, deployed, looked at, developed and taken
//! away. The component is one of the tests' own, so that nothing has to be compiled.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::process::{Process, built};
use super::{NOBODY, code, complaint, done, json_of, leyden, write};

/// Longest wait for its next line, for what a loaded machine does in seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A project whose build copies a component.
fn project(folder: &Path, guest: &str) {
    let component = built("guests").join(guest);
    let text = r#"name = "mine"
component = "out.wasm"
description = "Mine."
[build]
command = "cp \"$(cat source)\" out.wasm"
watch = ["source"]
[[routes]]
path = "/mine/{action}"
[[routes]]
path = "/mine"
"#;
    write(folder, "leyden.toml", text);
    write(folder, "source", component.to_str().expect("UTF-8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_built_deployed_looked_at_and_taken_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start_with(&folder.path().join("data"), &["--bare"]).await;
    let url = host.url.as_str();
    let home = folder.path().join("mine");
    std::fs::create_dir(&home).expect("made");
    project(&home, "probe.wasm");
    let place = home.to_str().expect("UTF-8");

    let refused = leyden(url, &["deploy", "--folder", place]);
    assert_eq!(code(&refused), 2);
    assert!(
        complaint(&refused).contains("`leyden build` makes it"),
        "{}",
        complaint(&refused)
    );
    let told = json_of(NOBODY, &["build", "--folder", place]);
    assert_eq!(told["kind"], "service");
    assert!(
        told["imports"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("leyden:log/log@0.1.0")))
    );
    let deployed = json_of(url, &["deploy", "--folder", place]);
    assert_eq!(deployed["name"], "mine");

    let listed = done(url, &["list"]);
    assert!(
        listed.contains("mine") && listed.contains("/mine/{action}"),
        "{listed}"
    );
    assert_eq!(json_of(url, &["list", "--kind", "function"]), json!([]));
    assert_eq!(json_of(url, &["inspect", "mine"])["description"], "Mine.");
    assert!(done(url, &["inspect", "mine"]).contains("leyden:state/store@0.1.0"));
    let header = ["invoke", "/mine/get?key=a", "-H", "accept: text/plain"];
    assert_eq!(code(&leyden(url, &header)), 0);
    done(url, &["invoke", "/mine/logs?n=2"]);
    assert_eq!(done(url, &["logs", "mine"]).lines().count(), 2);
    assert_eq!(
        json_of(url, &["logs", "mine", "--lines", "1"])["lines"][0]["number"],
        2
    );

    let counted = json_of(url, &["metrics", "leyden_requests_total"]);
    let mine = counted.as_array().into_iter().flatten();
    let mut mine =
        mine.filter(|one| one["labels"] == json!({ "component": "mine", "status": "2xx" }));
    assert_eq!(
        mine.next().map(|one| &one["value"]),
        Some(&json!(2.0)),
        "{counted}"
    );
    assert!(done(url, &["metrics"]).contains("# TYPE leyden_requests_total counter"));

    // Other routes, named on the command line.
    done(
        url,
        &["deploy", "--folder", place, "--route", "/other/{action}"],
    );
    assert_eq!(code(&leyden(url, &["invoke", "/mine/get?key=a"])), 1);
    done(url, &["invoke", "/other/get?key=a"]);
    assert_eq!(
        json_of(url, &["versions", "mine"]).as_array().map(Vec::len),
        Some(2)
    );
    done(url, &["rollback", "mine"]);
    done(url, &["invoke", "/mine/get?key=a"]);

    done(url, &["delete", "mine"]);
    assert_eq!(done(url, &["list"]), "(none)\n");
    for verb in [
        &["inspect", "mine"][..],
        &["delete", "mine"],
        &["logs", "mine"],
        &["logs", "mine", "-f"],
    ] {
        assert_eq!(code(&leyden(url, verb)), 1, "{verb:?}");
    }
    assert_eq!(code(&leyden(NOBODY, &["list"])), 3);
}

#[test]
fn mistakes_in_leyden_toml_are_pointed_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("UTF-8");
    let none = leyden(NOBODY, &["build", "--folder", place]);
    assert_eq!(code(&none), 2);
    write(
        folder.path(),
        "leyden.toml",
        "name = \"mine\"\n[limits]\nqueue = 0\n",
    );
    let refused = leyden(NOBODY, &["deploy", "--folder", place]);
    assert_eq!(code(&refused), 2);
    let told = complaint(&refused);
    for line in [
        "leyden.toml:3:9: limits.queue: must be 1 to 4096",
        "3 | queue = 0",
        "  |         ^",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = leyden(NOBODY, &["--json", "deploy", "--folder", place]);
    let told: Value = serde_json::from_str(&complaint(&told)).expect("JSON");
    assert_eq!((&told["line"], &told["column"]), (&json!(3), &json!(9)));
    assert_eq!(told["key"], "limits.queue");
}

#[test]
fn new_projects_have_a_schema_and_a_sound_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = done(NOBODY, &["schema"]);
    for language in ["rust", "js", "python", "c"] {
        let home = folder.path().join(language);
        let place = home.to_str().expect("UTF-8");
        let told = json_of(
            NOBODY,
            &["new", "hello", "--lang", language, "--folder", place],
        );
        assert_eq!(told["build"][1], "leyden build");
        let shipped = std::fs::read_to_string(home.join("wit/leyden.schema.json")).expect("there");
        assert_eq!(shipped, schema);
        // It is not built yet; what is written is sound.
        let refused = leyden(NOBODY, &["deploy", "--folder", place]);
        assert!(
            complaint(&refused).contains("`leyden build` makes it"),
            "{}",
            complaint(&refused)
        );
    }
    let again = folder.path().join("js");
    let again = again.to_str().expect("UTF-8");
    assert_eq!(
        code(&leyden(
            NOBODY,
            &["new", "hello", "--lang", "js", "--folder", again]
        )),
        2
    );
    assert_eq!(code(&leyden(NOBODY, &["new", "admin", "--lang", "js"])), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_taken_from_standard_input_and_told_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start_with(&folder.path().join("data"), &["--bare"]).await;
    let set = |arguments: &[&str], value: &[u8]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command
            .args(["--url", &host.url, "--json", "secret", "set"])
            .args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        // It may have ended before it has read anything.
        let _ = child.stdin.take().expect("piped").write_all(value);
        child.wait_with_output().expect("ended")
    };
    let output = set(&["hello", "API_KEY"], b"hunter2-hunter2\n");
    assert_eq!(code(&output), 0, "{}", complaint(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
    let listed = json_of(&host.url, &["secret", "list", "hello"]);
    assert_eq!(listed[0]["name"], "API_KEY");
    assert!(!listed.to_string().contains("hunter2"));
    assert!(!done(&host.url, &["audit", "hello"]).contains("hunter2"));
    done(&host.url, &["secret", "remove", "hello", "API_KEY"]);
    assert_eq!(
        code(&leyden(
            &host.url,
            &["secret", "remove", "hello", "API_KEY"]
        )),
        1
    );
    assert_eq!(code(&set(&["hello", "API_KEY"], b"\n")), 2);
    assert_eq!(code(&set(&["hello", "API-KEY"], b"x")), 2);
    assert_eq!(code(&set(&["hello", "API_KEY", "given-in-argv"], b"")), 2);
    let key = folder.path().join("data/secrets.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(key).expect("made").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// `leyden dev` and what it says.
struct Dev {
    child: Child,
    said: std::sync::mpsc::Receiver<String>,
}

impl Dev {
    fn start(home: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command.args(["dev", "--port", "0", "--folder"]).arg(home);
        command.env("LEYDEN_COMPILED", built("compiled"));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let (says, said) = std::sync::mpsc::channel();
        for output in [
            Box::new(child.stdout.take().expect("piped")) as Box<dyn std::io::Read + Send>,
            Box::new(child.stderr.take().expect("piped")),
        ] {
            let says = says.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(output).lines().map_while(Result::ok);
                lines.try_for_each(|line| says.send(line))
            });
        }
        Self { child, said }
    }

    /// Waits until it says something with these words in it.
    fn says(&self, words: &str) -> String {
        let mut all = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => all.push(line),
                Err(_) => panic!("never said {words:?}: {all:?}"),
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_runs_while_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path();
    project(home, "echo.wasm");
    let mut dev = Dev::start(home);
    let line = dev.says("in service");
    let url = line
        .split("later: ")
        .nth(1)
        .and_then(|place| place.strip_suffix("/mine"))
        .expect("where");
    assert!(done(url, &["invoke", "/mine"]).contains("Hello, world!"));

    // A build that fails, and a file that is wrong, leave the former version serving.
    write(home, "source", "/no/such/file");
    dev.says("the build failed");
    let sound = std::fs::read_to_string(home.join("leyden.toml")).expect("there");
    write(home, "leyden.toml", &format!("{sound}colour = 1\n"));
    dev.says("unknown field");
    assert!(done(url, &["invoke", "/mine"]).contains("Hello, world!"));

    // What is right again is swapped in, and what it logs is printed.
    write(
        home,
        "source",
        built("guests").join("probe.wasm").to_str().expect("UTF-8"),
    );
    write(home, "leyden.toml", &sound);
    dev.says("in service");
    done(url, &["invoke", "/mine/logs?n=1"]);
    dev.says("line 0 of 1");

    let told = Command::new("kill")
        .args(["-TERM", &dev.child.id().to_string()])
        .status();
    assert!(told.expect("told").success());
    let ended = dev.child.wait().expect("ended");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(code(&leyden(url, &["list"])), 3, "its host is gone, too");
}
