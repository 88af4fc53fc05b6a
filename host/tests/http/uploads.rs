//! Uploads by rows: formats, batches, errors by row number, repetition.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Web, common, own, run, send};

async fn upload(web: &Web, format: &str, body: impl Into<reqwest::Body>) -> Answer {
    send(
        web.request(Method::POST, "/probe/rows")
            .header("content-type", format)
            .body(body),
    )
    .await
}

/// An upload in each format whose rows are these JSON texts.
fn formats(rows: &[String]) -> [(&'static str, String); 3] {
    [
        ("text/csv", format!("column\n{}\n", rows.join("\n"))),
        ("application/x-ndjson", rows.join("\n")),
        ("application/json", format!("[{}]", rows.join(","))),
    ]
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

#[test]
fn every_format_is_taken_in_batches() {
    run(async {
        let web = common().await;
        for (format, body) in formats(&numbered(2_345)) {
            let answer = upload(web, format, body).await;
            assert_eq!(
                (answer.status, answer.json()),
                (200, json!({ "rows": 2_345 })),
                "{format}"
            );
        }
        assert_eq!(
            upload(web, "application/json", "{}").await.json(),
            json!({ "rows": 1 })
        );
        assert_eq!(
            upload(web, "application/x-ndjson", "").await.json(),
            json!({ "rows": 0 })
        );
    });
}

#[test]
fn a_batch_that_fails_is_told_by_row_and_the_batches_before_it_stay() {
    run(async {
        let web = common().await;
        let mut rows = numbered(1_500);
        rows[1_233] = "bad".to_owned();
        for (format, body) in formats(&rows) {
            let answer = upload(web, format, body).await;
            if format == "application/json" {
                // `bad` is no JSON, but what is inside a row is the component's business.
                assert_eq!(answer.status, 422, "{answer:?}");
            }
            assert_eq!(answer.problem(422), "invalid", "{format}");
            let problem = answer.json();
            assert_eq!(
                (&problem["errors"][0]["row"], &problem["accepted"]),
                (&json!(1_234), &json!(1_000)),
                "{format}"
            );
        }
        rows[1_233] = "poison".to_owned();
        let (format, body) = formats(&rows)[1].clone();
        let answer = upload(web, format, body).await;
        assert_eq!(
            (answer.problem(502).as_str(), &answer.json()["accepted"]),
            ("trapped", &json!(1_000))
        );
    });
}

#[test]
fn broken_uploads_are_malformed_with_the_row() {
    run(async {
        let web = common().await;
        for (format, body, row) in [
            ("text/csv", "a\n1\n\"open", json!(2)),
            ("text/csv", "a\n\"1\"2\n", json!(1)),
            ("text/csv", "", Value::Null),
            ("application/json", "[1,2", json!(2)),
            ("application/json", "[1,,2]", json!(2)),
            ("application/json", "[{}]x", json!(2)),
            ("application/json", "nul", json!(1)),
            ("application/json", "", json!(1)),
        ] {
            let answer = upload(web, format, body).await;
            assert_eq!(answer.problem(400), "malformed", "{format}: {body}");
            let problem = answer.json();
            assert_eq!(
                (&problem["errors"][0]["row"], &problem["accepted"]),
                (&row, &json!(0)),
                "{format}: {body}"
            );
        }
        let long = upload(
            web,
            "application/x-ndjson",
            format!("1\n\"{}\"", "x".repeat(70_000)),
        )
        .await;
        assert_eq!(long.problem(413), "too-large");
        assert_eq!(long.json()["errors"][0]["row"], 2);
    });
}

#[test]
fn other_media_types_are_refused() {
    run(async {
        let web = common().await;
        for format in [
            "text/plain",
            "application/octet-stream",
            "text/csv; charset=latin1",
        ] {
            assert_eq!(
                upload(web, format, "a\n1\n").await.field(415),
                "Content-Type",
                "{format}"
            );
        }
        let bare = send(web.request(Method::POST, "/probe/rows").body("a\n1\n")).await;
        assert_eq!(bare.field(415), "Content-Type");
        let packed = web
            .request(Method::POST, "/probe/rows")
            .header("content-type", "text/csv");
        assert_eq!(
            send(packed.header("content-encoding", "gzip").body("x"))
                .await
                .field(415),
            "Content-Encoding"
        );
    });
}

#[test]
fn a_repeated_upload_repeats_nothing() {
    run(async {
        let web = common().await;
        let send_keyed = |body: String| {
            let request = web
                .request(Method::POST, "/probe/rows")
                .header("idempotency-key", "upload");
            send(
                request
                    .header("content-type", "application/x-ndjson")
                    .body(body),
            )
        };
        let body = numbered(1_200).join("\n");
        let (first, second) = (
            send_keyed(body.clone()).await,
            send_keyed(body.clone()).await,
        );
        assert_eq!((first.status, &first.body), (200, &second.body));
        let other = send_keyed(format!("{body}0")).await;
        assert_eq!(other.problem(422), "key-reused");
        assert_eq!(other.json()["accepted"], 1_000);
    });
}

#[test]
fn a_long_upload_streams_through() {
    run(async {
        let web = common().await;
        let chunks = (0..400)
            .map(|_| Ok::<_, std::io::Error>("\"0123456789abcdefghijklmnopqrst\"\n".repeat(250)));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        assert_eq!(
            upload(web, "application/x-ndjson", body).await.json(),
            json!({ "rows": 100_000 })
        );
    });
}

#[test]
fn an_option_bounds_uploads() {
    run(async {
        let web = own(|options| options.upload_bytes_max = Some(10_000)).await;
        assert_eq!(
            upload(&web, "application/x-ndjson", numbered(1_000).join("\n"))
                .await
                .status,
            200
        );
        let answer = upload(&web, "application/x-ndjson", numbered(10_000).join("\n")).await;
        assert_eq!(answer.problem(413), "too-large");
    });
}

#[test]
fn plugins_answer_bad_rows_by_number() {
    run(async {
        let web = common().await;
        let csv = "household,startsAt,endsAt,kind,energyWh\nnobody,2013-07-01T00:00:00Z,2013-07-01T00:30:00Z,consumption,1\n";
        let request = web
            .request(Method::POST, "/meters/readings")
            .header("content-type", "text/csv");
        let answer = send(request.body(csv)).await;
        assert!([404, 422].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.json()["errors"][0]["row"], 1);
        assert_eq!(answer.json()["errors"][0]["field"], "household");
    });
}
