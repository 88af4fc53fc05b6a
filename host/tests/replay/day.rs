//! What a host does in these tests.

use leyden::dispatch::types::{RequestHead, Response, RowBatch, RowFormat};
use serde_json::{Value, json};

use super::support::TestHost;

pub(crate) async fn probe(host: &TestHost, action: &str, params: &str) {
    let answer = host
        .post(
            "probe",
            "/probe/{action}",
            &[("action", action)],
            params,
            None,
        )
        .await;
    drop(answer);
}

fn text(answer: Response) -> String {
    let text = String::from_utf8(answer.body).expect("text");
    text.trim_matches('"').to_owned()
}

/// A community with things in it, some minutes, readings, and a partner who asks.
pub(crate) async fn a_day(host: &TestHost) -> Vec<String> {
    let mut houses = Vec::new();
    for client in ["Jean-Sébastien", "Marie", "Ingeborg Östlund"] {
        let body = match client {
            "Marie" => json!({"client_name": client, "household": "sgsc-10017554"}),
            _ => json!({"client_name": client}),
        };
        let route = "/house/house-editor/add-house";
        let body = body.to_string();
        let added = host.post("house", route, &[], &body, None).await;
        let house = text(added.expect("a house"));
        let object = r#"{"type": "BASIC", "object": {"name": "Mixeur", "maxConsumption": 500}}"#;
        let route = "/house/house-editor/house/{id}/add-object";
        let params = [("id", house.as_str())];
        let added = host.post("house", route, &params, object, None);
        added.await.expect("an object");
        houses.push(house);
    }
    for _ in 0..3 {
        host.host.streams.tick().await.expect("a tick");
    }
    readings(host).await;
    host.host.streams.settle().await.expect("settled");
    let ask = |component: &'static str, route: &'static str, body: Value| async move {
        let body = body.to_string();
        host.post(component, route, &[], &body, None).await
    };
    let all = ask(
        "client-database",
        "/client-database/client-registry/allHouses",
        json!({}),
    );
    all.await.expect("houses");
    let date = json!({"date": "2021-11-07T16:00:22.144Z"});
    let total = ask("consumption", "/consumption-api/total-consumption", date);
    total.await.expect("a sum");
    let partner = json!({"partnerID": "acme", "trustLevel": 3, "datapoint": 20});
    let added = ask("partner-api", "/partner-api/add-partner", partner).await;
    added.expect("a partner");
    let credit = json!({"partnerID": "acme", "datapoint": 500});
    let credited = ask("partner-api", "/partner-api/add-datapoint", credit).await;
    credited.expect("datapoints");
    let detailed = json!({"partnerID": "acme", "date": "2021-11-07T16:00:22.144Z"});
    let read = ask(
        "partner-api",
        "/partner-api/request-detailed-consumption",
        detailed,
    )
    .await;
    read.expect("readings");
    houses
}

/// Readings of a real meter, as an upload.
async fn readings(host: &TestHost) {
    let row = |minute: u64| {
        format!(
            "sgsc-10017554,2021-11-07T15:{minute}0:00Z,2021-11-07T15:{}0:00Z,consumption,{}",
            minute + 1,
            100 + minute
        )
    };
    let batch = RowBatch {
        format: RowFormat::Csv,
        header: Some(b"household,startsAt,endsAt,kind,energyWh".to_vec()),
        first_row: 1,
        rows: (0..3).map(|minute| row(minute).into_bytes()).collect(),
    };
    let head = RequestHead {
        method: "POST".into(),
        route: "/meters/readings".into(),
        path: "/meters/readings".into(),
        ..RequestHead::default()
    };
    let generation = host.host.registry.generation();
    let meters = generation.components.get("meters").expect("meters");
    let dispatch = &host.host.dispatch;
    let taken = dispatch.rows(&generation, meters, head, batch, None).await;
    taken.expect("readings");
}
