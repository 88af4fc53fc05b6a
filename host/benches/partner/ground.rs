//! What there is to read: houses with readings, so many minutes of them.

use serde_json::json;

use super::people::{Answer, Operator};

/// When the clock of a host under proof starts, ms since 1970: 2021-11-07T15:58:22.144Z.
pub const START_MS: u64 = 1_636_300_702_144;

/// A period that covers everything that was measured, ms since 1970: a day around the start.
pub const PERIOD: (u64, u64) = (1_636_243_200_000, 1_636_329_600_000);

/// Houses registered in one request.
const BATCH: usize = 1_000;

/// Houses of a community: more than the smallest group whose sum may be told.
pub const COMMUNITY_HOUSES: usize = 40;

/// Registers so many houses, each drawing power, and lets so many minutes pass.
pub async fn measure(operator: &Operator, houses: usize, minutes: u64) {
    for first in (0..houses).step_by(BATCH) {
        let numbers = first..houses.min(first + BATCH);
        let rows: String = numbers.map(row).collect();
        let request = operator
            .request(reqwest::Method::POST, "/house/house-editor/houses")
            .header("content-type", "application/x-ndjson")
            .body(rows);
        Answer::of(request)
            .await
            .expect("an answer")
            .expected("houses");
    }
    operator
        .post("/admin/clock/tick", &json!({ "count": minutes }))
        .await;
    operator.post("/admin/settle", &json!({})).await;
}

/// A house, as an upload of many has it.
fn row(number: usize) -> String {
    let consumption = 400 + number % 7 * 20;
    let mixer = json!({
        "object": { "name": "Mixer", "maxConsumption": consumption, "enabled": true },
        "type": "BASIC",
    });
    let house = json!({
        "client_name": format!("Client {number}"),
        "communityID": number / COMMUNITY_HOUSES + 1,
        "objects": [mixer],
    });
    format!("{house}\n")
}
