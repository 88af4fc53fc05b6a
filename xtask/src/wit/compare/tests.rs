//! Each rule on a package of a few lines.

use super::super::shape::tests::packages;
use super::*;

/// Item, change and rule of each change of an interface `i` of types and functions.
fn changes(old: &str, new: &str) -> Vec<(String, String, &'static str)> {
    let package = |text: &str| format!("package a:b@0.1.0; interface i {{ {text} }}");
    let (old, new) = (package(old), package(new));
    found(&[&old], &[&new])
}

fn found(old: &[&str], new: &[&str]) -> Vec<(String, String, &'static str)> {
    let changes = compare(&packages(old), &packages(new));
    let told = changes.into_iter();
    told.map(|change| (change.item, change.what, change.rule.name()))
        .collect()
}

/// The only change of `old` to `new`, which breaks.
fn breaks(old: &str, new: &str, item: &str, what: &str, rule: Rule) {
    let found = changes(old, new);
    let expected = (item.to_owned(), what.to_owned(), rule.name());
    assert_eq!(found, [expected], "{old} → {new}");
    assert!(rule.breaks(), "{rule:?}");
}

#[test]
fn what_stays_and_what_is_only_documented_is_no_change() {
    let text = "record r { x: u8 } f: func(r: r) -> option<r>;";
    assert_eq!(changes(text, text), []);
    assert_eq!(changes(text, &format!("/// Says more.\n {text}")), []);
}

#[test]
fn a_case_more_breaks_in_enums_variants_and_flags() {
    let e = "a:b/i@0.1.0 e";
    let added = "case `y` added";
    breaks("enum e { x }", "enum e { x, y }", e, added, Rule::CaseAdded);
    breaks(
        "variant e { x }",
        "variant e { x, y(u8) }",
        e,
        added,
        Rule::CaseAdded,
    );
    breaks(
        "flags e { x }",
        "flags e { x, y }",
        e,
        "flag `y` added",
        Rule::CaseAdded,
    );
}

#[test]
fn a_field_more_or_less_or_of_another_type_breaks() {
    let r = "a:b/i@0.1.0 r";
    let old = "record r { x: u8 }";
    breaks(
        old,
        "record r { x: u8, y: option<u8> }",
        r,
        "field `y` added",
        Rule::FieldAdded,
    );
    breaks(
        old,
        "record r { x: u16 }",
        r,
        "field `x` was `u8`, is `u16`",
        Rule::TypeChanged,
    );
    let two = "record r { x: u8, y: u8 }";
    breaks(two, old, r, "field `y` removed or renamed", Rule::Removed);
    let swapped = "record r { y: u8, x: u8 }";
    breaks(
        two,
        swapped,
        r,
        "fields are in another order",
        Rule::Reordered,
    );
}

#[test]
fn functions_break_by_any_change_of_their_type() {
    let f = "a:b/i@0.1.0 f";
    let old = "f: func(a: u8) -> u8;";
    breaks(
        old,
        "f: func(a: u8, b: u8) -> u8;",
        f,
        "parameter `b` added",
        Rule::ParameterAdded,
    );
    breaks(
        old,
        "f: func(a: u8) -> u16;",
        f,
        "was `u8`, is `u16`",
        Rule::TypeChanged,
    );
    breaks(
        old,
        "f: async func(a: u8) -> u8;",
        f,
        "was func, is async func",
        Rule::TypeChanged,
    );
    breaks(
        old,
        "g: func(a: u8) -> u8;",
        f,
        "function renamed to `g`",
        Rule::Renamed,
    );
    breaks(old, "", f, "function removed", Rule::Removed);
    breaks(
        "type t = u8;",
        "type t = u16;",
        "a:b/i@0.1.0 t",
        "was `u8`, is `u16`",
        Rule::TypeChanged,
    );
    breaks(
        "enum t { x }",
        "variant t { x }",
        "a:b/i@0.1.0 t",
        "was enum, is variant",
        Rule::TypeChanged,
    );
    breaks(
        "record t { x: u8 }",
        "",
        "a:b/i@0.1.0 t",
        "type removed",
        Rule::Removed,
    );
}

#[test]
fn a_type_that_a_used_interface_changes_breaks_there() {
    let uses = "package a:c@0.1.0; interface j { use a:b/i@0.1.0.{r}; f: func(r: r); }";
    let package =
        |fields: &str| format!("package a:b@0.1.0; interface i {{ record r {{ {fields} }} }}");
    let found = found(
        &[&package("x: u8"), uses],
        &[&package("x: u8, y: u8"), uses],
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "a:b/i@0.1.0 r");
}

#[test]
fn a_function_more_breaks_where_components_export_the_interface_only() {
    let served = "package a:w@0.1.0; world host { import a:b/i@0.1.0; }";
    let package = |more: &str| format!("package a:b@0.1.0; interface i {{ f: func(); {more} }}");
    let (old, new) = (package(""), package("g: func();"));
    let item = ("a:b/i@0.1.0 g".to_owned(), "function added".to_owned());
    let judged = |rule: Rule| (item.0.clone(), item.1.clone(), rule.name());
    assert_eq!(
        found(&[&old, served], &[&new, served]),
        [judged(Rule::FunctionServed)]
    );
    assert_eq!(found(&[&old], &[&new]), [judged(Rule::FunctionRequired)]);
    assert!(Rule::FunctionRequired.breaks() && !Rule::FunctionServed.breaks());
}

#[test]
fn interfaces_types_and_versions_beside_what_was_there_break_nobody() {
    let old = "package a:b@0.1.0; interface i { f: func(); }";
    let new =
        "package a:b@0.1.0; interface i { type t = u8; f: func(); } interface j { g: func(); }";
    let next = "package a:b@0.2.0; interface i { f: func(x: u8); }";
    let found = found(&[old], &[new, next]);
    let rules: Vec<_> = found.iter().map(|(_, _, rule)| *rule).collect();
    assert_eq!(rules, ["item-added", "item-added", "package-added"]);
    assert!(!Rule::ItemAdded.breaks() && !Rule::PackageAdded.breaks());
}

#[test]
fn what_was_released_stays() {
    let (old, next) = (
        "package a:b@0.1.0; interface i {}",
        "package a:b@0.2.0; interface i {}",
    );
    let gone = &found(&[old], &[next])[0];
    assert_eq!((gone.0.as_str(), gone.2), ("a:b@0.1.0", "package-removed"));
    let without = "package a:b@0.1.0; interface j {}";
    let gone = &found(&[old], &[without])[0];
    assert_eq!(
        (gone.0.as_str(), gone.1.as_str()),
        ("a:b/i@0.1.0", "interface removed")
    );
    assert!(Rule::PackageRemoved.breaks() && Rule::Removed.breaks());
}

#[test]
fn a_world_may_offer_more_but_neither_ask_for_more_nor_offer_less() {
    let i = "package a:b@0.1.0; interface i { f: func(); } interface j { f: func(); }";
    let world = |items: &str| format!("package a:w@0.1.0; world w {{ {items} }}");
    let (import, export) = ("import a:b/i@0.1.0;", "export a:b/j@0.1.0;");
    let (imports, both) = (world(import), world(&format!("{import} {export}")));
    let judged = |old: &str, new: &str| {
        let found = found(&[i, old], &[i, new]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "a:w@0.1.0 w");
        found[0].2
    };
    assert_eq!(judged(&world(""), &imports), "import-offered");
    assert_eq!(judged(&imports, &both), "export-required");
    assert_eq!(judged(&imports, &world("")), "removed");
    assert!(Rule::ExportRequired.breaks() && !Rule::ImportOffered.breaks());
}
