//! How parameters merge and what getters refuse.

use super::{Params, Request};
use crate::Error;
use crate::http::{ProblemKind, RequestHead};

fn request(query: &str, content_type: &str, body: &str) -> Request {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Request {
        head: RequestHead {
            method: "POST".into(),
            route: "/r/{id}".into(),
            path: "/r/7".into(),
            params: vec![("id".into(), "7".into())],
            query: (!query.is_empty()).then(|| query.to_owned()),
            headers: if content_type.is_empty() {
                Vec::new()
            } else {
                headers
            },
        },
        body: body.as_bytes().to_vec(),
    }
}

fn params(query: &str, content_type: &str, body: &str) -> Params {
    Params::of(&request(query, content_type, body)).expect("the request is well-formed")
}

fn kind(result: Result<impl Sized, Error>) -> ProblemKind {
    match result.err().expect("it is refused") {
        Error::Reject(problem) => problem.kind,
        Error::Retry(reason) => panic!("it is retried: {reason}"),
    }
}

#[test]
fn path_wins_over_body_and_body_over_query() {
    let merged = params("a=1&b=1&id=1", "application/json", r#"{"b":2,"id":2}"#);
    assert_eq!(merged.u64("a").ok(), Some(1));
    assert_eq!(merged.u64("b").ok(), Some(2));
    assert_eq!(merged.string("id").ok().as_deref(), Some("7"));
}

#[test]
fn a_scalar_may_come_bare() {
    let places = [
        ("4", "", ""),
        ("", "text/plain", "4"),
        ("", "application/json", "4"),
        ("", "", "\"4\""),
        ("", "application/x-www-form-urlencoded", "4"),
    ];
    for (query, content_type, body) in places {
        assert_eq!(
            params(query, content_type, body).bare_as("c").u64("c").ok(),
            Some(4),
            "{query}|{body}"
        );
    }
    let named = params("", "", "partenaire-scénario").bare_as("p");
    assert_eq!(
        named.string("p").ok().as_deref(),
        Some("partenaire-scénario")
    );
    let encoded = params("partenaire-sc%C3%A9nario", "", "").bare_as("p");
    assert_eq!(
        encoded.string("p").ok().as_deref(),
        Some("partenaire-scénario")
    );
}

#[test]
fn a_named_parameter_wins_over_a_bare_one() {
    assert_eq!(params("c=5", "", "4").bare_as("c").u64("c").ok(), Some(5));
}

#[test]
fn forms_decode_and_nest() {
    let form = params(
        "",
        "application/x-www-form-urlencoded",
        "type=BASIC&object[name]=V%C3%A9lo+d%27appart&object[maxConsumption]=500",
    );
    let object = form.object("object").expect("there is an object");
    assert_eq!(object.name("name").ok().as_deref(), Some("Vélo d'appart"));
    assert_eq!(object.f64("maxConsumption").ok(), Some(500.0));
}

#[test]
fn json_is_read_even_where_the_client_calls_it_a_form() {
    let merged = params("", "application/x-www-form-urlencoded", r#"{"a":1}"#);
    assert_eq!(merged.u64("a").ok(), Some(1));
}

#[test]
fn broken_syntax_is_malformed() {
    for (content_type, body) in [
        ("application/json", "{\"a\":"),
        ("application/json", "abc"),
        ("", "{a}"),
        ("application/json", "[1]"),
        ("application/x-www-form-urlencoded", "a=%zz"),
    ] {
        assert_eq!(
            kind(Params::of(&request("", content_type, body))),
            ProblemKind::Malformed,
            "{body}"
        );
    }
    assert_eq!(
        kind(Params::of(&request("", "image/png", "x"))),
        ProblemKind::UnsupportedMediaType
    );
}

#[test]
fn numbers_must_be_finite_and_of_their_kind() {
    let p = params("inf=inf&nan=NaN&neg=-1&frac=1.5&word=x&ok=4", "", "");
    for name in ["inf", "nan", "word", "absent"] {
        assert_eq!(kind(p.f64(name)), ProblemKind::Invalid, "{name}");
    }
    for name in ["neg", "frac", "word", "absent"] {
        assert_eq!(kind(p.u64(name)), ProblemKind::Invalid, "{name}");
    }
    assert_eq!(kind(p.f64_within("neg", 0.0, 1.0)), ProblemKind::Invalid);
    assert_eq!(
        kind(Params::of(&request(
            "",
            "application/json",
            "{\"a\":1e999}"
        ))),
        ProblemKind::Invalid
    );
    assert_eq!(
        params("", "application/json", "{\"a\":4.0}").u64("a").ok(),
        Some(4)
    );
}

#[test]
fn a_number_that_is_too_large_names_its_field() {
    let bodies = [
        "{\"o\":{\"max\" : 1e999}}",
        "{\"a\":1,\n \"max\":-1e999,\"b\":2}",
    ];
    for body in bodies {
        let Err(Error::Reject(problem)) = Params::of(&request("", "application/json", body)) else {
            panic!("{body} is taken")
        };
        assert_eq!(problem.errors[0].field, "max", "{body}");
    }
    assert_eq!(
        kind(Params::of(&request("", "application/json", "1e999"))),
        ProblemKind::Invalid
    );
}

#[test]
fn names_have_bounds() {
    let long = "x".repeat(201);
    for name in ["", "  ", "a\u{0}b", long.as_str()] {
        let body = serde_json::json!({ "n": name }).to_string();
        assert_eq!(
            kind(params("", "application/json", &body).name("n")),
            ProblemKind::Invalid,
            "{name}"
        );
    }
    assert!(
        params(&format!("n={}", "é".repeat(2)), "", "")
            .name("n")
            .is_ok()
    );
}

#[test]
fn an_error_names_the_field_as_written() {
    let object = params("", "application/json", r#"{"object":{"name":1}}"#)
        .object("object")
        .expect("there is an object");
    let Err(Error::Reject(problem)) = object.name("name") else {
        panic!("it is refused")
    };
    assert_eq!(problem.errors[0].field, "object.name");
}

#[test]
fn null_counts_as_absent_and_optional_reads_what_is_there() {
    let p = params("", "application/json", r#"{"a":null,"b":2,"c":"x"}"#);
    assert_eq!(p.optional("a", Params::u64).ok(), Some(None));
    assert_eq!(p.optional("b", Params::u64).ok(), Some(Some(2)));
    assert_eq!(kind(p.optional("c", Params::u64)), ProblemKind::Invalid);
}

#[test]
fn dates_are_rfc_3339() {
    let p = params("d=2021-11-07T16:58:22.144+01:00&e=tomorrow", "", "");
    assert_eq!(p.date("d").ok(), Some(1_636_300_702_144));
    assert_eq!(kind(p.date("e")), ProblemKind::Invalid);
}
