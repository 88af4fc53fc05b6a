//! Tests of what is sent, and where.

use super::*;

#[test]
fn endpoints_headers_and_ratios_are_checked() {
    let target =
        |endpoint: &str| Options::new(endpoint).map(|options| options.target().to_string());
    let plain = Ok("http://127.0.0.1:4318/v1/traces".to_owned());
    assert_eq!(target("http://127.0.0.1:4318"), plain);
    assert_eq!(target("http://127.0.0.1:4318/"), plain);
    assert_eq!(
        target("http://c/otlp/"),
        Ok("http://c/otlp/v1/traces".to_owned())
    );
    for wrong in [
        "",
        "127.0.0.1:4318",
        "https://c",
        "grpc://c:4317",
        "http://",
    ] {
        assert_eq!(target(wrong), Err(Error::Endpoint), "{wrong}");
    }
    let options = || Options::new("http://c").unwrap();
    let with = options()
        .with_headers("a=b%20c, authorization=Bearer%20x,")
        .unwrap();
    assert_eq!(with.headers["a"], "b c");
    assert!(with.headers["authorization"].is_sensitive());
    for wrong in ["a", "a b=c", "a=%0a", "a=%", "a=%zz", "a=%+1"] {
        assert_eq!(
            options().with_headers(wrong).err(),
            Some(Error::Headers),
            "{wrong}"
        );
    }
    assert!(options().with_ratio(0.5).is_ok());
    for wrong in [-0.1, 1.1, f64::NAN] {
        assert_eq!(options().with_ratio(wrong).err(), Some(Error::Ratio));
    }
}

#[test]
fn spans_are_written_as_the_protocol_has_them() {
    let span = |parent, failed: Option<&str>| Span {
        id: 0xab,
        parent,
        name: "run".into(),
        began_ns: 1,
        ended_ns: u64::MAX,
        told: vec![("n", 7.into()), ("t", "x".into())],
        failed: failed.map(str::to_owned),
    };
    let finished = Finished {
        trace: 0xcd,
        state: Some("a=b".to_owned()),
        spans: vec![span(Some(1), None), span(None, Some("trapped"))],
    };
    let document = document(&resource("leyden"), &[finished]);
    let of_resource = &document["resourceSpans"][0]["resource"]["attributes"];
    assert_eq!(of_resource[0]["value"]["stringValue"], "leyden");
    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let expected = json!({
        "traceId": "000000000000000000000000000000cd",
        "spanId": "00000000000000ab",
        "name": "run",
        "kind": 1,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "18446744073709551615",
        "attributes": [
            { "key": "n", "value": { "intValue": "7" } },
            { "key": "t", "value": { "stringValue": "x" } },
        ],
        "parentSpanId": "0000000000000001",
        "traceState": "a=b",
    });
    assert_eq!(spans[0], expected);
    assert_eq!(spans[1]["kind"], 2);
    assert_eq!(
        spans[1]["status"],
        json!({ "code": 2, "message": "trapped" })
    );
    assert!(spans[1].get("parentSpanId").is_none());
}
