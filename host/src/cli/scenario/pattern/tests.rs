//! What matches and what does not, and how differences are told.

use serde_json::json;

use super::*;

fn check(pattern: Value, got: &Value, mode: Mode) -> Result<(), String> {
    let pattern = Pattern::try_from(pattern).expect("a pattern");
    let told = |difference: Mismatch| {
        format!(
            "{}: expected {} got {}",
            difference.path, difference.expected, difference.got
        )
    };
    pattern.compare(Some(got), mode, "").map_err(told)
}

fn exact(pattern: Value, got: &Value) -> bool {
    check(pattern, got, Mode::Exact).is_ok()
}

#[test]
fn numbers_are_equal_by_value_and_differ_from_texts() {
    assert!(exact(json!(18900), &json!(18900.0)));
    assert!(!exact(json!(18900), &json!(18901)));
    assert!(!exact(json!(13100), &json!("13100")));
    assert!(!exact(
        json!(9_007_199_254_740_993_i64),
        &json!(9_007_199_254_740_992_i64)
    ));
}

#[test]
fn an_object_is_exact_or_a_subset() {
    let got = json!({"a": {"b": 1, "c": 2}, "d": []});
    assert_eq!(check(json!({"a": {"b": 1}}), &got, Mode::Subset), Ok(()));
    let told = check(json!({"a": {"b": 1}}), &got, Mode::Exact);
    assert_eq!(told, Err("/a/c: expected nothing got 2".to_owned()));
    let told = check(json!({"a": {"b": 7}}), &got, Mode::Subset);
    assert_eq!(told, Err("/a/b: expected 7 got 1".to_owned()));
    let told = check(json!({"e": {"$any": true}}), &got, Mode::Subset);
    assert_eq!(told, Err("/e: expected <any> got nothing".to_owned()));
}

#[test]
fn arrays_have_the_same_length_and_order() {
    assert!(exact(json!([1, 2]), &json!([1, 2])));
    assert!(!exact(json!([1, 2]), &json!([2, 1])));
    assert!(!exact(json!([1]), &json!([1, 2])));
    assert!(!exact(json!([]), &json!(null)));
}

#[test]
fn matchers_match() {
    let uuid = json!("f3b8a521-70a9-48a0-b2d3-f7c87bc52a94");
    assert!(exact(json!({"$uuid": true}), &uuid));
    assert!(!exact(json!({"$uuid": true}), &json!("Jean-Paul")));
    assert!(exact(json!({"$regex": "^f3.*94$"}), &uuid));
    assert!(!exact(json!({"$regex": "^x"}), &uuid));
    assert!(exact(
        json!({"$approx": 0.5, "tolerance": 0.01}),
        &json!(0.509)
    ));
    assert!(!exact(
        json!({"$approx": 0.5, "tolerance": 0.01}),
        &json!(0.511)
    ));
    assert!(exact(json!({"$length": 2}), &json!(["a", "b"])));
    assert!(!exact(json!({"$length": 2}), &json!(7)));
    assert!(exact(json!({"$not": 0}), &json!(null)));
    assert!(!exact(json!({"$not": 0}), &json!(0)));
    assert!(exact(json!({"$null": true}), &json!(null)));
    assert!(!exact(json!({"$null": true}), &json!(0)));
    assert!(exact(json!({"a": {"$absent": true}}), &json!({})));
    assert!(!exact(json!({"a": {"$absent": true}}), &json!({"a": null})));
    assert!(exact(json!({"$each": {"$uuid": true}}), &json!([])));
    assert!(!exact(json!({"$each": {"$uuid": true}}), &json!([1])));
    assert!(exact(json!({"$contains": 2}), &json!([1, 2])));
    assert!(!exact(json!({"$contains": 3}), &json!([1, 2])));
}

#[test]
fn a_wrong_matcher_is_refused() {
    for wrong in [
        json!({"$uid": true}),
        json!({"$uuid": false}),
        json!({"$regex": "("}),
        json!({"$approx": 1}),
        json!({"$approx": 1, "tolerance": -1}),
        json!({"$any": true, "a": 1}),
        json!({"$length": []}),
        json!([{"a": {"$nul": true}}]),
    ] {
        assert!(Pattern::try_from(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_captured_value_means_itself() {
    let mut variables = Variables::default();
    variables.capture("id".to_owned(), json!({"$uuid": true}));
    let pattern = Pattern::try_from(json!({"$not": "${id}"})).expect("a pattern");
    let filled = pattern.fill(&variables).expect("defined");
    assert!(
        filled
            .compare(Some(&json!({"$uuid": true})), Mode::Exact, "")
            .is_err()
    );
}
