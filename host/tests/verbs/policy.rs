//! Verbs of policies: what they tell of decisions, and how a version takes over, is taken back and is watched.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::policies::{alone, always, traps, traps_rarely};
use super::support::process::Process;
use super::{NOBODY, code, complaint, done, json_of, leyden, root};

/// Longest wait for what will be so, far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where another kind of policy lies.
const LIMIT: &str = "target/plugins/peak-limit.wasm";

/// A host, and versions of its assignment policy in a folder.
struct Rig {
    host: Process,
    folder: tempfile::TempDir,
}

impl Rig {
    /// Four houses: by the policy that Leyden comes with the first three are one community.
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = Process::start(&folder.path().join("data")).await;
        for (name, bytes) in [
            ("alone", alone()),
            ("seventh", always(7)),
            ("traps", traps()),
            ("traps-rarely", traps_rarely()),
        ] {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        let rig = Self { host, folder };
        for client in ["Ada", "Bea", "Cleo", "Dan"] {
            rig.add_house(client);
        }
        rig
    }

    fn url(&self) -> &str {
        &self.host.url
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    fn add_house(&self, client: &str) {
        let house = json!({ "client_name": client }).to_string();
        let add = ["invoke", "/house/house-editor/add-house", "--data", &house];
        done(self.url(), &add);
    }

    /// Starts a verb and goes on.
    fn beside(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command.args(["--url", self.url()]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    fn shown(&self) -> Value {
        json_of(self.url(), &["policy", "show", "assignment"])
    }

    fn active(&self) -> Value {
        self.shown()["active"]["digest"].clone()
    }

    fn decided(&self) -> usize {
        let decisions = ["policy", "decisions", "assignment", "--last", "100"];
        let parts = json_of(self.url(), &decisions);
        parts.as_array().expect("parts").len()
    }

    /// Waits until `is_so` of the policy.
    async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let shown = self.shown();
                if is_so(&shown) {
                    return shown;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.expect("it will be so")
    }

    /// A sample of the host's metrics. A page serves for a second, so each test asks once.
    fn metrics(&self) -> impl Fn(&str) -> u64 {
        let page = done(self.url(), &["invoke", "/metrics"]);
        move |series| {
            let of_series = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
            let value = page.lines().find_map(of_series);
            value.unwrap_or_else(|| panic!("{series}: {page}"))
        }
    }

    /// What was changed, the latest first.
    fn changes(&self) -> Vec<String> {
        let history = json_of(self.url(), &["policy", "history", "assignment"]);
        let entries = history.as_array().expect("a list");
        let change = |entry: &Value| entry["change"].as_str().expect("a word").to_owned();
        entries.iter().map(change).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policies_decide_is_told_and_compared() {
    let rig = Rig::start().await;
    let list = done(rig.url(), &["policy", "list"]);
    let row = list.lines().find(|line| line.starts_with("assignment"));
    let words: Vec<&str> = row.expect("its row").split_whitespace().collect();
    assert_eq!(words[2..], ["serving", "4", "0", "-", "-", "-", "all"]);
    let decisions = done(
        rig.url(),
        &["policy", "decisions", "assignment", "--last", "2"],
    );
    assert_eq!(decisions.lines().count(), 3, "{decisions}");
    assert!(decisions.lines().nth(1).expect("the last").contains("Dan"));
    let shown = done(rig.url(), &["policy", "show", "assignment"]);
    assert!(
        shown.contains("onFailure  the former version decides"),
        "{shown}"
    );
    let shown = done(rig.url(), &["policy", "show", "access"]);
    assert!(shown.contains("so nobody reads"), "{shown}");

    // Alone, the second and the third house would each be in a community of their own.
    let alone = rig.path("alone");
    let diff = ["policy", "diff", "assignment", alone.as_str()];
    let report = json_of(rig.url(), &diff);
    let counts = ["decisions", "same", "changed", "failed"].map(|name| report[name].clone());
    assert_eq!(counts, [4, 2, 2, 0].map(Value::from), "{report}");
    let table = done(rig.url(), &diff);
    assert!(table.contains("opens a community"), "{table}");
    assert!(
        table.contains("1 → 2") && table.contains("compared: 4"),
        "{table}"
    );
    done(rig.url(), &[&diff[..], &["--max-diff", "50%"]].concat());
    let more = leyden(rig.url(), &[&diff[..], &["--max-diff", "49%"]].concat());
    assert_eq!(code(&more), 1);
    let says = complaint(&more);
    assert!(
        says.contains("2 of 4 decisions differ or fail (at most 49%)"),
        "{says}"
    );

    // What was printed is compared where no host is.
    let decisions = json_of(
        rig.url(),
        &["policy", "decisions", "assignment", "--last", "100"],
    );
    let file = rig.path("decisions.json");
    fs::write(&file, decisions.to_string()).expect("written");
    let offline = json_of(NOBODY, &[&diff[..], &["--against", &file]].concat());
    assert_eq!(offline["changes"], report["changes"]);
    let traps = rig.path("traps");
    let traps = ["policy", "diff", "assignment", &traps, "--against", &file];
    assert_eq!(json_of(NOBODY, &traps)["failed"], 4);
    let failed = leyden(NOBODY, &[&traps[..], &["--max-diff", "0"]].concat());
    assert_eq!(code(&failed), 1, "what fails differs");

    let log = |one_in| {
        done(
            rig.url(),
            &["policy", "log", "assignment", "--one-in", one_in],
        )
    };
    assert!(log("0").contains("nothing"));
    rig.add_house("Eve");
    assert_eq!(rig.decided(), 4);
    assert!(log("1").contains("all"));
    rig.add_house("Flo");
    assert_eq!(rig.decided(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_over_or_is_taken_back() {
    let rig = Rig::start().await;
    let first = rig.active();
    let (alone, traps, rarely) = (
        rig.path("alone"),
        rig.path("traps"),
        rig.path("traps-rarely"),
    );
    let promote = |more: &[&str]| {
        let arguments = [&["policy", "promote", "assignment"], more].concat();
        leyden(rig.url(), &arguments)
    };
    for (file, says) in [
        (
            &alone,
            "it decides 2 of 4 recorded inputs otherwise (at most 10%)",
        ),
        (&traps, "it fails on 4 of 4 inputs"),
    ] {
        let refused = promote(&[file, "--max-diff", "10%"]);
        assert_eq!(code(&refused), 1);
        assert!(
            complaint(&refused).contains(says),
            "{}",
            complaint(&refused)
        );
    }
    assert_eq!(
        rig.changes(),
        ["bundle"],
        "what was refused has changed nothing"
    );

    // Nobody adds a house meanwhile.
    let at_once = ["--step", "0s", "--min-decisions", "0"];
    let promoted = promote(&[&[&alone, "--canary", "50%,100%"], at_once.as_slice()].concat());
    assert_eq!(code(&promoted), 0, "{}", complaint(&promoted));
    let told = String::from_utf8_lossy(&promoted.stdout).into_owned();
    assert!(told.contains("4; same 2, changed 2"), "{told}");
    assert!(
        told.contains("is the active version of assignment"),
        "{told}"
    );
    let second = rig.active();
    assert_ne!(second, first);
    assert_eq!(rig.shown()["former"]["digest"], first);

    // What was recorded has no name that it fails on; the house gets its community nevertheless.
    let promotion = rig.beside(&[
        "policy",
        "promote",
        "assignment",
        &rarely,
        "--step",
        "10min",
    ]);
    rig.until(|shown| !shown["candidate"].is_null()).await;
    rig.add_house("Eve!");
    let failing = promotion.wait_with_output().expect("it ends");
    assert_eq!(code(&failing), 1);
    let says = complaint(&failing);
    assert!(
        says.contains("was taken back: it failed 1 times (0 allowed)"),
        "{says}"
    );
    assert!(!says.contains("error: 0"), "{says}");
    assert_eq!(
        (rig.active(), &rig.shown()["candidate"]),
        (second, &Value::Null)
    );

    // That name is recorded now.
    let refused = promote(&[&rarely]);
    assert!(
        complaint(&refused).contains("it fails on 1 of 5 inputs"),
        "{}",
        complaint(&refused)
    );
    let detached = promote(&[&rig.path("seventh"), "--step", "10min", "--detach"]);
    assert_eq!(code(&detached), 0, "{}", complaint(&detached));
    let mut watching = rig.beside(&["policy", "watch", "assignment"]);
    let mut lines = BufReader::new(watching.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.starts_with("promoting, 100%: active "), "{line}");
    done(rig.url(), &["policy", "rollback", "assignment"]);
    let watched = watching.wait_with_output().expect("it ends");
    assert_eq!(code(&watched), 1);
    assert!(
        complaint(&watched).contains("rolled back by an operator"),
        "{}",
        complaint(&watched)
    );
    done(rig.url(), &["policy", "rollback", "assignment"]);
    assert_eq!(rig.active(), first);
    let expected = [
        "rollback",
        "take-back",
        "promote",
        "take-back",
        "promote",
        "complete",
        "advance",
        "promote",
        "bundle",
    ];
    assert_eq!(rig.changes(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_is_told_in_the_list() {
    let rig = Rig::start().await;
    let state = |says: &str| {
        let list = done(rig.url(), &["policy", "list"]);
        assert!(list.contains(says), "{says}: {list}");
    };
    state("serving");
    done(
        rig.url(),
        &["deploy", "assignment", &rig.path("traps-rarely")],
    );
    rig.add_house("Eve!");
    state("failing: the former version decides then");
    rig.add_house("Flo");
    state("failing at times: the former version decides then");
    let failed = &json_of(rig.url(), &["policy", "decisions", "assignment"]);
    let decisions = failed.as_array().expect("parts").iter();
    let failed: Vec<_> = decisions
        .map(|part| &part["decisions"][0]["failed"])
        .collect();
    assert_eq!(
        (failed[0], &failed[1]["policy"]),
        (&Value::Null, &rig.active())
    );
    let reason = failed[1]["reason"].as_str().expect("why");
    assert!(reason.contains("trapped"), "{reason}");
    let metric = rig.metrics();
    for (name, value) in [("decisions", 1), ("failures", 1), ("differing", 0)] {
        let labels = "{policy=\"assignment\",version=\"active\"}";
        let series = format!("leyden_policy_{name}_total{labels}");
        assert_eq!(metric(&series), value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_runs_in_the_shadow_until_it_is_told_not_to() {
    let rig = Rig::start().await;
    let seventh = rig.path("seventh");
    let told = done(rig.url(), &["policy", "shadow", "assignment", &seventh]);
    assert!(told.contains("shadow"), "{told}");
    rig.add_house("Eve");
    let shown = rig.until(|shown| shown["inShadow"]["compared"] == 1).await;
    assert_eq!(shown["inShadow"]["changed"], 1);
    assert_eq!(shown["inShadow"]["examples"][0]["after"], 7);
    assert!(shown["candidate"].is_null());
    let metric = rig.metrics();
    for (outcome, value) in [("compared", 1), ("failed", 0), ("left-out", 0)] {
        let labels = format!("{{policy=\"assignment\",outcome=\"{outcome}\"}}");
        let series = format!("leyden_policy_shadowed_total{labels}");
        assert_eq!(metric(&series), value, "{outcome}");
    }
    done(rig.url(), &["policy", "shadow", "assignment", "--end"]);
    assert_eq!(rig.shown()["shadow"], Value::Null);
    assert_eq!(rig.changes(), ["end-shadow", "shadow", "bundle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_exit_code() {
    let rig = Rig::start().await;
    let alone = rig.path("alone");
    for (arguments, exit, says) in [
        (&["list", "all"][..], 2, "unexpected argument"),
        (
            &["show", "tariff"],
            2,
            "access, assignment, peak-limit, schedule, shed",
        ),
        (
            &["diff", "shed", "no such file"],
            2,
            "cannot read no such file",
        ),
        (
            &["diff", "shed", "Cargo.toml"],
            2,
            "not a WebAssembly component",
        ),
        (
            &["diff", "shed", "target/plugins/house.wasm"],
            2,
            "it is no policy",
        ),
        (
            &["diff", "shed", LIMIT],
            2,
            "it decides peak-limit, not shed",
        ),
        (
            &["diff", "assignment", &alone, "--against", "Cargo.toml"],
            2,
            "policy decisions",
        ),
        (
            &["diff", "assignment", &alone, "--against", "last:x"],
            2,
            "--against",
        ),
        (
            &["diff", "assignment", &alone, "--max-diff", "101%"],
            2,
            "--max-diff: must be from 0% to 100%",
        ),
        (&["promote", "assignment", "no such file"], 2, "cannot read"),
        (
            &["promote", "assignment", &alone, "--canary", "50%"],
            2,
            "--canary: must end at 100%",
        ),
        (
            &["promote", "assignment", &alone, "--canary", "x"],
            2,
            "--canary: must be a percentage",
        ),
        (
            &["promote", "assignment", "Cargo.toml"],
            1,
            "not a WebAssembly component",
        ),
        (
            &["promote", "assignment", "target/plugins/house.wasm"],
            1,
            "it is no policy",
        ),
        (
            &["promote", "assignment", LIMIT],
            1,
            "it decides peak-limit, not assignment",
        ),
        (
            &["promote", "assignment", "target/plugins/assignment.wasm"],
            1,
            "is active already",
        ),
        (&["shadow", "assignment"], 2, "<FILE>"),
        (
            &["shadow", "assignment", LIMIT],
            1,
            "it decides peak-limit, not assignment",
        ),
        (&["rollback", "assignment"], 1, "assignment"),
        (
            &["rollback", "assignment", "--to", "3f8a"],
            1,
            "64 hexadecimal digits",
        ),
        (&["log", "assignment", "--one-in", "x"], 2, "--one-in"),
    ] {
        let output = leyden(rig.url(), &[&["policy"], arguments].concat());
        let complaint = complaint(&output);
        assert_eq!(code(&output), exit, "{arguments:?}: {complaint}");
        assert!(complaint.contains(says), "{arguments:?}: {complaint}");
    }
    for arguments in [
        &["list"][..],
        &["show", "shed"],
        &["history", "shed"],
        &["decisions", "shed"],
        &["diff", "assignment", &alone],
        &["promote", "assignment", &alone],
        &["shadow", "assignment", "--end"],
        &["watch", "shed"],
        &["rollback", "shed"],
        &["log", "shed", "--one-in", "1"],
    ] {
        let output = leyden(NOBODY, &[&["policy"], arguments].concat());
        assert_eq!(code(&output), 3, "{arguments:?}: {}", complaint(&output));
    }
}

#[test]
fn a_new_policy_of_each_kind_has_the_hosts_own_interface() {
    let folder = tempfile::tempdir().expect("a folder");
    let wit = "deps/policy@0.2.0/policy.wit";
    let own = fs::read(root().join("wit").join(wit)).expect("the repository's");
    for kind in ["access", "assignment", "peak-limit", "schedule", "shed"] {
        let project = folder.path().join(kind);
        let path = project.to_str().expect("a path in UTF-8");
        let new = [
            "policy", "new", "my-own", "--kind", kind, "--lang", "rust", "--folder", path,
        ];
        let told = done(NOBODY, &new);
        assert!(
            told.contains(&format!("leyden policy diff {kind} target/")),
            "{told}"
        );
        for file in [
            "Cargo.toml",
            ".cargo/config.toml",
            "src/lib.rs",
            "src/logic.rs",
            "README.md",
        ] {
            assert!(project.join(file).is_file(), "{kind}: {file}");
        }
        assert_eq!(
            fs::read(Path::new(path).join("wit").join(wit))
                .ok()
                .as_ref(),
            Some(&own)
        );
        let again = leyden(NOBODY, &new);
        assert_eq!(code(&again), 2, "what is there stays");
        assert!(
            complaint(&again).contains("--folder"),
            "{}",
            complaint(&again)
        );
    }
    for wrong in [
        ["My Own", "--kind", "shed", "--lang", "rust"],
        ["own", "--kind", "tariff", "--lang", "rust"],
        ["own", "--kind", "shed", "--lang", "cobol"],
    ] {
        let output = leyden(NOBODY, &[&["policy", "new"], &wrong[..]].concat());
        assert_eq!(code(&output), 2, "{wrong:?}");
    }
}
