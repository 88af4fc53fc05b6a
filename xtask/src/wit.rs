//! `cargo xtask wit-check` and `cargo xtask wit-release`: the WIT packages against what was released of them.
//!
//! A release is a copy of each package in `wit/released/<package>@<version>/`. It says what components in
//! the world were built against, so it is never edited; a package that has one may only change where
//! those components do not notice (`wit/compare.rs` has the rules).

mod compare;
mod packages;
mod shape;

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::args::Args;
use compare::Change;

pub(crate) const CHECK_HELP: &str = "\
Usage: cargo xtask wit-check [--json]

Compares wit/ with the last release of each package (wit/released/) and tells what changed. The exit
code is 1 where components that were built against a release would break: something was removed or renamed,
a type changed, a record got a field, an enum or a variant a case, an interface that components export a
function. New packages, versions, interfaces, types, and functions that the host serves break nobody.

Options:
  --json   print {\"changes\": [{breaking, file, package, item, rule, change, why, todo}], \"breaking\": N}";

pub(crate) const RELEASE_HELP: &str = "\
Usage: cargo xtask wit-release

Keeps wit/ as it is as the release that later changes are compared with: copies each package to
wit/released/. Refuses where `wit-check` finds something that breaks. Freeze components built against a
new version too: host/tests/corpus/README.md says how.";

/// Runs `cargo xtask wit-check`.
pub(crate) fn run_check(mut args: Args) -> Result<ExitCode> {
    let json = args.flag("--json");
    args.finish()?;
    let changes = changes()?;
    match json {
        true => println!("{}", document(&changes)),
        false => print!("{}", text(&changes)),
    }
    Ok(match breaking(&changes) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Runs `cargo xtask wit-release`.
pub(crate) fn run_release(args: Args) -> Result<ExitCode> {
    args.finish()?;
    check()?;
    for kept in packages::release()? {
        println!("{kept}");
    }
    Ok(ExitCode::SUCCESS)
}

/// An error that lists what breaks, where something does.
pub(crate) fn check() -> Result<()> {
    let changes = changes()?;
    if breaking(&changes) > 0 {
        bail!(
            "wit/ breaks components built against a release:\n{}",
            text(&changes)
        );
    }
    Ok(())
}

fn changes() -> Result<Vec<Change>> {
    Ok(compare::compare(
        &packages::released()?,
        &packages::current()?,
    ))
}

fn breaking(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.rule.breaks()).count()
}

fn text(changes: &[Change]) -> String {
    let told: String = changes.iter().map(told).collect();
    let (all, breaking) = (changes.len(), breaking(changes));
    format!("{told}changes since the last release: {all}, breaking: {breaking}\n")
}

fn told(change: &Change) -> String {
    let Change {
        file,
        item,
        what,
        rule,
        ..
    } = change;
    let verdict = if rule.breaks() {
        "breaking  "
    } else {
        "compatible"
    };
    let line = format!(
        "{verdict}  {file}: {item}: {what}\n            {}: {}\n",
        rule.name(),
        rule.why()
    );
    match change.todo() {
        Some(todo) => format!("{line}            to do: {todo}\n"),
        None => line,
    }
}

fn document(changes: &[Change]) -> Value {
    let entry = |change: &Change| {
        json!({
            "breaking": change.rule.breaks(),
            "file": change.file,
            "package": change.package,
            "item": change.item,
            "rule": change.rule.name(),
            "change": change.what,
            "why": change.rule.why(),
            "todo": change.todo(),
        })
    };
    let entries: Vec<Value> = changes.iter().map(entry).collect();
    json!({ "changes": entries, "breaking": breaking(changes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_this_repository_break_nobody() {
        check().expect("wit/ keeps what was released");
    }

    #[test]
    fn a_breaking_change_names_file_item_rule_and_what_to_do() {
        let old = shape::tests::packages(&["package a:b@0.1.0; interface i { enum e { x } }"]);
        let new = shape::tests::packages(&["package a:b@0.1.0; interface i { enum e { x, y } }"]);
        let changes = compare::compare(&old, &new);
        let told = text(&changes);
        for part in [
            "breaking    a/b.wit: a:b/i@0.1.0 e: case `y` added",
            "case-added: ",
            "to do: take it back, and add an interface or a new version of a:b instead",
            "changes since the last release: 1, breaking: 1",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
        let document = document(&changes);
        assert_eq!(document["breaking"], 1);
        assert_eq!(document["changes"][0]["rule"], "case-added");
        assert_eq!(document["changes"][0]["item"], "a:b/i@0.1.0 e");
    }
}
