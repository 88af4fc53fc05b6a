//! The routes over state: what they answer and refuse.

use super::*;
use leyden_sdk::grid::client_registry::Registration;
use leyden_sdk::http::{ProblemKind, RequestHead};

fn call(method: &str, route: &str, query: &str, path: &[(&str, &str)]) -> Result<Response> {
    let head = RequestHead {
        method: method.into(),
        route: format!("/client-database/client-registry/{route}"),
        path: String::new(),
        params: path
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        query: Some(query.to_owned()),
        headers: Vec::new(),
    };
    handle(&Request {
        head,
        body: Vec::new(),
    })
}

fn body(answer: Result<Response>) -> Value {
    let answer = answer.expect("it is answered");
    serde_json::from_slice(&answer.body).expect("the answer is JSON")
}

fn kind(answer: Result<Response>) -> ProblemKind {
    match answer {
        Err(Error::Reject(problem)) => problem.kind,
        other => panic!("it is not refused: {other:?}"),
    }
}

fn settle(houses: usize) -> Vec<House> {
    let registration = |at| Registration {
        client_name: "Ada".into(),
        community: Some(at as u64 % 2 + 1),
        household: None,
    };
    (0..houses)
        .map(|at| registry::register(registration(at)).expect("it is registered"))
        .collect()
}

#[test]
fn all_houses_are_listed_over_pages() {
    let houses = settle(PAGE as usize + 1);
    let listed = body(call("GET", "allHouses", "", &[]));
    assert_eq!(listed.as_array().map(Vec::len), Some(houses.len()));
}

#[test]
fn a_page_says_where_the_next_one_starts() {
    settle(5);
    let first = call("GET", "allHouses", "limit=3", &[]).expect("it is answered");
    let link = first
        .headers
        .iter()
        .find(|(name, _)| name == "link")
        .expect("there is more");
    let after = link
        .1
        .trim_start_matches("<?")
        .split('>')
        .next()
        .expect("it has a target");
    let second = call("GET", "allHouses", after, &[]).expect("it is answered");
    assert!(second.headers.iter().all(|(name, _)| name != "link"));
    assert_eq!(body(Ok(second)).as_array().map(Vec::len), Some(2));
    assert_eq!(body(Ok(first)).as_array().map(Vec::len), Some(3));
}

#[test]
fn an_exact_last_page_has_no_next() {
    settle(3);
    let page = call("GET", "allHouses", "limit=3", &[]).expect("it is answered");
    assert!(page.headers.iter().all(|(name, _)| name != "link"));
}

#[test]
fn bad_limits_are_refused() {
    for query in ["limit=0", "limit=200001", "limit=x", "limit=-1"] {
        assert_eq!(
            kind(call("GET", "allHouses", query, &[])),
            ProblemKind::Invalid,
            "{query}"
        );
    }
}

#[test]
fn a_house_is_shown_or_not_found() {
    let house = &settle(1)[0];
    let shown = body(call("GET", "house/{id}", "", &[("id", &house.id)]));
    assert_eq!(
        shown,
        json!({ "id": house.id, "client_name": "Ada", "communityID": 1 })
    );
    assert_eq!(
        kind(call("GET", "house/{id}", "", &[("id", "x")])),
        ProblemKind::NotFound
    );
}

#[test]
fn communities_are_counted_and_paged() {
    settle(3);
    let all = body(call("GET", "communities", "", &[]));
    assert_eq!(
        all,
        json!([{ "communityID": 1, "houses": 2 }, { "communityID": 2, "houses": 1 }])
    );
    let rest = body(call("GET", "communities", "after=1", &[]));
    assert_eq!(rest, json!([{ "communityID": 2, "houses": 1 }]));
}

#[test]
fn consent_is_set_and_shown() {
    let id = &settle(1)[0].id;
    let set = format!("houseID={id}&dataset=production&granted=false");
    assert_eq!(
        call("POST", "consent", &set, &[]).map(|answer| answer.status),
        Ok(204)
    );
    let shown = body(call("GET", "consent", &format!("houseID={id}"), &[]));
    assert_eq!(shown["granted"]["production"], json!(false));
    assert_eq!(shown["granted"]["global-consumption"], json!(true));
}

#[test]
fn consent_of_what_does_not_exist_is_refused() {
    let id = &settle(1)[0].id;
    let unknown_house = "houseID=x&dataset=production&granted=true";
    assert_eq!(
        kind(call("POST", "consent", unknown_house, &[])),
        ProblemKind::NotFound
    );
    let unknown_dataset = format!("houseID={id}&dataset=weather&granted=true");
    assert_eq!(
        kind(call("POST", "consent", &unknown_dataset, &[])),
        ProblemKind::Invalid
    );
}
