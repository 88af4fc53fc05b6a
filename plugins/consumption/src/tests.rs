//! From records to answers, against the SDK's stand-in for the host: shapes of answers, what is
//! published, what is refused. The registry is not there, so nothing here is unknown to it.

use leyden_sdk::http::{Problem, ProblemKind, RequestHead};
use leyden_sdk::{grid, testing};

use super::*;

const START: &str = "2021-11-07T15:59:22.144Z";

/// What a minute of community 4 brings: three houses, the last of which closes it.
fn a_minute() -> Vec<Event> {
    let start_ms = time::parse_ms(START).expect("an instant");
    let houses = [("a", 500), ("b", 9_500), ("c", 3_100)];
    let payload = |(house, power_w): (&str, u64)| {
        serde_json::json!({
            "house": house,
            "community": 4,
            "interval": { "startsAtMs": start_ms, "endsAtMs": start_ms + 60_000 },
            "consumptionUj": power_w * 60_000_000,
            "closes": house == "c",
        })
    };
    let event = |(offset, house)| Event {
        partition: 0,
        offset,
        key: String::new(),
        payload: payload(house).to_string().into_bytes(),
        published_at_ms: start_ms,
    };
    (1..).zip(houses).map(event).collect()
}

fn ask(route: &str, body: &str) -> Result<String> {
    let head = RequestHead {
        method: "POST".to_owned(),
        route: route.to_owned(),
        path: route.to_owned(),
        params: Vec::new(),
        query: None,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    let body = body.as_bytes().to_vec();
    let response = <Consumption as http::Handler>::handle(Request { head, body })?;
    assert_eq!(response.status, 200);
    Ok(String::from_utf8(response.body).expect("text"))
}

fn refused(route: &str, body: &str) -> Problem {
    match ask(route, body) {
        Err(Error::Reject(problem)) => problem,
        other => panic!("a refusal, not {other:?}"),
    }
}

#[test]
fn a_minute_is_published_and_answered() {
    <Consumption as streams::Handler>::handle("house.readings", a_minute()).expect("it is handled");
    let published = testing::take_published();
    assert_eq!(published.len(), 1);
    assert_eq!(
        (published[0].stream.as_str(), published[0].key.as_str()),
        ("community.balance", "4")
    );
    let balance: serde_json::Value = serde_json::from_slice(&published[0].payload).expect("JSON");
    assert_eq!(
        balance,
        serde_json::json!({
            "community": 4,
            "interval": { "startsAtMs": 1_636_300_762_144_u64, "endsAtMs": 1_636_300_822_144_u64 },
            "consumptionMw": 13_100_000,
            "houses": 3,
            "closed": true,
        })
    );
    let date = format!(r#"{{"date":"{START}"}}"#);
    assert_eq!(
        ask("/consumption-api/total-consumption", &date),
        Ok("13100".to_owned())
    );
    assert_eq!(
        ask("/consumption-api/total-consumption", &format!("{START:?}")),
        Ok("13100".to_owned())
    );
    let community = format!(r#"{{"date":"{START}","communityID":4}}"#);
    assert_eq!(
        ask("/consumption-api/community-consumption", &community),
        Ok(r#""13100""#.to_owned())
    );
    let energy = r#"{"from":"2021-11-07T00:00:00Z","to":"2021-11-08T00:00:00Z","communityID":4}"#;
    let expected = concat!(
        r#"{"consumptionWh":218.33333333333334,"productionWh":null,"intervals":1,"highest":"#,
        r#"{"start":"2021-11-07T15:59:22.144Z","end":"2021-11-07T16:00:22.144Z","power":13100}}"#,
    );
    assert_eq!(
        ask("/consumption-api/energy", energy),
        Ok(expected.to_owned())
    );
}

#[test]
fn no_data_is_null_and_not_zero() {
    let date = r#"{"date":"2020-01-01T00:00:00Z"}"#;
    assert_eq!(
        ask("/consumption-api/total-consumption", date),
        Ok("null".to_owned())
    );
    let energy = r#"{"from":"2020-01-01T00:00:00Z","to":"2020-01-02T00:00:00Z"}"#;
    let expected = r#"{"consumptionWh":null,"productionWh":null,"intervals":0,"highest":null}"#;
    assert_eq!(
        ask("/consumption-api/energy", energy),
        Ok(expected.to_owned())
    );
}

#[test]
fn wrong_parameters_are_named() {
    for (route, body, field) in [
        ("/consumption-api/total-consumption", "{}", "date"),
        (
            "/consumption-api/total-consumption",
            r#"{"date":"yesterday"}"#,
            "date",
        ),
        (
            "/consumption-api/community-consumption",
            r#"{"date":"2020-01-01T00:00:00Z"}"#,
            "communityID",
        ),
        (
            "/consumption-api/energy",
            r#"{"from":"2020-01-01T00:00:00Z","to":"2020-01-01T00:00:00Z"}"#,
            "to",
        ),
        (
            "/consumption-detailed/get-detailed-consumption",
            r#"{"date":"2020-01-01T00:00:00Z"}"#,
            "houseID",
        ),
    ] {
        let problem = refused(route, body);
        assert_eq!(
            (problem.kind, problem.errors[0].field.as_str()),
            (ProblemKind::Invalid, field),
            "{route}"
        );
    }
}

#[test]
fn a_record_that_is_no_reading_is_refused_whole() {
    let mut batch = a_minute();
    batch[1].payload = b"{}".to_vec();
    let refused = <Consumption as streams::Handler>::handle("house.readings", batch);
    let Err(Error::Reject(problem)) = refused else {
        panic!("a refusal, not {refused:?}")
    };
    assert!(
        problem.detail.starts_with("Record 2 is not a reading: "),
        "{}",
        problem.detail
    );
    assert_eq!(testing::take_published(), []);
}

#[test]
fn the_exported_interfaces_answer() {
    <Consumption as streams::Handler>::handle("house.readings", a_minute()).expect("it is handled");
    let at_ms = time::parse_ms(START).expect("an instant");
    assert_eq!(
        <Consumption as consumption::Guest>::total_at(at_ms),
        Ok(Some(13_100.0))
    );
    assert_eq!(
        <Consumption as balances::Guest>::latest_consumption(4),
        Ok(Some(13_100.0))
    );
    assert_eq!(
        <Consumption as balances::Guest>::latest_consumption(5),
        Ok(None)
    );
}

/// One page of all communities' rows, or one's, in the interval of `a_minute`.
fn page(
    community: Option<u64>,
    start: Option<grid::consumption_rows::Place>,
    limit: u32,
) -> grid::consumption_rows::Page {
    let page = <Consumption as consumption_rows::Guest>::between(
        0,
        u64::MAX,
        community,
        start,
        limit,
        true,
    );
    page.expect("a page")
}

#[test]
fn rows_come_page_by_page_with_their_place() {
    <Consumption as streams::Handler>::handle("house.readings", a_minute()).expect("it is handled");
    let first = page(None, None, 2);
    let of = |row: &grid::consumption_rows::Row| {
        let house = first.houses[row.house as usize].as_str();
        (house, row.community, row.power_mw, row.complete)
    };
    let rows: Vec<_> = first.rows.iter().map(of).collect();
    assert_eq!(rows, [("a", 4, 500_000, true), ("b", 4, 9_500_000, true)]);
    let second = page(None, first.next, 2);
    assert_eq!((second.rows.len(), second.next), (1, None));
    assert_eq!(page(Some(4), None, 9).rows.len(), 3);
    assert_eq!(page(Some(5), None, 9).rows.len(), 0);
}

#[test]
fn callers_of_the_released_interface_get_the_same_rows_one_by_one() {
    let mut minute = a_minute();
    for (number, event) in (1_u64..).zip(&mut minute) {
        let mut reading: serde_json::Value = serde_json::from_slice(&event.payload).expect("JSON");
        let object = |name| serde_json::json!({ "name": name, "consumptionUj": number * 60_000_000, "productionUj": 0 });
        let objects = ["Car", "Oven"].iter().skip(number as usize % 2);
        reading["objects"] = objects.map(object).collect();
        event.payload = reading.to_string().into_bytes();
    }
    <Consumption as streams::Handler>::handle("house.readings", minute).expect("it is handled");
    let mut start = None;
    let mut rows = Vec::new();
    loop {
        let page =
            <Consumption as consumption::Guest>::houses_between(0, u64::MAX, None, start, 2, true);
        let page = page.expect("a page");
        rows.extend(page.houses);
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    let compact = page(None, None, 9);
    let mut objects = compact.objects.iter();
    assert!(rows.len() == 3 && !compact.objects.is_empty());
    for (row, of) in rows.iter().zip(&compact.rows) {
        assert_eq!(row.house, compact.houses[of.house as usize]);
        let same = (row.community, row.interval, row.power_mw, row.complete);
        assert_eq!(same, (of.community, of.interval, of.power_mw, of.complete));
        assert_eq!(row.objects.len(), of.objects as usize);
        for object in &row.objects {
            let known = objects.next().expect("an object");
            assert_eq!(object.name, compact.object_names[known.name as usize]);
            assert_eq!(object.power_mw, known.power_mw);
        }
    }
    assert_eq!(objects.next(), None);
}

#[test]
fn a_row_of_an_interval_that_is_still_open_is_not_complete() {
    let mut minute = a_minute();
    minute.truncate(2);
    <Consumption as streams::Handler>::handle("house.readings", minute).expect("it is handled");
    let rows = page(None, None, 9).rows;
    assert!(rows.len() == 2 && rows.iter().all(|row| !row.complete));
}
