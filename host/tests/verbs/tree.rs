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

/// The words of a line as a shell has them, up to what is another command's, and without what explains it.
fn shell_words(line: &str) -> Vec<String> {
    let line = line.split("   ").next().unwrap_or_default();
    let (mut words, mut quote, mut word) = (Vec::new(), None, None::<String>);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | ';') => break,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_example_is_understood() {
    let mut texts: Vec<String> = vec![Cli::command().render_long_help().to_string()];
    let verbs = all();
    let helps = verbs.iter().filter_map(|(_, verb)| verb.get_after_help());
    texts.extend(helps.map(ToString::to_string));
    let (mut tried, mut wrong) = (0, Vec::new());
    for line in texts.iter().flat_map(|text| text.lines()) {
        // What another command prints, or a variable holds, is not known here.
        let is_known = |line: &&str| !line.contains("$(") && !line.contains("LEYDEN_");
        let Some(example) = line.strip_prefix("  ").filter(is_known) else {
            continue;
        };
        let parts = example.split(';').map(str::trim_start);
        for part in parts {
            let words = shell_words(part);
            if words.first().is_some_and(|word| word == "leyden") {
                let understood = Cli::command().try_get_matches_from(words);
                wrong.extend(understood.err().map(|error| format!("{example}: {error}")));
                tried += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 150, "{tried} examples");
}

#[test]
fn the_options_of_every_verb_stand_behind_its_own() {
    for (words, mut verb) in all() {
        let help = verb.render_long_help().to_string();
        let lines = help
            .lines()
            .filter(|line| line.trim_start().starts_with('-'));
        let listed = lines.filter_map(|line| line.split("--").nth(1)?.split(' ').next());
        let listed: Vec<&str> = listed.collect();
        let place = |long: &str| listed.iter().position(|listed| *listed == long);
        let own = verb.get_arguments().filter(|argument| {
            let is_own = !argument.is_global_set() && argument.get_id() != "help";
            is_own && argument.get_help_heading().is_none() && !argument.is_hide_set()
        });
        for long in own.filter_map(clap::Arg::get_long) {
            assert!(place(long) < place("url"), "{words:?}: --{long}\n{help}");
        }
    }
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
