//! What is sent and what is shown for the forms a call can take.

use serde_json::json;

use super::*;

fn call(table: Value) -> Call {
    serde_json::from_value(table).expect("a call")
}

fn prepared(method: Method, table: Value) -> Result<Prepared, Error> {
    let mut variables = Variables::default();
    variables.capture("house".to_owned(), json!("a/b"));
    let base = Url::parse("http://127.0.0.1:3000").expect("a URL");
    prepare(&base, method, &call(table), &variables)
}

#[test]
fn a_post_sends_json_in_the_order_of_the_file() {
    let params = json!({"date": "x", "communityID": 4});
    let sent = prepared(
        Method::Post,
        json!({"service": "s", "route": "a/b", "params": params}),
    )
    .unwrap();
    let body = r#"{"date":"x","communityID":4}"#.to_owned();
    assert_eq!(sent.params, body);
    assert_eq!(sent.url.as_str(), "http://127.0.0.1:3000/s/a/b");
    assert_eq!(sent.body, Some(("application/json".to_owned(), body)));
}

#[test]
fn a_get_sends_a_query_and_a_scalar_bare() {
    let params = json!({"date": "2021-11-07T15:59:22.144Z", "n": 4});
    let sent = prepared(
        Method::Get,
        json!({"service": "s", "route": "r", "params": params}),
    )
    .unwrap();
    assert_eq!(
        sent.url.query(),
        Some("date=2021-11-07T15%3A59%3A22.144Z&n=4")
    );
    let sent = prepared(
        Method::Get,
        json!({"service": "s", "route": "r", "params": "scénario"}),
    )
    .unwrap();
    assert_eq!(
        (sent.url.query(), sent.params.as_str()),
        (Some("sc%C3%A9nario"), "scénario")
    );
    assert_eq!(sent.body, None);
}

#[test]
fn other_ways_to_send() {
    let sent = |send: &str, params: Value| {
        let table = json!({"service": "s", "route": "r", "send": send, "params": params});
        prepared(Method::Post, table).unwrap()
    };
    assert_eq!(sent("path", json!("é/4")).url.path(), "/s/r/%C3%A9%2F4");
    assert_eq!(
        sent("text", json!(4)).body,
        Some(("text/plain".to_owned(), "4".to_owned()))
    );
    let form = sent("form", json!({"client_name": "Ada L"})).body;
    assert_eq!(
        form,
        Some((
            "application/x-www-form-urlencoded".to_owned(),
            "client_name=Ada+L".to_owned()
        ))
    );
}

#[test]
fn a_variable_in_the_route_is_one_or_more_segments() {
    let sent = prepared(
        Method::Get,
        json!({"service": "s", "route": "h/${house}/x"}),
    )
    .unwrap();
    assert_eq!(sent.url.path(), "/s/h/a/b/x");
    assert_eq!(sent.params, "_");
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    let nested = json!({"service": "s", "route": "r", "params": {"a": []}});
    assert!(matches!(
        prepared(Method::Get, nested),
        Err(Error::Params(_))
    ));
    let both = json!({"service": "s", "route": "r", "params": 1, "text": "x"});
    assert!(matches!(
        prepared(Method::Post, both),
        Err(Error::Params(_))
    ));
    let unknown = json!({"service": "s", "route": "${x}"});
    assert!(matches!(
        prepared(Method::Post, unknown),
        Err(Error::Variable(_))
    ));
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn answers_are_shown_as_they_came() {
    assert_eq!(
        shown_answer(Method::Get, Show::Raw, &answer(200, "\"13100\"")),
        "\"13100\""
    );
    assert_eq!(shown_answer(Method::Get, Show::Raw, &answer(204, "")), "");
    assert_eq!(shown_answer(Method::Post, Show::Raw, &answer(204, "")), "_");
    assert_eq!(
        shown_answer(Method::Get, Show::Length, &answer(200, "[1,2]")),
        "(length)2"
    );
    assert_eq!(
        shown_answer(Method::Get, Show::Count, &answer(200, "[1,2]")),
        "2"
    );
    assert_eq!(
        shown_answer(Method::Post, Show::Rows, &answer(403, "{\"status\":403}")),
        "[]"
    );
    assert_eq!(
        shown_answer(Method::Post, Show::Rows, &answer(200, "[1]")),
        "[1]"
    );
}

fn found(expect: Value, answer: &Answer) -> Vec<(bool, String)> {
    let expect: Expect = serde_json::from_value(expect).expect("an expectation");
    let checks = checks(Some(&expect), answer, &Variables::default(), Language::En).unwrap();
    checks
        .into_iter()
        .map(|check| (check.met, check.got.unwrap_or_default()))
        .collect()
}

#[test]
fn a_status_that_nobody_expects_is_reported() {
    let refusal = answer(422, r#"{"title":"Invalid","detail":"no"}"#);
    assert_eq!(
        found(json!({}), &refusal),
        [(false, "422: Invalid: no".to_owned())]
    );
    assert_eq!(
        found(json!({"status": 422}), &refusal),
        [(true, String::new())]
    );
    assert_eq!(found(json!({}), &answer(204, "")), []);
}

#[test]
fn every_expectation_is_checked() {
    let expect = json!({
        "body": {"a": 1, "b": [2]}, "subset": {"a": 1}, "at": {"/b/0": 2, "/c": {"$absent": true}},
        "length": 2, "raw": "{\"a\":1,\"b\":[2]}",
    });
    let good = found(expect.clone(), &answer(200, r#"{"a":1,"b":[2]}"#));
    assert!(
        good.len() == 6 && good.iter().all(|(met, _)| *met),
        "{good:?}"
    );
    let bad = found(expect, &answer(200, r#"{"a":3,"b":[4],"c":5}"#));
    assert!(bad.len() == 6 && bad.iter().all(|(met, _)| !met), "{bad:?}");
    assert!(!found(json!({"empty": true}), &answer(200, "null"))[0].0);
}
