//! All verbs, as the command line defines them: each says what it does, gives an example, and takes `--json`; whatever is
//! wrong is then told as JSON, with the exit code that the process ends with.

use std::process::Command as Process;

use clap::{Command, CommandFactory as _};
use leyden::cli::Cli;
use serde_json::Value;

use crate::support::verbs::{NOBODY, code, complaint};

/// Verbs that no person calls, or that print what is no result: shells' and manuals' own languages.
const WITHOUT_JSON: [&str; 3] = ["compile", "completions", "man"];

/// Verbs that go on until they are told to stop, or read what somebody else writes.
const NOT_RUN: [&str; 2] = ["up", "compile"];

/// Verbs, each with the words that lead to it. Those that clap adds are left out.
fn verbs(command: &Command, words: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    for verb in command.get_subcommands() {
        if verb.get_name() == "help" {
            continue;
        }
        let words = [words, &[verb.get_name().to_owned()]].concat();
        found.push((words.clone(), verb.clone()));
        verbs(verb, &words, found);
    }
}

fn all() -> Vec<(Vec<String>, Command)> {
    let mut command = Cli::command();
    command.build();
    let mut found = Vec::new();
    verbs(&command, &[], &mut found);
    assert!(found.len() > 50, "they are there");
    found
}

#[test]
fn every_verb_says_what_it_does_gives_an_example_and_takes_json() {
    let mut wrong = Vec::new();
    for (words, verb) in all() {
        let path = words.join(" ");
        if verb.is_hide_set() {
            continue;
        }
        let help = verb.get_after_help().map(ToString::to_string);
        let example = format!("leyden {path}");
        let with_json = format!("leyden --json {path}");
        let has_example = help.is_some_and(|help| {
            help.contains("Example") && (help.contains(&example) || help.contains(&with_json))
        });
        let mut arguments = verb.get_arguments();
        let has_json = arguments.any(|argument| argument.get_long() == Some("json"));
        for (is_so, what) in [
            (verb.get_about().is_some(), "does not say what it does"),
            (has_example, "has no example of its own"),
            (
                has_json || WITHOUT_JSON.contains(&path.as_str()),
                "does not take --json",
            ),
        ] {
            if !is_so {
                wrong.push(format!("leyden {path} {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_wrong_is_told_as_json_with_the_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    for (words, verb) in all() {
        let path = words.join(" ");
        if verb.has_subcommands() || NOT_RUN.contains(&path.as_str()) {
            continue;
        }
        // Without arguments a verb is called wrongly, or finds no host or no file.
        let output = Process::new(env!("CARGO_BIN_EXE_leyden"))
            .args(["--json", "--url", NOBODY])
            .args(&words)
            .current_dir(folder.path())
            .env_remove("LEYDEN_PARTNER")
            .env_remove("LEYDEN_TOKEN_FILE")
            .output()
            .expect("the binary starts");
        if code(&output) == 0 {
            continue;
        }
        let told = complaint(&output);
        let told: Value =
            serde_json::from_str(&told).unwrap_or_else(|e| panic!("{path}: {e}: {told}"));
        assert_eq!(told["exitCode"], code(&output), "{path}: {told}");
        let says = told["error"].as_str().or(told["title"].as_str());
        assert!(says.is_some_and(|says| !says.is_empty()), "{path}: {told}");
        assert!(matches!(code(&output), 2 | 3), "{path}: {told}");
        assert!(output.stdout.is_empty(), "{path}: a failure is no result");
    }
}

#[test]
fn shells_and_manuals_know_the_verbs() {
    let ask = |arguments: &[&str]| {
        let output = Process::new(env!("CARGO_BIN_EXE_leyden"))
            .args(arguments)
            .output()
            .expect("the binary starts");
        assert_eq!(code(&output), 0, "{arguments:?}: {}", complaint(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = ask(&["completions", shell]);
        let knows = |word: &&str| script.contains(*word);
        assert!(
            ["policy", "rollback", "min-decisions"].iter().all(knows),
            "{shell}"
        );
        // A host calls it, and nobody else.
        assert!(!script.contains("memory-mib"), "{shell}");
    }
    assert!(ask(&["man"]).contains(".TH leyden 1"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("man1");
    ask(&["man", "--dir", path.to_str().expect("a path in UTF-8")]);
    let page = std::fs::read_to_string(path.join("leyden-policy-promote.1"));
    let page = page.expect("a page for each verb");
    assert!(
        page.contains("min") && page.contains("Exit codes"),
        "{page}"
    );
}
